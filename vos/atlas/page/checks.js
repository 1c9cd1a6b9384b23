// The checks of a view, shown above its content.
import { element } from "../../page/dom.js";
import { artefact } from "./data.js";
import { num } from "./parts.js";

const SIGNS = { "at least": "≥", above: ">", "at most": "≤" };

/** What a check needs, in signs. @param {any} check */
export const needed = (check) => (check.threshold == null ? "–" : `${SIGNS[check.bound]} ${num(check.threshold)}`);

/** @param {any} check @returns {string} the value and its threshold */
export function checkNumbers(check) {
  const held = check.value == null ? "no number" : `${num(check.value)}, needed ${check.bound} ${num(check.threshold)}`;
  return held + (check.control == null ? "" : `; random weights ${num(check.control)}`);
}

/** Checks of some artefacts. @param {string[]} names @returns {any[]} */
export const checksOf = (names) => names.flatMap((name) => artefact(name)?.checks ?? []);

/** @param {any} check @returns {HTMLElement} */
export function checkLine(check) {
  const line = element("li", "", { class: check.passed ? "view-check passed" : "view-check failed" });
  line.append(
    element("span", check.passed ? "✓" : "✕", { class: "sign", "aria-hidden": "true" }),
    element("span", `${check.name}: ${check.passed ? "passed" : "failed"}`, { class: "check-name" }),
    element("span", `(${checkNumbers(check)})`, { class: "muted" }),
  );
  if (!check.passed) line.append(element("span", check.sentence, { class: "check-why" }));
  return line;
}

/** The checks of a view above its body; if one fails, the body is greyed out and disabled until requested.
 * @param {string[]} names artefacts @param {HTMLElement} body @returns {HTMLElement} */
export function checkHead(names, body) {
  const checks = checksOf(names), made = element("div", "", { class: "view-checks" });
  if (!checks.length) return made;
  const list = element("ul", "", { "aria-label": "Checks of this view" });
  list.append(...checks.map(checkLine));
  made.append(list);
  if (checks.every((check) => check.passed)) return made;
  body.classList.add("greyed");
  body.inert = true;
  const anyway = element("button", "Show it all the same", { type: "button", class: "quiet" });
  anyway.addEventListener("click", () => { body.inert = false; body.classList.add("lifted"); anyway.remove(); });
  made.append(anyway);
  return made;
}
