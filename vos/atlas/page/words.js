// A text with its word effects as underlines, and passages that match a token graph.
import { element } from "../../page/dom.js";

/** Saliency of one text as [start, end, value]: the page stores gap, length, value, ... in one row.
 * @param {number[] | null} row @returns {[number, number, number][]} */
export function spansOf(row) {
  /** @type {[number, number, number][]} */
  const spans = [];
  let at = 0;
  for (let k = 0; row && k + 2 < row.length; k += 3) {
    const start = at + row[k], end = start + row[k + 1];
    spans.push([start, end, row[k + 2]]);
    at = end;
  }
  return spans;
}

/** Put a text into `root` with words underlined: solid for an effect towards harm, dotted for away from it, thick if strong.
 * Offsets count code points, as Python does.
 * @param {HTMLElement} root @param {string} text @param {[number, number, number][]} spans
 * @param {{start: number, end: number} | null} passage */
export function drawWords(root, text, spans, passage = null) {
  const points = [...text], most = Math.max(1e-9, ...spans.map(([, , value]) => Math.abs(value)));
  const cuts = new Set([0, points.length]);
  for (const [start, end] of spans) cuts.add(start).add(end);
  if (passage) cuts.add(passage.start).add(passage.end);
  const edges = [...cuts].filter((at) => at >= 0 && at <= points.length).sort((a, b) => a - b), parts = [];
  for (let k = 0; k + 1 < edges.length; k++) {
    const [from, to] = [edges[k], edges[k + 1]], span = spans.find(([start, end]) => start <= from && to <= end);
    let node = /** @type {Node} */ (document.createTextNode(points.slice(from, to).join("")));
    const share = span ? Math.abs(span[2]) / most : 0;
    if (span && share >= 0.12) {
      const strength = share > 0.66 ? 3 : share > 0.33 ? 2 : 1;
      const word = element("span", "", { class: `pull ${span[2] > 0 ? "harm" : "safe"} pull-${strength}` });
      word.append(node);
      node = word;
    }
    if (passage && passage.start <= from && to <= passage.end) { const held = element("mark"); held.append(node); node = held; }
    parts.push(node);
  }
  root.replaceChildren(...parts);
}

/** The strongest words of a text, for screen readers. @param {string} text
 * @param {[number, number, number][]} spans @param {number} count @returns {[string, number][]} */
export function strongest(text, spans, count) {
  const points = [...text];
  return [...spans].sort((a, b) => Math.abs(b[2]) - Math.abs(a[2])).slice(0, count).map(([start, end, value]) => [points.slice(start, end).join(""), value]);
}
