// The shared state that links all views. Only `set` changes it; each listener is called once per change.
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

/** Toggle a value: set it, or reset it to the default if it is already set.
 * @param {string} name @param {any} value */
export function toggle(name, value) { set({ [name]: same(state[name], value) ? START[name] : value }); }

/** Tell all listeners that the data behind the state have changed. */
export function refresh() { tell(new Set(["data"])); }

/** Reset the filters; view, text and order are unchanged. */
export function clearFilters() {
  const { m, d, show, only, group, q, token, piece, unit, cluster, dir } = START;
  set({ m, d, show, only, group, q, token, piece, unit, cluster, dir });
}

/** Read the state from the address, now and whenever a person goes back or edits it. */
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

// A browser may limit how often an address changes: only steps worth going back to are added to the history.
function write(push) {
  const put = () => {
    const address = formatAddress(state) || "#";
    history[push ? "pushState" : "replaceState"](null, "", address);
  };
  clearTimeout(pending);
  if (push) put();
  else pending = setTimeout(put, 150);
}
