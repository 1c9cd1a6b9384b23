// The map: margin against calibrated distance, the quantities that the method itself uses; there is no projection.
import { element } from "../../page/dom.js";
import { artefact, hasSides, kind, n, run, shortUid, texts } from "./data.js";
import { colours, drawOutliers, drawRing, drawTexts, fitted, radius } from "./map_draw.js";
import { button, counted, num, signed, svg } from "./parts.js";
import { distanceOf, extent, heightOf, nearest, snapped } from "./scales.js";
import { chosen } from "./select.js";
import { set, state } from "./state.js";

const EDGE = { top: 14, right: 14, bottom: 42, left: 52 };
const TICKS = [0.05, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999];
const REACH = 12;
const every = Array.from({ length: n }, (_, i) => i);

const found = artefact("outliers");
const failed = found?.checks?.some((check) => !check.passed);
const outliers = found && !failed ? { x: Float64Array.from(found.margin, Number), y: Float64Array.from(found.distance, Number) } : { x: new Float64Array(0), y: new Float64Array(0) };

let box, base, top, frame, brushed, readout, fields, layerButtons, tabButtons, modeButtons;
let mode = "select", view = d3.zoomIdentity, size = [0, 0], list = every, silent = false;
/** @type {Record<string, string>} */
let tint = {};
let px = new Float64Array(n), py = new Float64Array(n), ox = new Float64Array(outliers.x.length), oy = new Float64Array(outliers.x.length);
let x = d3.scaleLinear(), y = d3.scaleLinear(), brush, zoom;

const pca = () => state.tab === "pca" && texts.pca !== null;
const filtered = () => list.length !== n;

export const map = {
  name: "map", title: "Map", needs: ["texts"],
  lead: "Each mark is a text: its margin, and how unusual it is for its class. Drag to select, click to open.",
  draw, update,
};

function draw(body) {
  box = element("div", "", { class: "plot" });
  base = element("canvas", "", { role: "img", "aria-label": "Map of the texts; the list and the fields below say the same" });
  top = element("canvas", "", { "aria-hidden": "true" });
  frame = svg("svg", { class: "frame", "aria-hidden": "true" });
  box.append(base, top, frame);
  readout = element("p", "", { class: "readout small muted" });
  body.append(toolbar(), box, readout, layers(), exact());
  if (failed) body.append(element("p", "Virtual outliers are not shown: " + found.checks.find((check) => !check.passed).sentence, { class: "small notice" }));
  prepare();
  new ResizeObserver(() => resize()).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { tint = colours(); paint(); });
}

function toolbar() {
  const bar = element("div", "", { class: "toolbar" });
  tabButtons = [["", "Margin and distance"], ["pca", "PCA"]].map(([tab, title]) => button(title, () => set({ tab }), { "data-tab": tab }));
  tabButtons[1].hidden = texts.pca === null;
  modeButtons = [["select", "Select"], ["move", "Move"]].map(([name, title]) => button(title, () => { mode = name; pressed(); }, { "data-mode": name }));
  const steps = /** @type {[string, string, () => void][]} */ ([["+", "Zoom in", () => by(1.5)], ["−", "Zoom out", () => by(1 / 1.5)]]).map(([sign, title, action]) => button(sign, action, { "aria-label": `${sign} ${title}` }));
  bar.append(
    group("Axes", tabButtons), element("span", "", { class: "grow" }), group("Dragging", modeButtons), group("Zoom", steps),
    group("Part of the map", [button("To selection", toSelection), button("All", () => d3.select(frame).call(zoom.transform, d3.zoomIdentity))]),
  );
  return bar;
}

function group(title, buttons) {
  const made = element("div", "", { class: "group", role: "group", "aria-label": title });
  made.append(...buttons);
  return made;
}

function layers() {
  const made = element("div", "", { class: "legend", role: "group", "aria-label": "Shown on the map" });
  const names = hasSides ? [["1", "▲", "harmful"], ["0", "●", "harmless"], ["2", "○", "not judged"]] : [["0", "●", "judged"], ["2", "○", "not judged"]];
  if (outliers.x.length) names.push(["v", "◇", "virtual outliers"]);
  layerButtons = names.map(([key, sign, name]) => {
    const made = button("", () => set({ show: [..."012v"].filter((each) => (each === key) !== state.show.includes(each)).join("") }), { "data-layer": key });
    const count = key === "v" ? outliers.x.length : every.filter((i) => String(kind(i)) === key).length;
    made.append(element("span", sign, { class: `mark kind-${key}`, "aria-hidden": "true" }), element("span", ` ${name} `), element("span", count.toLocaleString("en"), { class: "muted" }));
    return made;
  });
  made.append(...layerButtons);
  made.append(element("span", "◎ in the batch · outlined: answered by people", { class: "key" }));
  return made;
}

function exact() {
  const made = element("form", "", { class: "exact" });
  fields = {};
  for (const [name, title, step] of [["m", "Margin", "0.1"], ["d", "Distance", "0.01"]]) {
    const set_ = element("fieldset");
    set_.append(element("legend", title));
    fields[name] = ["from", "to"].map((which) => {
      const input = element("input", "", { type: "number", step, id: `${name}-${which}` });
      set_.append(element("label", `${which} `, { for: `${name}-${which}` }), input);
      input.addEventListener("change", () => typed(name));
      return input;
    });
    made.append(set_);
  }
  made.addEventListener("submit", (event) => event.preventDefault());
  return made;
}

function typed(name) {
  const [low, high] = fields[name].map((field) => (field.value === "" ? null : Number(field.value)));
  if (low === null && high === null) { set({ [name]: null }); return; }
  const ends = name === "m" ? [-99, 99] : [0, 1], pair = [low ?? ends[0], high ?? ends[1]].map(snapped);
  if (pair[0] <= pair[1]) set({ [name]: pair });
}

function prepare() {
  tint = colours();
  const spot = d3.select(frame);
  spot.append("g").attr("class", "band");
  for (const name of ["x-axis", "y-axis", "labels"]) spot.append("g").attr("class", name);
  brushed = spot.append("g").attr("class", "brush");
  brush = d3.brush().filter((event) => mode === "select" && !pca() && !event.ctrlKey && !event.button && !(event.touches?.length > 1))
    .on("brush", (event) => { if (event.sourceEvent && !silent) fromBrush(event.selection); })
    .on("end", (event) => { if (event.sourceEvent && !silent) ended(event); });
  zoom = d3.zoom().scaleExtent([0.8, 60])
    .filter((event) => (event.type === "wheel" ? event.ctrlKey || mode === "move" || pca() : !event.button && (mode === "move" || pca() || event.touches?.length > 1)))
    .on("zoom", (event) => { view = event.transform; place(); paint(); });
  spot.call(zoom).on("dblclick.zoom", null);
  spot.on("click.pick", (event) => { if (mode === "move" || pca()) pick(d3.pointer(event, frame)); });
  spot.on("pointermove.read", (event) => read(d3.pointer(event, frame)));
}

function resize() {
  const { width, height } = box.getBoundingClientRect();
  if (width < 50 || height < 50) return;
  size = [width, height];
  frame.setAttribute("width", String(width));
  frame.setAttribute("height", String(height));
  brush.extent([[EDGE.left, EDGE.top], [width - EDGE.right, height - EDGE.bottom]]);
  brushed.call(brush);
  place();
  paint();
}

/** Scales and positions of all points for the current axes, size and zoom. */
function place() {
  const [width, height] = size;
  const xs = pca() ? texts.pca.x : texts.margin, ys = pca() ? texts.pca.y : Float64Array.from(texts.distance, heightOf);
  const others = pca() ? new Float64Array(0) : outliers.x;
  const spanX = extent([xs, others], 0.05);
  const spanY = pca() ? extent([ys], 0.05) : [0, Math.max(heightOf(0.99), extent([ys, Float64Array.from(outliers.y, heightOf)], 0.03)[1])];
  x = view.rescaleX(d3.scaleLinear(spanX, [EDGE.left, width - EDGE.right]));
  y = view.rescaleY(d3.scaleLinear(spanY, [height - EDGE.bottom, EDGE.top]));
  for (let i = 0; i < n; i++) { px[i] = x(xs[i]); py[i] = y(ys[i]); }
  for (let i = 0; i < ox.length; i++) { ox[i] = pca() ? NaN : x(outliers.x[i]); oy[i] = y(heightOf(outliers.y[i])); }
}

function paint() {
  if (!size[0]) return;
  drawFrame();
  const r = radius(n), context = fitted(base, size[0], size[1]);
  clip(context);
  if (state.show.includes("v") && !pca()) drawOutliers(context, ox, oy, tint, r);
  drawTexts(context, every, px, py, state.show, tint, r);
  context.restore();
  paintTop();
}

function paintTop() {
  if (!size[0]) return;
  base.classList.toggle("dimmed", filtered());
  const context = fitted(top, size[0], size[1]), at = chosen(state);
  clip(context);
  if (filtered()) drawTexts(context, list, px, py, state.show, tint, radius(n));
  if (state.outlier !== null && state.outlier < ox.length && !pca()) drawRing(context, ox[state.outlier], oy[state.outlier], tint);
  else if (at >= 0 && px[at] === px[at]) drawRing(context, px[at], py[at], tint);
  context.restore();
  silent = true;
  if (!pca() && (state.m || state.d)) {
    const [left, right] = state.m ? state.m.map(x) : [EDGE.left, size[0] - EDGE.right];
    const [low, high] = state.d ? state.d.map((q) => y(heightOf(q))) : [size[1] - EDGE.bottom, EDGE.top];
    brushed.call(brush.move, [[left, high], [right, low]]);
  } else brushed.call(brush.move, null);
  silent = false;
}

function clip(context) {
  context.save();
  context.beginPath();
  context.rect(EDGE.left, EDGE.top, size[0] - EDGE.left - EDGE.right, size[1] - EDGE.top - EDGE.bottom);
  context.clip();
}

function drawFrame() {
  const [width, height] = size, spot = d3.select(frame), inside = (v) => Math.min(width - EDGE.right, Math.max(EDGE.left, v));
  const axisY = pca() ? d3.axisLeft(y).ticks(6) : d3.axisLeft(y).tickValues(TICKS.map(heightOf).filter((h) => y(h) >= EDGE.top && y(h) <= height - EDGE.bottom)).tickFormat((h) => num(distanceOf(h), 3));
  spot.select(".x-axis").attr("transform", `translate(0,${height - EDGE.bottom})`).call(d3.axisBottom(x).ticks(Math.max(3, width / 90)).tickSizeOuter(0));
  spot.select(".y-axis").attr("transform", `translate(${EDGE.left},0)`).call(axisY.tickSizeOuter(0));
  const [low, high] = [inside(x(-run.band)), inside(x(run.band))];
  const band = pca() ? [] : [[low, high - low]];
  spot.select(".band").selectAll("rect").data(band).join("rect").attr("x", (b) => b[0]).attr("width", (b) => Math.max(0, b[1])).attr("y", EDGE.top).attr("height", height - EDGE.top - EDGE.bottom);
  const line = pca() || x(0) < EDGE.left || x(0) > width - EDGE.right ? [] : [x(0)];
  spot.select(".band").selectAll("line").data(line).join("line").attr("x1", (v) => v).attr("x2", (v) => v).attr("y1", EDGE.top).attr("y2", height - EDGE.bottom);
  const titles = pca()
    ? [[(EDGE.left + width - EDGE.right) / 2, height - 8, "middle", `first component (${Math.round(100 * texts.pca.shares[0])} % of the spread)`], [EDGE.left + 8, EDGE.top + 14, "start", "second component"]]
    : [[(EDGE.left + width - EDGE.right) / 2, height - 8, "middle", hasSides ? "← harmless · margin · harmful →" : "margin: top class minus second"], [EDGE.left + 8, EDGE.top + 14, "start", "↑ farther from its class than this share of texts"]];
  spot.select(".labels").selectAll("text").data(titles).join("text").attr("x", (t) => t[0]).attr("y", (t) => t[1]).attr("text-anchor", (t) => t[2]).text((t) => t[3]);
}

function fromBrush([[left, high], [right, low]]) {
  const m = [x.invert(left), x.invert(right)].map(snapped), d = [distanceOf(y.invert(low)), distanceOf(y.invert(high))].map(snapped);
  set({ m, d });
}

function ended(event) {
  if (event.selection) return;
  const hit = pick(d3.pointer(event.sourceEvent.changedTouches?.[0] ?? event.sourceEvent, frame));
  if (!hit) set({ m: null, d: null });
}

const seen = (i) => state.show.includes(String(kind(i)));

function pick([left, high]) {
  const i = nearest(px, py, left, high, REACH, seen), o = state.show.includes("v") ? nearest(ox, oy, left, high, REACH, () => true) : -1;
  if (i < 0 && o < 0) return false;
  const nearer = i < 0 || (o >= 0 && Math.hypot(ox[o] - left, oy[o] - high) < Math.hypot(px[i] - left, py[i] - high));
  set(nearer ? { outlier: o, text: "" } : { text: shortUid(i), outlier: null });
  return true;
}

function read([left, high]) {
  const i = nearest(px, py, left, high, REACH, seen);
  frame.classList.toggle("pointing", i >= 0);
  readout.textContent = i < 0 ? summary() : `margin ${signed(texts.margin[i])}, distance ${num(texts.distance[i], 3)}, ${texts.split[i]}`;
}

function summary() {
  const placed = every.filter((i) => !Number.isNaN(texts.margin[i])).length;
  return placed === n ? `${counted(n, "text")}; the shaded band is what this run calls near the boundary.` : `${counted(placed, "text")} on the map; ${counted(n - placed, "text")} wait for an answer.`;
}

function by(factor) { d3.select(frame).call(zoom.scaleBy, factor); }

function toSelection() {
  const points = list.filter((i) => px[i] === px[i]);
  if (!points.length) return;
  const [x0, x1] = d3.extent(points, (i) => view.invertX(px[i])), [y0, y1] = d3.extent(points, (i) => view.invertY(py[i]));
  const scale = Math.min(60, 0.85 / Math.max((x1 - x0) / size[0], (y1 - y0) / size[1], 0.015));
  d3.select(frame).call(zoom.transform, d3.zoomIdentity.translate(size[0] / 2, size[1] / 2).scale(scale).translate(-(x0 + x1) / 2, -(y0 + y1) / 2));
}

function pressed() {
  for (const each of tabButtons) each.setAttribute("aria-pressed", String((each.dataset.tab === "pca") === pca()));
  for (const each of modeButtons) { each.setAttribute("aria-pressed", String(each.dataset.mode === mode)); each.disabled = pca(); }
  for (const each of layerButtons) each.setAttribute("aria-pressed", String(state.show.includes(each.dataset.layer)));
  frame.classList.toggle("moving", mode === "move" || pca());
  for (const name of ["m", "d"]) fields[name].forEach((field, k) => { if (field !== document.activeElement) field.value = state[name] ? String(state[name][k]) : ""; });
}

function update(changed, now) {
  list = now;
  if (changed.has("tab") && size[0]) { view = d3.zoomIdentity; d3.select(frame).call(zoom.transform, view); }
  pressed();
  readout.textContent = summary();
  if (changed.has("data") || changed.has("show") || changed.has("tab") || changed.has("view")) { resize(); place(); paint(); } else paintTop();
}
