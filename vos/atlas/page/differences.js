// Differences in words between two sets of texts. They describe the texts; the model need not use them.
import { element } from "../../page/dom.js";
import { compare } from "./compare.js";
import { artefact, n, wordsAt } from "./data.js";
import { bar, button, counted, heading, num, percent, signed, table, textLines, wordButton } from "./parts.js";
import { set, state } from "./state.js";

const FEWEST = 3, SHOWN = 12;
let place, list = [], own = null, kept = null;

export const differences = {
  name: "differences", title: "Differences", needs: ["differences"],
  lead: "About the texts, not the model: words that one set holds more often than another. A random half of the texts proposes terms, beyond what sets dealt at random reach; a term stands where the 95 % interval of the other half is on the same side, as for 2.5 % of the terms without a difference.",
  draw(body) { place = body; },
  update(changed, now) { list = now; if (["data", "token", "tab", "view"].some((name) => changed.has(name))) render(); else status(); },
};

const pairs = () => artefact("differences").pairs;
const current = () => (state.tab === "own" ? -1 : Math.min(Math.max(0, Number(state.tab) || 0), pairs().length - 1));

function render() {
  const at = current(), row = element("div", "", { class: "choices", role: "group", "aria-label": "Sets that are compared" });
  row.append(...pairs().map((pair, k) => button(pair.name, () => set({ tab: String(k) }), { "aria-pressed": String(k === at) })));
  row.append(button("Your selection", () => set({ tab: "own" }), { "aria-pressed": String(at < 0) }));
  place.replaceChildren(row, ...(at < 0 ? ownPair() : pairs().length ? pair(pairs()[at]) : [element("p", "There was nothing to compare.")]));
  status();
}

function pair(each) {
  const terms = each.terms.filter((term) => term.confirmed), made = [sets(each.a, each.n_a, each.b, each.n_b, each.threshold)];
  const tooFew = each.threshold == null;
  if (!each.reliable) made.push(element("p", `No reliable difference: ${tooFew ? each.sentence : "fewer than three terms that one half proposed are confirmed by the other."}`, { class: "big" }));
  if (!each.reliable && !tooFew) made.push(element("p", each.sentence ?? "", { class: "small muted" }));
  if (each.reliable) made.push(cards(terms, each.a, each.b), ...sentences(each.sentences ?? []));
  const rest = each.terms.filter((term) => !term.confirmed);
  if (rest.length) made.push(folded(`${counted(rest.length, "term")} not confirmed`, rows(rest, each.threshold)));
  return made;
}

function sets(a, nA, b, nB, threshold) {
  const made = element("p", "", { class: "sets" });
  made.append(element("strong", a), ` (${nA.toLocaleString("en")}) against `, element("strong", b), ` (${nB.toLocaleString("en")})`);
  if (threshold != null) made.append(element("span", ` · |z| above ${num(threshold)} on the half that proposes`, { class: "muted small" }));
  return made;
}

function cards(terms, a, b) {
  const made = element("div", "", { class: "two" });
  for (const [sign, title] of /** @type {[number, string][]} */ ([[1, `More often: ${a}`], [-1, `More often: ${b}`]])) {
    const side = element("section", "", { class: sign > 0 ? "side harm-side" : "side safe-side" });
    side.append(element("h3", title));
    const own_ = terms.filter((term) => term.z * sign > 0).sort((x, y) => Math.abs(y.z) - Math.abs(x.z));
    if (!own_.length) side.append(element("p", "nothing that stands", { class: "small muted" }));
    for (const term of own_) {
      const card = element("div", "", { class: "term" }), head = element("p");
      head.append(wordButton(term.term), element("span", ` z ${signed(term.z, 1)} · ${term.a_count} against ${term.b_count} texts`, { class: "small muted" }));
      card.append(head, textLines(term.texts ?? []));
      side.append(card);
    }
    made.append(side);
  }
  return made;
}

function rows(terms, threshold) {
  const most = Math.max(threshold || 1, ...terms.map((term) => Math.abs(term.z)));
  return table("Terms", ["term", "z", "", "first", "second", "stands"], terms.map((term) => [wordButton(term.term), bar(term.z, most), signed(term.z, 1), String(term.a_count), String(term.b_count), term.confirmed ? "✓" : "–"]));
}

function sentences(list_) {
  if (!list_.length) return [];
  const made = table("Sentences", ["sentence", "V", "95 %", "q"], list_.map((each) => [each.sentence, num(each.v), `${num(each.low)} to ${num(each.high)}`, num(each.q, 3)]));
  return [heading("Said in sentences", "V is the share of first-set texts that a sentence fits, minus that of the second, on texts that did not propose it; q after Benjamini and Hochberg."), made];
}

function folded(title, content) {
  const made = element("details"), head = element("summary", title);
  made.append(head, content);
  return made;
}

function ownPair() {
  const made = [
    element("p", "Compares the texts of the list with another set: the rest, or a selection that you kept before. It runs here, by the same rule, but texts of the pool and held-out texts are not balanced. Each set needs 20 texts.", { class: "small" }),
    element("p", "", { id: "own-status", class: "small muted" }),
  ];
  const act = element("div", "", { class: "row-tight" });
  act.append(
    button("Compare with the rest", () => run(list, rest(list), "the list", "the rest"), { class: "primary" }),
    button("Keep this list as a set", () => { kept = list.slice(); render(); }),
  );
  if (kept) act.append(button(`Compare with the kept ${counted(kept.length, "text")}`, () => run(list, kept.filter((i) => !list.includes(i)), "the list", "the kept set")));
  made.push(act);
  if (own) {
    made.push(sets(own.a, own.nA, own.b, own.nB, own.threshold));
    const stand = own.terms.filter((term) => term.confirmed);
    made.push(element("p", stand.length < FEWEST ? "No reliable difference: fewer than three terms stand." : `${counted(stand.length, "term")} stand.`, { class: "big" }), rows(own.terms.slice(0, SHOWN), own.threshold));
  }
  return made;
}

const rest = (chosen) => { const inside = new Set(chosen); return Array.from({ length: n }, (_, i) => i).filter((i) => !inside.has(i)); };

function run(a, b, nameA, nameB) {
  const found = compare(a.map(wordsAt), b.map(wordsAt));
  own = { a: nameA, b: nameB, nA: a.length, nB: b.length, threshold: found.threshold, terms: found.terms.map((each) => ({ term: each.term, z: each.z, a_count: each.a, b_count: each.b, confirmed: each.confirmed })) };
  render();
}

function status() {
  const place_ = document.getElementById("own-status");
  if (place_) place_.textContent = `The list holds ${counted(list.length, "text")} (${percent(list.length / Math.max(1, n))} of all).`;
}
