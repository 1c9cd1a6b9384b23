// Token graphs: the contexts in which the margin, a unit or a direction becomes active, and how well they predict it.
import { $, element } from "../../page/dom.js";
import { artefact, isVeiled, targetName, texts } from "./data.js";
import { graphView } from "./graph_view.js";
import { bar, button, counted, heading, level, num, signed, table, textLine, wordButton } from "./parts.js";
import { set, state } from "./state.js";

const NAMES = { graph: "token graph", token: "single tokens", bigram: "token pairs", words: "bag of words" }, LISTED = 60, EXAMPLES = 12, SIDES = { left: "← ", right: "→ ", key: "", undefined: "" };
let place, wanted = "";

export const graphs = {
  name: "graphs", title: "Token graphs", needs: ["token_graphs"],
  lead: "Contexts pruned to the words that keep a target active, with words that could stand in. Each graph had to predict activity on held-out texts against three simpler rules; the best of the four is named.",
  draw(body) { place = body; }, update(changed) { if (["data", "tab", "view", "token", "piece"].some((name) => changed.has(name))) render(); },
};

const all = () => artefact("token_graphs").graphs;
const at = () => Math.min(Math.max(0, Number(state.tab) || 0), all().length - 1);

function render() {
  const graph = all()[at()], focused = document.activeElement?.id === "graph-search";
  if (!graph) { place.replaceChildren(element("p", "No token graph was made.")); return; }
  place.replaceChildren(search(), targets(), ...one(graph));
  if (focused) { const field = $("graph-search"); field.focus(); field.setSelectionRange(wanted.length, wanted.length); }
}

function search() {
  const made = element("div", "", { class: "row-tight" }), field = element("input", "", { type: "text", id: "graph-search", autocomplete: "off", spellcheck: "false", placeholder: "a word" });
  field.value = wanted;
  field.addEventListener("input", () => { wanted = field.value; render(); });
  made.append(element("label", "Which fire on", { for: "graph-search", class: "small" }), field);
  return made;
}

const begins = (token, word) => token.toLowerCase().startsWith(word) || token.toLowerCase().startsWith("##" + word);
const firesOn = (graph, word) => graph.nodes.some((node) => node.tokens.some((token) => begins(token, word))) || graph.words.some(([each]) => each.toLowerCase().startsWith(word));

function targets() {
  const made = element("div", "", { class: "choices scroll-choices", role: "group", "aria-label": "Targets" }), word = wanted.trim().toLowerCase();
  const list = all().map((graph, k) => [graph, k]).filter(([graph]) => !word || firesOn(graph, word)).slice(0, LISTED);
  made.append(...list.map(([graph, k]) => {
    const each = button(targetName(graph.target), () => set({ tab: k ? String(k) : "" }), { "aria-pressed": String(k === at()) });
    each.append(element("span", graph.winner === "graph" ? " ●" : "", { class: "kind-0", "aria-hidden": "true" }));
    return each;
  }));
  if (!list.length) made.append(element("p", "None of the graphs holds this word.", { class: "small" }));
  return made;
}

function one(graph) {
  const most = Math.max(...Object.values(graph.f1), 1e-9), wins = graph.winner === "graph";
  const rows = Object.entries(NAMES).map(([name, title]) => [name === graph.winner ? `${title} (best)` : title, level(graph.f1[name] ?? 0, most), num(graph.f1[name])]);
  const made = [heading(targetName(graph.target)), table("F1 on held-out texts", ["rule", "", "F1 on held-out texts"], rows)];
  made.push(element("p", wins ? "The graph predicts best: read it." : `The ${NAMES[graph.winner] ?? "other rule"} predicts at least as well: read its words first.`, { class: "big" }));
  const own = [drawing(graph), element("p", "First the word that decides; ← stands before it, → after it. Small words below a node could stand in for it.", { class: "small muted" })], words = graph.words.length ? [weights(graph.words)] : [];
  made.push(...(wins ? [...own, ...words] : [...words, ...own]), ...examples(graph), ...similar(), ...summary());
  return made;
}

function drawing(graph) {
  if (!graph.nodes.length) return element("p", "The graph is empty.", { class: "small muted" });
  const roots = graph.nodes.filter((node) => node.parent == null || !graph.nodes.some((each) => each.id === node.parent));
  const rows = [{ id: "start", parent: null }, ...graph.nodes.map((node) => ({ id: node.id, parent: roots.includes(node) ? "start" : node.parent, node }))];
  const tree = d3.stratify().id((row) => row.id).parentId((row) => row.parent)(rows);
  d3.tree().nodeSize([1, 1])(tree);
  const places = tree.descendants().filter((each) => each.data.node), index = new Map(places.map((each, k) => [each.id, k]));
  const nodes = places.map((each) => ({ x: each.depth, y: each.x, r: 5, box: true, label: SIDES[each.data.node.side] + (each.data.node.tokens[0] ?? "…"), sub: each.data.node.tokens.slice(1, 4).join(", "), colour: each.depth === 1 ? "var(--accent)" : undefined }));
  const edges = places.filter((each) => index.has(each.parent?.id)).map((each) => ({ a: index.get(each.parent.id), b: index.get(each.id), width: 1 + 2.5 * (each.data.node.saliency ?? 0.4) }));
  const tall = Math.min(900, Math.max(180, 46 * tree.leaves().length));
  return graphView(`Token graph with ${counted(nodes.length, "node")}: ${nodes.slice(0, 8).map((node) => node.label).join(", ")}`, nodes, edges, (k) => set({ piece: places[k].data.node.tokens[0] ?? "" }), { height: tall, keep: false });
}

function weights(words) {
  const most = Math.max(...words.map(([, weight]) => Math.abs(weight)), 1e-9), made = element("div");
  made.append(heading("Words that predict it"), table("Words that predict it", ["word", "", "weight"], words.slice(0, 15).map(([word, weight]) => [wordButton(word), bar(weight, most), signed(weight)])));
  return made;
}

function examples(graph) {
  if (!graph.examples.length) return [];
  const list = element("div", "", { class: "text-lines" });
  for (const { i, start, end } of graph.examples.slice(0, EXAMPLES)) {
    if (texts.text[i] === undefined) continue;
    const line = textLine(i), place_ = line.querySelector(".a-text"), points = [...texts.text[i]], from = Math.max(0, start - 40);
    place_.replaceChildren((from ? "…" : "") + points.slice(from, start).join(""), element("mark", points.slice(start, end).join("")), points.slice(end).join(""));
    if (isVeiled(i)) place_.classList.add("veiled");
    list.append(line);
  }
  return [heading("Where it matches"), list];
}

function similar() {
  const pairs = (artefact("token_graphs").similar ?? []).filter(([a, b]) => a === at() || b === at());
  if (!pairs.length) return [];
  const made = element("div", "", { class: "choices" });
  made.append(...pairs.slice(0, 10).map(([a, b, score]) => { const other = a === at() ? b : a; return button(`${targetName(all()[other].target)} ${num(score)}`, () => set({ tab: String(other) })); }));
  return [heading("Graphs that are alike"), made];
}

/** If every unit has a graph: the scores of the four predictors by layer. */
function summary() {
  const whole = artefact("token_graphs").all;
  if (!whole) return [];
  const rows = whole.layers.map((each) => [`layer ${each.layer}`, ...Object.keys(NAMES).map((name) => `${num(each.f1[name])} (${each.winners[name] ?? 0})`)]);
  return [heading(`All ${whole.units.toLocaleString("en")} units`, "Mean F1 on held-out texts, and how many units each rule predicts best."), table("All units by layer", ["", ...Object.values(NAMES)], rows)];
}
