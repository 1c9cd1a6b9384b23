// The points of the map on canvas: shape and colour both encode what is known of a text.
import { kind, texts } from "./data.js";

/** Colours of the page, read again when the colour scheme changes. @returns {Record<string, string>} */
export function colours() {
  const style = getComputedStyle(document.documentElement), get = (name) => style.getPropertyValue("--" + name).trim();
  return Object.fromEntries(["harmless", "harmful", "open", "virtual", "ink", "accent", "sheet", "line", "soft", "batch"].map((name) => [name, get(name)]));
}

/** A canvas of the size of its box at the screen's resolution; its context counts in CSS pixels.
 * @param {HTMLCanvasElement} canvas @param {number} width @param {number} height @returns {CanvasRenderingContext2D} */
export function fitted(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

const SHAPES = [
  (c, x, y, r) => { c.moveTo(x + r, y); c.arc(x, y, r, 0, 2 * Math.PI); },
  (c, x, y, r) => { c.moveTo(x, y - 1.25 * r); c.lineTo(x + 1.15 * r, y + 0.8 * r); c.lineTo(x - 1.15 * r, y + 0.8 * r); c.closePath(); },
  (c, x, y, r) => { c.moveTo(x + r, y); c.arc(x, y, r, 0, 2 * Math.PI); },
];

/** Radius of a point. @param {number} count */
export const radius = (count) => (count > 8000 ? 1.8 : count > 2500 ? 2.4 : count > 600 ? 3 : 3.8);

/** Draw some texts. @param {CanvasRenderingContext2D} c @param {number[]} list @param {Float64Array} xs @param {Float64Array} ys
 * @param {string} show layers that are shown @param {Record<string, string>} colour @param {number} r */
export function drawTexts(c, list, xs, ys, show, colour, r) {
  const tints = [colour.harmless, colour.harmful, colour.open];
  for (const k of [2, 0, 1]) {
    if (!show.includes(String(k))) continue;
    c.beginPath();
    for (const i of list) if (kind(i) === k && xs[i] === xs[i]) SHAPES[k](c, xs[i], ys[i], r);
    if (k === 2) { c.strokeStyle = tints[k]; c.globalAlpha = 0.9; c.lineWidth = 1.2; c.stroke(); } else { c.fillStyle = tints[k]; c.globalAlpha = 0.72; c.fill(); }
  }
  c.globalAlpha = 1;
  c.beginPath();
  for (const i of list) if (texts.answer[i] >= 0 && show.includes(String(kind(i)))) SHAPES[kind(i)](c, xs[i], ys[i], r);
  c.strokeStyle = colour.ink;
  c.lineWidth = 1.3;
  c.stroke();
  c.beginPath();
  for (const i of list) if (texts.batch[i] && show.includes(String(kind(i)))) { c.moveTo(xs[i] + r + 2.6, ys[i]); c.arc(xs[i], ys[i], r + 2.6, 0, 2 * Math.PI); }
  c.strokeStyle = colour.batch;
  c.stroke();
}

/** Draw virtual outliers as hollow diamonds. @param {CanvasRenderingContext2D} c @param {Float64Array} xs @param {Float64Array} ys
 * @param {Record<string, string>} colour @param {number} r */
export function drawOutliers(c, xs, ys, colour, r) {
  c.beginPath();
  for (let i = 0; i < xs.length; i++) {
    c.moveTo(xs[i], ys[i] - 1.3 * r); c.lineTo(xs[i] + 1.3 * r, ys[i]); c.lineTo(xs[i], ys[i] + 1.3 * r); c.lineTo(xs[i] - 1.3 * r, ys[i]); c.closePath();
  }
  c.strokeStyle = colour.virtual;
  c.lineWidth = 1.1;
  c.stroke();
}

/** Ring the chosen one. @param {CanvasRenderingContext2D} c @param {number} x @param {number} y @param {Record<string, string>} colour */
export function drawRing(c, x, y, colour) {
  c.beginPath();
  c.arc(x, y, 9, 0, 2 * Math.PI);
  c.strokeStyle = colour.sheet;
  c.lineWidth = 5;
  c.stroke();
  c.strokeStyle = colour.accent;
  c.lineWidth = 2.5;
  c.stroke();
}
