// Random numbers that are the same on every computer.

/** 32-bit FNV-1a of a string.
 * @param {string} string @returns {number} */
export function seedOf(string) {
  let hash = 0x811c9dc5;
  for (const unit of new TextEncoder().encode(string)) hash = Math.imul(hash ^ unit, 0x01000193) >>> 0;
  return hash;
}

/** mulberry32: uniform numbers in [0, 1).
 * @param {number} seed @returns {() => number} */
export function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
