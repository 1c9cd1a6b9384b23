// Dreams: readable texts that activate a unit, a direction or the margin most.
import { element } from "../../page/dom.js";
import { artefact, targetName } from "./data.js";
import { heading, signed, textLine, textNode } from "./parts.js";

let place;

export const dreams = {
  name: "dreams", title: "Dreams", needs: ["dreams"],
  lead: "Texts that excite a target most: this run's own first, then texts written for it, if any. All are texts that a person can read; none is a string of tokens made by gradients.",
  draw(body) { place = body; }, update(changed) { if (changed.has("data") || changed.has("view")) render(); },
};

function render() {
  const targets = artefact("dreams").targets;
  if (!targets.length) { place.replaceChildren(element("p", "There is none.")); return; }
  place.replaceChildren(...targets.map(({ target, texts }) => {
    const made = element("article", "", { class: "card" }), list = element("div", "", { class: "text-lines" });
    for (const each of texts) {
      if (each.i != null) { list.append(textLine(each.i, signed(each.value))); continue; }
      const line = element("div", "", { class: "text-line" });
      line.append(element("span", "✎", { class: "mark", role: "img", "aria-label": "written for this" }), textNode(each.text, true), element("span", signed(each.value), { class: "num muted" }));
      list.append(line);
    }
    made.append(heading(targetName(target)), list);
    return made;
  }));
}
