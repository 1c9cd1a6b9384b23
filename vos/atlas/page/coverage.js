// Coverage: topic by margin band, and where labels would be most informative.
import { element } from "../../page/dom.js";
import { artefact } from "./data.js";
import { counted, heading, num, options, percent, table } from "./parts.js";
import { snapped } from "./scales.js";
import { set, state } from "./state.js";
import { same } from "./address.js";

/** @type {Record<string, [string, (cell: any) => number, (value: number) => string]>} */
const MEASURES = {
  open: ["Texts nobody has judged", (cell) => cell.n - cell.known, (value) => value.toLocaleString("en")],
  n: ["Texts", (cell) => cell.n, (value) => value.toLocaleString("en")],
  rate: ["Error rate of the judged", (cell) => (cell.known ? cell.errors / cell.known : NaN), percent],
  worth: ["Mistakes expected among the unjudged", (cell) => expected(cell), (value) => num(value, 1)],
};
const OF_UNJUDGED = ["open", "worth"], FEWEST = 5, AHEAD = 1e-4;
let measure = "open", place;

/** Expected mistakes: the rate of the cell, shrunk towards that of its band if few texts are labelled. */
function expected(cell) {
  if (cell.total) return cell.cells.reduce((sum, each) => sum + expected(each), 0);
  if (cell.expected_errors != null) return cell.expected_errors;
  const beside = sumOf(artefact("coverage").cells.filter((each) => each.band === cell.band));
  const rate = (cell.errors + FEWEST * (beside.known ? beside.errors / beside.known : 0.5)) / (cell.known + FEWEST);
  return (cell.n - cell.known) * rate;
}

export const coverage = {
  name: "coverage", title: "Coverage", needs: ["coverage"],
  lead: "Where the next labels should go: topics of the texts against margin. A cell lists its texts.",
  draw(body) { place = body; }, update(changed) { if (["data", "m", "group", "view"].some((name) => changed.has(name))) render(); },
};

function sumOf(cells) {
  const sum = (name) => cells.reduce((total, cell) => total + (cell[name] ?? 0), 0);
  return { n: sum("n"), known: sum("known"), errors: sum("errors"), labelled: sum("labelled"), asked: sum("asked"), total: true, cells, band: null };
}

const bandTitle = ([low, high]) => (low == null ? `below ${num(high)}` : high == null ? `${num(low)} and above` : `${num(low)} to ${num(high)}`);
const bandRange = ([low, high]) => [low ?? -99, high == null ? 99 : snapped(high - AHEAD)];

function render() {
  const found = artefact("coverage"), choice = element("select", "", { id: "measure" }), row = element("div", "", { class: "row-tight" });
  options(choice, Object.entries(MEASURES).map(([name, [title]]) => [name, title]), measure);
  choice.addEventListener("change", () => { measure = choice.value; render(); document.getElementById("measure").focus(); });
  row.append(element("label", "Shown", { for: "measure", class: "small" }), choice);
  place.replaceChildren(next(found), row, grid(found), element("p", `${counted(found.totals.n, "text")}${hiddenOf(found).length ? " that somebody has judged" : ""}; ${found.totals.known.toLocaleString("en")} judged, of these ${found.totals.errors.toLocaleString("en")} wrongly classified.`, { class: "small muted" }));
}

/** Sealed texts by topic, as cells of no band; none in an open page. */
const hiddenOf = (found) => found.hidden ?? [];

/** The same of a blind page, in which texts that nobody has judged are in no cell. */
function nextHidden(found) {
  const made = element("div"), hidden = [...hiddenOf(found)].sort((a, b) => expected(b) - expected(a)), all = sumOf(hidden), list = element("ol", "", { class: "next" });
  list.append(...hidden.slice(0, 4).map((cell) => element("li", `${nameOf(found, cell.cluster)}: ${counted(cell.n, "text")} hidden${found.totals.known ? `, about ${num(expected(cell), 0)} of them wrong` : ""}`)));
  made.append(heading("Next labels", `${counted(all.n, "text")} that nobody had judged when this page was made ${all.n === 1 ? "is" : "are"} hidden: counted by topic, in no margin.`), list);
  return made;
}

function next(found) {
  if (hiddenOf(found).length) return nextHidden(found);
  const made = element("div"), best = [...found.cells].filter((cell) => cell.n > cell.known).sort((a, b) => expected(b) - expected(a)).slice(0, 4), list = element("ol", "", { class: "next" });
  const known = best.some((cell) => cell.known);
  for (const cell of best) {
    const item = element("li"), open = element("button", `${nameOf(found, cell.cluster)}, margin ${bandTitle(found.bands[cell.band])}`, { type: "button", class: "link" });
    open.addEventListener("click", () => choose(found, cell));
    item.append(open, element("span", ` ${counted(cell.n - cell.known, "text")} nobody has judged${known ? `, about ${num(expected(cell), 0)} of them wrong` : ""}`, { class: "small muted" }));
    list.append(item);
  }
  made.append(heading("Next labels", "Cells with the most mistakes expected among unjudged texts."), best.length ? list : element("p", "Every text has been judged.", { class: "small" }));
  return made;
}

const nameOf = (found, id) => found.clusters.find((each) => each.id === id)?.name || `topic ${id}`;

function choose(found, cell) {
  const change = { group: `cluster:${cell.cluster}`, m: bandRange(found.bands[cell.band]) };
  set(state.group === change.group && same(state.m, change.m) ? { group: "", m: null } : change);
}

function grid(found) {
  const [, value, written] = MEASURES[measure], values = found.cells.map(value).filter((each) => !Number.isNaN(each)), most = Math.max(1e-9, ...values);
  const at = (cluster, band) => found.cells.find((cell) => cell.cluster === cluster && cell.band === band);
  const button_ = (cell) => {
    if (!cell) return element("span", "–", { class: "muted" });
    const amount = hidden.length && OF_UNJUDGED.includes(measure) ? NaN : value(cell), made = element("button", Number.isNaN(amount) ? "–" : written(amount), { type: "button", class: "cell" });
    const held = state.group === `cluster:${cell.cluster}` && same(state.m, bandRange(found.bands[cell.band]));
    made.setAttribute("aria-pressed", String(held));
    made.append(element("span", `, ${nameOf(found, cell.cluster)}, margin ${bandTitle(found.bands[cell.band])}`, { class: "sr" }));
    made.style.setProperty("--heat", `${Math.round(Number.isNaN(amount) ? 0 : (62 * amount) / most)}%`);
    made.addEventListener("click", () => choose(found, cell));
    return made;
  };
  const hidden = hiddenOf(found), told = (cell) => (cell ? (Number.isNaN(value(cell)) ? "–" : written(value(cell))) : "–");
  const total = (cells) => { const amount = value(sumOf(cells)); return element("span", Number.isNaN(amount) ? "–" : written(amount), { class: "num total" }); };
  const rows = found.clusters.map((cluster) => [
    element("span", cluster.name || `topic ${cluster.id}`), ...found.bands.map((_, band) => button_(at(cluster.id, band))),
    ...(hidden.length ? [told(hidden.find((cell) => cell.cluster === cluster.id))] : []), total([...found.cells, ...hidden].filter((cell) => cell.cluster === cluster.id)),
  ]);
  rows.push([element("span", "all", { class: "total" }), ...found.bands.map((_, band) => (hidden.length && OF_UNJUDGED.includes(measure) ? "–" : total(found.cells.filter((cell) => cell.band === band)))), ...(hidden.length ? [total(hidden)] : []), total([...found.cells, ...hidden])]);
  const made = table(MEASURES[measure][0], ["topic", ...found.bands.map(bandTitle), ...(hidden.length ? ["hidden"] : []), "all"], rows);
  made.classList.add("grid");
  return made;
}
