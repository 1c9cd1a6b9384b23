// Unit importance: which units affect the margin near the boundary.
import { element } from "../../page/dom.js";
import { artefact, unitName } from "./data.js";
import { colours, fitted } from "./map_draw.js";
import { button, counted, heading, level, num, percent, signed, table, pieceRow } from "./parts.js";
import { state, toggle } from "./state.js";

const HEIGHT = 44;
let place, strips = [], tint = {};

export const units = {
  name: "units", title: "Units", needs: ["importance"],
  lead: "How much each unit of the encoder's feed-forward layers moves the margin of near-boundary texts: gradient times activation, less its mean for that kind of token.",
  draw, update(changed) { if (changed.has("data") || changed.has("view")) paint(); if (["data", "unit", "piece", "view"].some((name) => changed.has(name))) render(); },
};

function draw(body) {
  place = element("div", "", { class: "stack" });
  const skyline = element("div", "", { class: "skyline" });
  strips = artefact("importance").score.map((scores, layer) => {
    const row = element("div", "", { class: "strip" }), canvas = element("canvas", "", { role: "img", "aria-label": `Units of layer ${layer}; the table below names the strongest` });
    row.append(element("span", `layer ${layer}`, { class: "small muted" }), canvas);
    canvas.addEventListener("click", (event) => pick(layer, event.offsetX / canvas.clientWidth));
    skyline.append(row);
    return { canvas, scores };
  });
  body.append(heading("All units", "Each column is one unit, or the strongest of several; click one."), skyline, place);
  new ResizeObserver(() => paint()).observe(skyline);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}

function pick(layer, share) {
  const { scores, canvas } = strips[layer], per = scores.length / canvas.clientWidth, reach = Math.max(1, Math.ceil(3 * per)), middle = Math.floor(share * scores.length);
  let best = Math.max(0, middle - reach);
  for (let u = best; u <= Math.min(scores.length - 1, middle + reach); u++) if (Math.abs(scores[u] ?? 0) > Math.abs(scores[best] ?? 0)) best = u;
  toggle("unit", `${layer}.${best}`);
}

function paint() {
  tint = colours();
  const most = Math.max(1e-12, ...artefact("importance").score.flat().map((value) => Math.abs(value ?? 0)));
  for (const [layer, { canvas, scores }] of strips.entries()) {
    const width = canvas.clientWidth;
    if (!width) continue;
    const c = fitted(canvas, width, HEIGHT), step = Math.max(1, width / scores.length), columns = new Float64Array(Math.ceil(width / step));
    scores.forEach((value, u) => { const k = Math.min(columns.length - 1, Math.floor((u / scores.length) * columns.length)); columns[k] = Math.max(columns[k], Math.abs(value ?? 0)); });
    c.fillStyle = tint.accent;
    columns.forEach((value, k) => { const h = (HEIGHT - 6) * Math.sqrt(value / most); c.fillRect(k * step, HEIGHT - h, Math.max(1, step - 0.4), h); });
    const [chosen, unit] = state.unit.split(".").map(Number);
    if (state.unit && chosen === layer) { c.fillStyle = tint.harmful; const x = ((unit + 0.5) / scores.length) * width; c.fillRect(x - 1, 0, 2, HEIGHT); }
  }
}

function render() {
  const found = artefact("importance"), most = Math.max(1e-12, ...found.top.map((each) => Math.abs(each.score)));
  const rows = found.top.map((each) => {
    const unit = unitName(each);
    return [button(unit, () => toggle("unit", unit), { class: "word", "aria-pressed": String(state.unit === unit) }), level(Math.abs(each.score), most), num(each.score, 4), signed(each.ablation, 4), percent(each.near_share), pieceRow(each.tokens ?? [])];
  });
  const chosen = element("p", state.unit && !found.top.some((each) => unitName(each) === state.unit) ? `Unit ${state.unit} has score ${num(found.score[Number(state.unit.split(".")[0])]?.[Number(state.unit.split(".")[1])], 4)}; it is not among the strongest, so its words were not looked for.` : "", { class: "small" });
  place.replaceChildren(chosen, heading("Strongest units", "Layer and number; ablated: how far near margins move when the unit is held at its mean. A unit lists texts that have its tokens."), table("Strongest units", ["unit", "score", "", "ablated", "of its effect near", "words it fires on"], rows), ...checks(found));
  paint();
}

function checks(found) {
  const random = found.sets?.random ?? [], mean = random.length ? random.reduce((sum, each) => sum + each, 0) / random.length : NaN, most = Math.max(found.sets?.top_percent ?? 0, ...random);
  if (!found.sets) return [];
  const rows = [["the strongest per cent", level(found.sets.top_percent, most), num(found.sets.top_percent)], [`random sets of as many (mean of ${random.length})`, level(mean, most), num(mean)], ["the strongest of these", level(Math.max(...random), most), num(Math.max(...random))]];
  const made = [heading("Checked by ablation", "How far near margins move when a whole set of units is held at its mean."), table("Ablated sets", ["set", "", "margin moves by"], rows)];
  if (found.conductance) made.push(element("p", `Conductance, another measure of the same: rank correlation ${num(found.conductance.spearman)} with the score. ${counted(found.layers, "layer")} of ${found.units.toLocaleString("en")} units.`, { class: "small muted" }));
  return made;
}
