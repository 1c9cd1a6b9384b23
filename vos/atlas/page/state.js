// The one state that links all views. Only `set` changes it; each listener is told once a change.
import { START, formatAddress, parseAddress, same } from "./address.js";

const listeners = [];
const PUSHED = new Set(["view", "text", "unit", "outlier"]);
let pending = 0;

export const state = { ...START };

/** Call `listener(state, changed names)` after every change. @param {(changed: Set<string>) => void} listener */
export function onChange(listener) { listeners.push(listener); }

/** Change part of the state. @param {Record<string, any>} change */
export function set(change) {
  const changed = take(change);
  if (changed.size) write([...changed].some((name) => PUSHED.has(name)));
}

/** The other value, or the start value where it is in force already: a second click takes the first back.
 * @param {string} name @param {any} value */
export function toggle(name, value) { set({ [name]: same(state[name], value) ? START[name] : value }); }

/** Tell all listeners that the data behind the state have changed. */
export function refresh() { tell(new Set(["data"])); }

/** Filters as they were at the start; view, text and order stay. */
export function clearFilters() {
  const { m, d, show, only, group, q, token, unit, cluster, dir } = START;
  set({ m, d, show, only, group, q, token, unit, cluster, dir });
}

/** Take the state from the address, now and whenever a person goes back or edits it. */
export function followAddress() {
  const read = () => take(parseAddress(location.hash));
  addEventListener("popstate", read);
  addEventListener("hashchange", read);
  Object.assign(state, parseAddress(location.hash));
  tell(new Set([...Object.keys(START), "data"]));
}

function take(change) {
  const changed = new Set(Object.keys(change).filter((name) => !same(state[name], change[name])));
  if (!changed.size) return changed;
  Object.assign(state, change);
  tell(changed);
  return changed;
}

function tell(changed) { for (const listener of listeners) listener(changed); }

// A browser may limit how often an address changes: only steps that one wants to go back to are kept as such.
function write(push) {
  const put = () => {
    const address = formatAddress(state) || "#";
    history[push ? "pushState" : "replaceState"](null, "", address);
  };
  clearTimeout(pending);
  if (push) put();
  else pending = setTimeout(put, 150);
}
