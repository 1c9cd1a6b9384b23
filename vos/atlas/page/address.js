// State and address: a selection is stored as filters, never as a list of texts. No DOM access here.

export const VIEWS = ["map", "shortcuts", "differences", "coverage", "units", "communities", "graphs", "directions", "vocabulary", "dreams", "trust"];
export const ORDERS = ["near", "harmful", "harmless", "far", "file"];
export const ONLY = ["", "near", "batch", "open", "answered", "misses", "alarms"];

/** The initial state of the page.
 * @typedef {{view: string, tab: string, text: string, outlier: number | null, m: number[] | null, d: number[] | null,
 *   show: string, only: string, group: string, q: string, token: string, piece: string, unit: string, cluster: string, dir: string,
 *   sort: string}} State
 * @type {Readonly<State>} */
export const START = Object.freeze({
  view: "map", tab: "", text: "", outlier: null, m: null, d: null, show: "012v", only: "", group: "", q: "", token: "", piece: "",
  unit: "", cluster: "", dir: "", sort: "near",
});

const oneOf = (choices) => (value) => (choices.includes(value) ? value : undefined);
const matching = (pattern) => (value) => (pattern.test(value) ? value : undefined);
const short = (value) => (value.length <= 200 ? value : undefined);

function range(value) {
  const parts = value.split("..");
  if (parts.length !== 2 || !parts.every((part) => /^-?\d+(\.\d+)?$/.test(part))) return undefined;
  const [low, high] = parts.map(Number);
  return low <= high ? [low, high] : undefined;
}

const READ = {
  view: oneOf(VIEWS), tab: short, text: matching(/^[0-9a-zA-Z_-]{1,64}$/), m: range, d: range,
  outlier: (value) => (/^\d{1,6}$/.test(value) ? Number(value) : undefined),
  show: matching(/^0?1?2?v?$/), only: oneOf(ONLY), group: short, q: short, token: short, piece: short,
  unit: matching(/^\d+\.\d+$/), cluster: matching(/^\d+\.\d+$/), dir: matching(/^\d+[+-]$/), sort: oneOf(ORDERS),
};

const number = (value) => String(Number(value.toFixed(4)));

/** Parse an address into a state; malformed values fall back to their defaults.
 * @param {string} hash @returns {State} */
export function parseAddress(hash) {
  const state = { ...START };
  for (const [name, value] of new URLSearchParams(hash.replace(/^#/, ""))) {
    const read = Object.hasOwn(READ, name) ? READ[name](value) : undefined;
    if (read !== undefined) state[name] = read;
  }
  return state;
}

/** The address of a state, without default values.
 * @param {State} state @returns {string} */
export function formatAddress(state) {
  const parts = [];
  for (const name of Object.keys(START)) {
    const value = state[name];
    if (same(value, START[name])) continue;
    const written = Array.isArray(value) ? value.map(number).join("..") : String(value);
    parts.push(name + "=" + encodeURIComponent(written).replaceAll("%2B", "+").replaceAll("+", "%2B"));
  }
  return parts.length ? "#" + parts.join("&") : "";
}

/** Whether two values of a state are equal.
 * @param {any} a @param {any} b @returns {boolean} */
export function same(a, b) {
  return a === b || (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((each, i) => each === b[i]));
}
