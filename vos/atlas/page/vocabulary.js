// Vocabulary: the words that a unit writes towards, for the units and layers that pass their own test.
import { element } from "../../page/dom.js";
import { artefact, unitName } from "./data.js";
import { button, counted, heading, num, table, wordRow } from "./parts.js";
import { state, toggle } from "./state.js";

let place;

export const vocabulary = {
  name: "vocabulary", title: "Vocabulary", needs: ["vocabulary"],
  lead: "What a unit adds to the text's vector, read as words: the nearest input embeddings to its output. Shown only where these words overlap with those that make it fire, beyond chance.",
  draw(body) { place = body; }, update(changed) { if (["data", "unit", "token", "room"].some((name) => changed.has(name))) render(); },
};

function render() {
  const found = artefact("vocabulary");
  const layers = found.layers.map((each) => [`layer ${each.layer}`, num(each.overlap), num(each.random), num(each.chance), num(each.p, 3), each.passed ? "✓ shown" : "✕ not shown"]);
  const units = found.units.map((each) => {
    const unit = unitName(each);
    return [button(unit, () => toggle("unit", unit), { class: "word", "aria-pressed": String(state.unit === unit) }), wordRow(each.words), wordRow(each.activating), num(each.p, 3)];
  });
  place.replaceChildren(
    heading("Units that pass", `${counted(found.units.length, "unit")} of those that matter near the boundary.`),
    found.units.length ? table("Units that pass", ["unit", "writes towards", "fires on", "p"], units) : element("p", "No unit passes.", { class: "small" }),
    heading("By layer", "Mean overlap of ten words written with ten words read; random units and chance beside."), table("Overlap by layer", ["", "boundary units", "random units", "chance", "p", ""], layers),
    ...lens(found.logit_lens),
  );
}

/** The logit lens, whatever its producer tells: lists of rows become tables, lists of words become words. */
function lens(values) {
  if (!values) return [];
  const made = [heading("Logit lens", "What the model's own language head would say after each layer.")];
  for (const [name, value] of Object.entries(values)) {
    if (Array.isArray(value) && value.length && typeof value[0] === "object" && !Array.isArray(value[0])) {
      const keys = Object.keys(value[0]);
      made.push(table(name.replaceAll("_", " "), keys, value.map((row) => keys.map((key) => (Array.isArray(row[key]) ? wordRow(row[key].map(String)) : typeof row[key] === "number" ? num(row[key], 3) : String(row[key] ?? "–"))))));
    } else if (typeof value !== "object") made.push(element("p", `${name.replaceAll("_", " ")}: ${typeof value === "number" ? num(value, 3) : value}`, { class: "small" }));
  }
  return made;
}
