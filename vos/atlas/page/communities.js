// Communities of units: groups that respond to the same words, compared with random weights.
import { element } from "../../page/dom.js";
import { artefact } from "./data.js";
import { graphView, groupColour } from "./graph_view.js";
import { button, counted, heading, num, options, pieceButton, table, textLines, wordButton } from "./parts.js";
import { set, state, toggle } from "./state.js";

const NAMED = 12;
let place, method = "leiden";

export const communities = {
  name: "communities", title: "Communities", needs: ["communities"],
  lead: "Units that react to the same words, found in the weighted graph of units and tokens. A community lists texts that have its tokens.",
  draw(body) { place = body; }, update(changed) { if (["data", "cluster", "unit", "token", "piece", "tab", "view"].some((name) => changed.has(name))) render(); },
};

const found = () => artefact("communities");
const at = () => Math.min(Math.max(0, Number(state.tab) || 0), found().views.length - 1);

function render() {
  const view = found().views[at()];
  if (!view) { place.replaceChildren(element("p", "No communities were found.")); return; }
  if (method === "spectral" && !view.spectral) method = "leiden";
  place.replaceChildren(tools(view), picture(view), groups(view), measures(view), ...senses(), ...speech());
}

function tools(view) {
  const made = element("div", "", { class: "row-tight" }), choice = element("select", "", { id: "community-view" }), ways = element("div", "", { class: "group", role: "group", "aria-label": "Method" });
  options(choice, found().views.map((each, k) => [String(k), each.name === "across" ? "across all layers" : each.name]), String(at()));
  choice.addEventListener("change", () => { set({ tab: choice.value === "0" ? "" : choice.value, cluster: "" }); document.getElementById("community-view").focus(); });
  const foundBy = { louvain: "Louvain", leiden: "Leiden" }[found().settings?.algorithm] ?? "Modularity"; // all under the same key
  for (const [name, title] of [["leiden", foundBy], ["spectral", "Spectral"]]) {
    const each = button(title, () => { method = name; render(); }, { "aria-pressed": String(method === name) });
    each.disabled = !view[name];
    ways.append(each);
  }
  made.append(element("label", "Units", { for: "community-view", class: "small" }), choice, ways);
  return made;
}

/** Fade units outside the chosen community. */
function faint(group) {
  const [view, cluster] = state.cluster.split(".").map(Number);
  return state.cluster !== "" && method === "leiden" && view === at() && cluster !== group;
}

function picture(view) {
  const groups_ = view[method] ?? view.leiden, most = Math.max(1e-12, ...view.edges.map(([, , weight]) => weight));
  const layout = view.layout ?? { x: view.units.map((_, k) => Math.cos(k)), y: view.units.map((_, k) => Math.sin(k)) };
  const nodes = view.units.map(([layer, unit], k) => ({
    x: layout.x[k], y: layout.y[k], r: view.units.length > 200 ? 3.5 : 5.5, colour: groupColour(groups_[k]),
    label: state.unit === `${layer}.${unit}` ? `${layer}.${unit}` : "", chosen: state.unit === `${layer}.${unit}`, faint: faint(groups_[k]),
  }));
  const names = method === "leiden" ? view.groups.map((group) => ({ name: group.name || String(group.cluster), members: view.units.map((_, k) => k).filter((k) => groups_[k] === group.cluster) })) : [];
  const edges = view.edges.map(([a, b, weight]) => ({ a, b, width: 0.4 + (2.2 * weight) / most }));
  const name = `Graph of ${counted(view.units.length, "unit")} in ${counted(new Set(groups_).size, "community", "communities")}; the list below names them`;
  return graphView(name, nodes, edges, (k) => toggle("unit", `${view.units[k][0]}.${view.units[k][1]}`), { names: names.filter((each) => each.members.length) });
}

function groups(view) {
  const made = element("div", "", { class: "cards" });
  for (const group of view.groups) {
    const address = `${at()}.${group.cluster}`, card = element("article", "", { class: "card group-card" }), head = element("h3"), dot = element("span", "", { class: "dot", "aria-hidden": "true" });
    dot.style.background = groupColour(group.cluster);
    head.append(dot, button(group.name || `community ${group.cluster}`, () => toggle("cluster", address), { class: "link", "aria-pressed": String(state.cluster === address) }));
    const size = view.leiden.filter((each) => each === group.cluster).length, words = element("p", "", { class: "words" });
    words.append(...group.tokens.slice(0, NAMED).map((each) => pieceButton(each.token)));
    card.append(head, element("p", `${counted(size, "unit")}${group.tokens.length ? `, ${counted(group.tokens.length, "token")} of its own` : "; no token is its own"}`, { class: "small muted" }), words);
    if (group.tags?.length) card.append(element("p", "topics: " + group.tags.map((tag) => `${tag.column} ${tag.value} (z ${num(tag.z, 1)})`).join(", "), { class: "small" }));
    made.append(card);
  }
  if (view.merged?.length) made.append(element("p", `Merged for like words: ${view.merged.map((pair) => pair.join(" and ")).join("; ")}.`, { class: "small muted" }));
  return made;
}

function measures(view) {
  const control = view.control ?? found().control ?? {}, mean = (values) => (values?.length ? values.reduce((sum, each) => sum + each, 0) / values.length : NaN);
  const rows = [
    ["communities by the eigengap above its null", num(view.k), num(control.k)],
    ["stability under new texts (ARI)", num(view.stability), num(control.stability)],
    ["cut against shuffled graphs (n-cut)", `${num(view.ncut)} against ${num(mean(view.ncut_null))}`, num(control.ncut)],
    ["agreement with the layers (AMI; near 0: more than layers)", num(view.ami_layer), num(control.ami_layer)],
    ["tokens that belong to one community", String(view.groups.reduce((sum, each) => sum + each.tokens.length, 0)), num(control.token_groups)],
  ];
  const made = element("div");
  made.append(heading("Is there structure at all?", "The same numbers on an encoder with random weights stand beside: what it shows as well is no finding."), table("Measures of the communities", ["", "this model", "random weights"], rows));
  if (view.eigengap?.length) made.append(gaps(view));
  return made;
}

function gaps(view) {
  const most = Math.max(1e-12, ...view.eigengap, ...(view.null_gap ?? [])), made = element("div", "", { class: "gaps", role: "img", "aria-label": "Eigengaps by number of communities, against shuffled graphs" });
  view.eigengap.forEach((gap, k) => {
    const column = element("span", "", { class: k + 2 === view.k ? "gap chosen" : "gap" }), own = element("span", "", { class: "own" }), null_ = element("span", "", { class: "null" });
    own.style.height = `${Math.max(1, (52 * Math.max(0, gap)) / most)}px`;
    null_.style.height = `${Math.max(1, (52 * Math.max(0, view.null_gap?.[k] ?? 0)) / most)}px`;
    const bars = element("span", "", { class: "gap-bars" });
    bars.append(own, null_);
    column.append(bars, element("span", String(k + 2), { class: "small muted" }));
    made.append(column);
  });
  return made;
}

function senses() {
  const list = found().senses ?? [];
  if (!list.length) return [];
  const made = element("div", "", { class: "cards" });
  for (const each of list) {
    const card = element("article", "", { class: "card" }), head = element("h3");
    head.append(wordButton(each.token), element("span", ` in ${counted(each.groups.length, "sense")}, p ${num(each.better_than_chance, 3)}`, { class: "small muted" }));
    card.append(head);
    for (const group of each.groups) card.append(element("p", `${group.n} times, beside ${group.words.join(", ")}`, { class: "small" }), textLines(group.texts.slice(0, 2)));
    made.append(card);
  }
  return [heading("One word, several senses", "Occurrences of a word, parted by the vectors that the encoder gives them in context."), made];
}

function speech() {
  const rows = found().pos;
  if (!Array.isArray(rows) || !rows.length) return [];
  const keys = Object.keys(rows[0]);
  return [heading("By part of speech"), table("By part of speech", keys, rows.map((row) => keys.map((key) => (Array.isArray(row[key]) ? row[key].join(", ") : typeof row[key] === "number" ? num(row[key], 3) : String(row[key] ?? "–")))))];
}
