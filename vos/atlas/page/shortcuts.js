// Shortcuts: words that move the margin more than similar words.
import { element } from "../../page/dom.js";
import { artefact } from "./data.js";
import { bar, button, counted, heading, num, options, signed, table, textLines, wordButton } from "./parts.js";
import { state } from "./state.js";

const FIRST = 25;
let kind = "", all = false, place;

export const shortcuts = {
  name: "shortcuts", title: "Shortcuts", needs: ["shortcuts"],
  lead: "Every word was put into texts near the boundary. Surprise is how far it moved the margin beyond what its nearest words did, in robust deviations; beyond ±5 it is flagged.",
  draw(body) { place = body; }, update(changed) { if (changed.has("data") || changed.has("token") || changed.has("view")) render(); },
};

function render() {
  const found = artefact("shortcuts"), flagged = found.rows.filter((row) => row.flag);
  const rows = found.rows.filter((row) => !kind || row.kind === kind).sort((a, b) => Number(b.flag) - Number(a.flag) || Math.abs(b.surprise ?? 0) - Math.abs(a.surprise ?? 0));
  place.replaceChildren(
    element("p", flagged.length ? `${counted(flagged.length, "flag")}. Read the texts before you believe one.` : "No word is flagged: none moves the margin much more than words like it.", { class: "big" }),
    opened(), filter(found.rows), words(all ? rows : rows.slice(0, FIRST)),
  );
  if (rows.length > FIRST) place.append(button(all ? "Show fewer" : `Show all ${rows.length}`, () => { all = !all; render(); }, { class: "quiet" }));
  place.append(...sweep(found.sweep ?? []));
}

/** The texts of the chosen word, next to its numbers. */
function opened() {
  const row = artefact("shortcuts").rows.find((each) => each.word === state.token), made = element("div");
  if (row) made.append(heading(`Texts with “${row.word}”`), textLines(row.texts.slice(0, 6)));
  return made;
}

function filter(rows) {
  const made = element("div", "", { class: "row-tight" }), choice = element("select", "", { id: "shortcut-kind" });
  options(choice, [["", "Words, phrases, signs"], ...[...new Set(rows.map((row) => row.kind))].sort().map((each) => [each, `only ${each}`])], kind);
  choice.addEventListener("change", () => { kind = choice.value; render(); });
  made.append(element("label", "Kind", { for: "shortcut-kind", class: "small" }), choice);
  return made;
}

function words(rows) {
  const most = Math.max(5, ...rows.map((row) => Math.abs(row.surprise ?? 0)));
  return table("Words by surprise", ["word", "surprise", "", "put in", "taken out", "t within label", "texts"], rows.map((row) => {
    const name = element("span", "", { class: "flag-cell" });
    name.append(wordButton(row.word));
    if (row.flag) name.append(element("span", "flag", { class: "tag flag" }));
    return [name, bar(row.surprise ?? 0, most), signed(row.surprise, 1), signed(row.insertion), signed(row.deletion), signed(row.t, 1), String(row.count ?? "–")];
  }));
}

function sweep(rows) {
  const alarms = rows.filter((row) => row.alarm), read = rows.filter((row) => !row.alarm);
  const made = [heading("Sweep over the tokenizer's vocabulary", "Each word alone in short templates, whether or not a text holds it: beyond 8 deviations an alarm, beyond 5 a list to read.")];
  const line = (title, list) => {
    const row = element("p", "", { class: "words" });
    row.append(element("span", title + " ", { class: "small muted" }), ...list.map((each) => { const b = wordButton(each.token); b.append(element("span", ` ${num(each.z, 1)}`, { class: "muted" })); return b; }));
    return row;
  };
  if (alarms.length) made.push(line("Alarms:", alarms));
  if (read.length) made.push(line("To read:", read));
  if (!rows.length) made.push(element("p", "Nothing stands out.", { class: "small" }));
  return made;
}
