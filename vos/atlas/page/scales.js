// Positions of texts on the map. No DOM access here.

/** The vertical position of a calibrated distance; large distances are spread out. @param {number} q */
export const heightOf = (q) => Math.sqrt(-Math.log(1 - Math.min(Math.max(q, 0), 0.99995)));

/** Its inverse. @param {number} h */
export const distanceOf = (h) => (h <= 0 ? 0 : 1 - Math.exp(-h * h));

/** Four decimals, as the address keeps them. @param {number} value */
export const snapped = (value) => Number(value.toFixed(4));

/** Minimum and maximum of the finite numbers, with padding; [-1, 1] if there are none.
 * @param {Iterable<number>[]} columns @param {number} room share of the extent @returns {[number, number]} */
export function extent(columns, room) {
  let low = Infinity, high = -Infinity;
  for (const column of columns) for (const value of column) {
    if (Number.isNaN(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [-1, 1];
  const space = (high - low || 1) * room;
  return [low - space, high + space];
}

/** Index of the point nearest to (x, y) among those that pass `seen`, or -1 if none is within `reach`.
 * @param {ArrayLike<number>} xs @param {ArrayLike<number>} ys @param {number} x @param {number} y
 * @param {number} reach @param {(i: number) => boolean} seen @returns {number} */
export function nearest(xs, ys, x, y, reach, seen) {
  let best = -1, least = reach * reach;
  for (let i = 0; i < xs.length; i++) {
    const apart = (xs[i] - x) ** 2 + (ys[i] - y) ** 2; // NaN passes no comparison
    if (apart <= least && seen(i)) { least = apart; best = i; }
  }
  return best;
}
