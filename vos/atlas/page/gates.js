// What a view says about itself before it says anything else.
import { element } from "../../page/dom.js";
import { artefact } from "./data.js";
import { num } from "./parts.js";

/** Whether a larger number is the better one. @param {any} gate */
export const wantsMore = (gate) => gate.passed === (gate.value >= gate.threshold);

/** @param {any} gate @returns {string} the number and what it is held against */
export function gateNumbers(gate) {
  const above = wantsMore(gate);
  const held = gate.value == null ? "no number" : `${num(gate.value)}, needed ${above ? "at least" : "at most"} ${num(gate.threshold)}`;
  return held + (gate.control == null ? "" : `; random weights ${num(gate.control)}`);
}

/** Gates of some artefacts. @param {string[]} names @returns {any[]} */
export const gatesOf = (names) => names.flatMap((name) => artefact(name)?.gates ?? []);

/** @param {any} gate @returns {HTMLElement} */
export function gateLine(gate) {
  const line = element("li", "", { class: gate.passed ? "gate passed" : "gate failed" });
  line.append(
    element("span", gate.passed ? "✓" : "✕", { class: "sign", "aria-hidden": "true" }),
    element("span", `${gate.name}: ${gate.passed ? "passed" : "failed"}`, { class: "gate-name" }),
    element("span", `(${gateNumbers(gate)})`, { class: "muted" }),
  );
  if (!gate.passed) line.append(element("span", gate.sentence, { class: "gate-why" }));
  return line;
}

/** The gates of a view above its body; where one fails, the body is greyed and out of reach until it is asked for.
 * @param {string[]} names artefacts @param {HTMLElement} body @returns {HTMLElement} */
export function gateHead(names, body) {
  const gates = gatesOf(names), made = element("div", "", { class: "gates" });
  if (!gates.length) return made;
  const list = element("ul", "", { "aria-label": "Checks of this view" });
  list.append(...gates.map(gateLine));
  made.append(list);
  if (gates.every((gate) => gate.passed)) return made;
  body.classList.add("greyed");
  body.inert = true;
  const anyway = element("button", "Show it all the same", { type: "button", class: "quiet" });
  anyway.addEventListener("click", () => { body.inert = false; body.classList.add("lifted"); anyway.remove(); });
  made.append(anyway);
  return made;
}
