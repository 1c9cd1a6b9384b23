// A drawing of nodes and edges that can be dragged and zoomed.
import { element } from "../../page/dom.js";
import { button, svg } from "./parts.js";

/** @typedef {{x: number, y: number, r: number, colour?: string, label?: string, sub?: string, box?: boolean, chosen?: boolean, faint?: boolean, px?: number, py?: number}} Node
 * @typedef {{a: number, b: number, width: number}} Edge */

/** Draw a graph. Positions are in any unit; the drawing is scaled to its box.
 * @param {string} name description of the drawing for screen readers
 * @param {Node[]} nodes @param {Edge[]} edges @param {(k: number) => void} pick called with the index of a clicked node
 * @param {{height?: number, keep?: boolean, names?: {name: string, members: number[]}[]}} [how] keep: same scale on both axes;
 *   names: drawn at the centre of their members */
export function graphView(name, nodes, edges, pick, how = {}) {
  const height = how.height ?? 380, width = 640, room = 56, holder = element("div", "", { class: "graph" });
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name }), whole = svg("g");
  const spot = d3.select(picture);
  fit(nodes, width, height, room, how.keep ?? true);
  const lines = d3.select(whole).append("g").selectAll("line").data(edges).join("line").attr("class", "edge").attr("stroke-width", (edge) => edge.width);
  const marks = d3.select(whole).append("g").selectAll("g").data(nodes).join("g").attr("class", (node) => `node${node.chosen ? " chosen" : ""}${node.faint ? " faint" : ""}`);
  const titles = d3.select(whole).append("g").selectAll("text").data(how.names ?? []).join("text").attr("class", "group-name").text((each) => each.name);
  marks.each(function (node) { shape(this, node); });
  const settle = () => {
    lines.attr("x1", (e) => nodes[e.a].px).attr("y1", (e) => nodes[e.a].py).attr("x2", (e) => nodes[e.b].px).attr("y2", (e) => nodes[e.b].py);
    marks.attr("transform", (node) => `translate(${node.px},${node.py})`);
    const places = apart((how.names ?? []).map((each) => ({ x: d3.mean(each.members, (k) => nodes[k].px), y: d3.mean(each.members, (k) => nodes[k].py), wide: 7.4 * each.name.length })));
    titles.attr("x", (_, k) => places[k].x).attr("y", (_, k) => places[k].y);
  };
  marks.call(d3.drag().container(whole).on("drag", (event, node) => { node.px = event.x; node.py = event.y; settle(); }));
  marks.on("click", (event) => { if (!event.defaultPrevented) pick(marks.nodes().indexOf(event.currentTarget)); });
  const zoom = d3.zoom().scaleExtent([0.4, 12]).filter((event) => (event.type === "wheel" ? event.ctrlKey || event.shiftKey : !event.button)).on("zoom", (event) => whole.setAttribute("transform", event.transform));
  spot.call(zoom).on("dblclick.zoom", null);
  picture.append(whole);
  settle();
  const tools = element("div", "", { class: "graph-tools" });
  tools.append(
    button("+", () => spot.call(zoom.scaleBy, 1.4), { "aria-label": "+ Zoom in" }), button("−", () => spot.call(zoom.scaleBy, 1 / 1.4), { "aria-label": "− Zoom out" }),
    button("All", () => spot.call(zoom.transform, d3.zoomIdentity)),
  );
  holder.append(picture, tools, element("p", "Drag a node to move it, the ground to move the picture.", { class: "small muted" }));
  return holder;
}

/** Move names down until none overlap. @param {{x: number, y: number, wide: number}[]} places */
function apart(places) {
  const done = [];
  for (const each of [...places].sort((a, b) => a.y - b.y)) {
    for (const other of done) if (Math.abs(each.x - other.x) < (each.wide + other.wide) / 2 && each.y - other.y < 17) each.y = other.y + 17;
    done.push(each);
  }
  return places;
}

function fit(nodes, width, height, room, keep) {
  const [x0 = 0, x1 = 0] = d3.extent(nodes, (node) => node.x), [y0 = 0, y1 = 0] = d3.extent(nodes, (node) => node.y);
  let across = (width - 2 * room) / (x1 - x0 || 1), down = (height - 2 * room) / (y1 - y0 || 1);
  if (keep) across = down = Math.min(across, down);
  for (const node of nodes) {
    node.px = width / 2 + (node.x - (x0 + x1) / 2) * across;
    node.py = height / 2 + (node.y - (y0 + y1) / 2) * down;
  }
}

function shape(place, node) {
  if (node.box) {
    const long = Math.min(24, Math.max(node.label?.length ?? 0, (node.sub?.length ?? 0) * 0.85));
    const wide = 14 + 6.6 * long, tall = node.sub ? 34 : 22;
    place.append(svg("rect", { x: -wide / 2, y: -tall / 2, width: wide, height: tall, rx: 7 }));
    place.append(svg("text", { "text-anchor": "middle", y: node.sub ? -2 : 4, class: "node-name" }, cut(node.label)));
    if (node.sub) place.append(svg("text", { "text-anchor": "middle", y: 11, class: "node-sub" }, cut(node.sub, 28)));
    if (node.colour) place.firstChild.style.stroke = node.colour;
    return;
  }
  const dot = svg("circle", { r: node.r });
  if (node.colour) dot.style.fill = node.colour;
  place.append(dot);
  if (node.label) place.append(svg("text", { x: node.r + 2, y: 3.5, class: "node-name small-name" }, node.label));
}

const cut = (text, most = 24) => ((text ?? "").length > most ? (text ?? "").slice(0, most - 1) + "…" : text ?? "");

/** Colours of groups. @param {number} k */
export const groupColour = (k) => (k < 0 ? "var(--open)" : d3.schemeTableau10[k % 10]);
