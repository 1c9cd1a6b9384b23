// Browser storage of a page. Some browsers store nothing for files from disk; a page works without.

/** @param {string} key @returns {any} the stored value, or null */
export function stored(key) {
  try { return JSON.parse(localStorage.getItem(key) || "null"); } catch { return null; }
}

/** @param {string} key @param {any} value @returns {boolean} whether it was kept */
export function store(key, value) {
  return keep(key, JSON.stringify(value));
}

/** @param {string} key @param {string} json @returns {boolean} whether it was kept */
export function keep(key, json) {
  try { localStorage.setItem(key, json); return true; } catch { return false; }
}
