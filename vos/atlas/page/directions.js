// Directions: the margin as an exact sum of a few parts, and what the texts of each part have in common.
import { element } from "../../page/dom.js";
import { artefact, className, endName, hasSides } from "./data.js";
import { button, heading, level, num, percent, signed, table, textLines, wordRow } from "./parts.js";
import { state, toggle } from "./state.js";

const METHODS = { ica: "independent components", dictionary: "sparse dictionary" };
let place;

export const directions = {
  name: "directions", title: "Directions", needs: ["directions"],
  lead: "The margin of every text is the sum of these directions, a rest, and a constant. An end has a name only where its texts hang together; the bars of one text stand in its panel.",
  draw(body) { place = body; }, update(changed) { if (["data", "dir", "token", "view"].some((name) => changed.has(name))) render(); },
};

function render() {
  const found = artefact("directions"), cards = [...found.cards].sort((a, b) => (b.share ?? 0) - (a.share ?? 0)), most = Math.max(1e-9, ...cards.map((card) => card.share ?? 0));
  const list = element("div", "", { class: "stack" }), unclear = cards.some((card) => card.ends.some((each) => !each.towards));
  list.append(...cards.map((card) => one(card, most)));
  place.replaceChildren(element("p", `${found.n ?? cards.length} directions (${METHODS[found.method] ?? found.method}); constant ${signed(found.constant)}. Together they are ${sumName(found)}.${unclear ? " “+ end” and “− end” push towards different classes, by the two that a text lies between." : ""}`, { class: "small muted" }), list, ...compared(found));
}

/** What the parts of a text add up to. */
export function sumName({ n_pairs: count, pair: [a, b] }) {
  return hasSides || count > 1 ? "the margin" : `the logit of “${className(a)}” minus that of “${className(b)}”; the margin is its size`;
}

/** The boundary along which a weight was taken. */
function boundary({ n_pairs: count, pair: [a, b] }) {
  return count > 1 ? `the boundary of ${className(a)} and ${className(b)}` : "the boundary";
}

function one(card, most) {
  const made = element("article", "", { class: "card" }), head = element("div", "", { class: "direction-head" });
  head.append(element("h3", `direction ${card.id}`), level(card.share ?? 0, most), element("span", `${percent(card.share)} of the pull`, { class: "small muted" }));
  const ends = element("div", "", { class: "two" });
  for (const sign of [-1, 1]) ends.append(end(card, card.ends.find((each) => each.sign === sign) ?? null, sign));
  made.append(head, element("p", `Decides the side of ${percent(card.decides_near)} of near texts; weight along ${boundary(artefact("directions"))} ${signed(card.beta)}.`, { class: "small muted" }), ends);
  return made;
}

function end(card, each, sign) {
  const side = hasSides ? { harmful: "side harm-side", harmless: "side safe-side" }[each?.towards] : null;
  const made = element("section", "", { class: side ?? "side" }), dir = `${card.id}${sign > 0 ? "+" : "-"}`;
  made.append(button(endName(card.id, sign), () => toggle("dir", dir), { class: "link", "aria-pressed": String(state.dir === dir) }));
  if (!each) return made;
  if (each.named) made.append(wordRow(each.words));
  else made.append(element("p", "no name: its texts do not hang together", { class: "small muted" }));
  made.append(element("p", `coherence ${num(each.coherence)}`, { class: "small muted" }), textLines(each.texts.slice(0, 3)));
  return made;
}

function compared(found) {
  const made = [], methods = Object.entries(found.compared ?? {}).filter(([, value]) => value && typeof value === "object"), keys = [...new Set(methods.flatMap(([, value]) => Object.keys(value)))];
  if (methods.length) made.push(heading("Against other ways to split the margin", "near: share of near texts whose side the parts alone keep; r2: of the margin there; unexplained: share of the spread left out; coherence: of the texts at the better end; named: share with a name."), table("Other ways to split the margin", ["", ...keys.map((key) => key.replaceAll("_", " "))], methods.map(([name, value]) => [name.replaceAll("_", " "), ...keys.map((key) => num(value[key]))])));
  const rows = (values) => Object.entries(values ?? {}).filter(([, value]) => typeof value === "number").map(([name, value]) => [name.replaceAll("_", " "), level(Math.max(0, value), 1), num(value)]);
  const beside = rows(found.compared), stable = rows(found.stability);
  if (beside.length) made.push(heading("Against single units and random directions", "Coherence of the texts at the better end: mean cosine of the fifteen strongest in an encoder that was not trained here."), table("Coherence", ["", "", "coherence"], beside));
  if (stable.length) made.push(heading("Stable?", "Share of directions that come back."), table("Stability", ["", "", "share"], stable));
  return made;
}
