// Elements of a page. Texts are inserted only as textContent.

/** @param {string} id @returns {any} */
export const $ = (id) => document.getElementById(id);

/** An HTML element with a text and attributes.
 * @param {string} tag @param {string} [text] @param {Record<string, any>} [attributes] @returns {any} */
export function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  if (text !== "") made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Announce a sentence to screen readers; the element `said` is a live region.
 * @param {string} sentence */
export function say(sentence) { $("said").textContent = sentence; }
