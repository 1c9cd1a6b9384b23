// Components shared by several views: numbers, words, texts, bars, checks.
import { element } from "../../page/dom.js";
import { isVeiled, kind, shortUid, texts } from "./data.js";
import { set, state, toggle } from "./state.js";

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element. @param {string} tag @param {Record<string, any>} [attributes] @param {string} [text] @returns {any} */
export function svg(tag, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

/** A number in readable form. @param {number | null | undefined} value @param {number} [digits] */
export function num(value, digits = 2) {
  if (value == null || Number.isNaN(value)) return "–";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en").replace("-", "−");
  const small = value !== 0 && Math.abs(value) < 0.5 * 10 ** -digits;
  return Number(small ? value.toPrecision(1) : value.toFixed(digits)).toString().replace("-", "−");
}

/** With its sign. @param {number | null | undefined} value @param {number} [digits] */
export const signed = (value, digits = 2) => (value > 0 ? "+" : "") + num(value, digits);

/** A share in per cent. @param {number | null | undefined} value */
export const percent = (value) => (value == null || Number.isNaN(value) ? "–" : `${Math.round(100 * value)} %`);

/** "1 text", "2 texts". @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = one + "s") => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** A button of a view. @param {string} title @param {() => void} action @param {Record<string, any>} [attributes] */
export function button(title, action, attributes = {}) {
  const made = element("button", title, { type: "button", ...attributes });
  made.addEventListener("click", action);
  return made;
}

/** A word that filters the texts. @param {string} token */
export function wordButton(token) {
  return button(token, () => toggle("token", token), { class: "word", "data-token": token, "aria-pressed": String(state.token === token) });
}

/** A token of the model that filters the texts; ## stands before one that continues a word. @param {string} piece */
export function pieceButton(piece) {
  return button(piece, () => toggle("piece", piece), { class: "word", "data-piece": piece, "aria-pressed": String(state.piece === piece) });
}

/** Tokens in a row. @param {string[]} pieces */
export function pieceRow(pieces) {
  const row = element("span", "", { class: "words" });
  row.append(...pieces.map(pieceButton));
  return row;
}

/** Words in a row. @param {string[]} tokens */
export function wordRow(tokens) {
  const row = element("span", "", { class: "words" });
  row.append(...tokens.map(wordButton));
  return row;
}

/** A text that may be blurred. @param {string} text @param {boolean} veiled @param {string} [tag] */
export function textNode(text, veiled, tag = "span") {
  return element(tag, text, { class: veiled ? "a-text veiled" : "a-text", dir: "auto" });
}

const MARKS = ["●", "▲", "○"], MARK_NAMES = ["harmless", "harmful", "not judged"];

/** The symbol of what is known about a text. @param {number} i */
export function mark(i) {
  const made = element("span", MARKS[kind(i)], { class: `mark kind-${kind(i)}`, role: "img" });
  made.setAttribute("aria-label", MARK_NAMES[kind(i)]);
  return made;
}

/** A text as a line that chooses it. @param {number} i @param {string} [beside] */
export function textLine(i, beside = "") {
  const made = button("", () => set({ text: shortUid(i), outlier: null }), { class: "text-line", "data-i": i });
  made.append(mark(i), textNode(texts.text[i], isVeiled(i)));
  if (beside) made.append(element("span", beside, { class: "num muted" }));
  return made;
}

/** Several text lines, without texts that are not in the page. @param {number[]} list */
export function textLines(list) {
  const made = element("div", "", { class: "text-lines" });
  made.append(...list.filter((i) => i != null && texts.text[i] !== undefined).map((i) => textLine(i)));
  return made;
}

/** A bar from the middle to one side; `most` is the value of a full half. @param {number} value @param {number} most */
export function bar(value, most) {
  const made = element("span", "", { class: "bar", "aria-hidden": "true" });
  const fill = element("span", "", { class: value >= 0 ? "fill harm" : "fill safe" });
  fill.style.width = `${most > 0 ? Math.min(50, (50 * Math.abs(value)) / most) : 0}%`;
  made.append(fill);
  return made;
}

/** A bar from the left. @param {number} value @param {number} most */
export function level(value, most) {
  const made = element("span", "", { class: "level", "aria-hidden": "true" });
  const fill = element("span", "", { class: "fill" });
  fill.style.width = `${most > 0 ? Math.min(100, (100 * value) / most) : 0}%`;
  made.append(fill);
  return made;
}

/** A table. @param {string} caption @param {string[]} heads @param {(string | Node)[][]} rows the first cell heads its row */
export function table(caption, heads, rows) {
  const made = element("table"), head = element("tr"), body = element("tbody");
  head.append(...heads.map((each) => (each ? element("th", each, { scope: "col" }) : element("td"))));
  for (const cells of rows) {
    const row = element("tr");
    row.append(...cells.map((cell, k) => {
      const place = element(k ? "td" : "th", "", k ? {} : { scope: "row" });
      place.append(cell);
      return place;
    }));
    body.append(row);
  }
  const top = element("thead");
  top.append(head);
  made.append(element("caption", caption, { class: "sr" }), top, body);
  const scroll = element("div", "", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption });
  scroll.append(made);
  return scroll;
}

/** The head of a part of a view. @param {string} title @param {string} [lead] */
export function heading(title, lead = "") {
  const made = element("div", "", { class: "heading" });
  made.append(element("h3", title));
  if (lead) made.append(element("p", lead, { class: "small muted" }));
  return made;
}

/** The choices of a `select`. @param {any} place @param {string[][]} choices @param {string} value */
export function options(place, choices, value) {
  place.replaceChildren(...choices.map(([name, title]) => element("option", title, { value: name })));
  place.value = value;
}
