// Vocabulary: the words that a unit promotes, for the units and layers that pass their test.
import { element } from "../../page/dom.js";
import { artefact, unitName } from "./data.js";
import { button, counted, heading, num, table, textLines, pieceRow } from "./parts.js";
import { state, toggle } from "./state.js";

const TEXTS = 3;
let place;

export const vocabulary = {
  name: "vocabulary", title: "Vocabulary", needs: ["vocabulary"],
  lead: "What a unit adds to the text's vector, read as words: the nearest input embeddings to its output. Shown only where these words overlap with those that make it fire, beyond chance.",
  draw(body) { place = body; }, update(changed) { if (["data", "unit", "piece", "view"].some((name) => changed.has(name))) render(); },
};

function render() {
  const found = artefact("vocabulary");
  const layers = found.layers.map((each) => [`layer ${each.layer}`, num(each.overlap), num(each.random), num(each.chance), num(each.p, 3), each.passed ? "✓ shown" : "✕ not shown"]);
  const units = found.units.map((each) => {
    const unit = unitName(each);
    return [button(unit, () => toggle("unit", unit), { class: "word", "aria-pressed": String(state.unit === unit) }), pieceRow(each.words), pieceRow(each.activating), num(each.p, 3)];
  });
  place.replaceChildren(
    heading("Units that pass", `${counted(found.units.length, "unit")} of those that matter near the boundary.`),
    found.units.length ? table("Units that pass", ["unit", "writes towards", "fires on", "p"], units) : element("p", "No unit passes.", { class: "small" }),
    heading("By layer", "Mean overlap of ten words written with ten words read; random units and chance beside."), table("Overlap by layer", ["", "boundary units", "random units", "chance", "p", ""], layers),
    ...lens(found.logit_lens),
  );
}

/** Predictions of the head after each layer at every position of a few texts. */
function lens(found) {
  if (!found) return [];
  const made = [heading("Logit lens", "What the model's own language head would say at each place after each layer; and how likely it holds the token that stands there.")];
  const keys = Object.keys(found.layers?.[0] ?? {}).filter((key) => key !== "layer");
  if (keys.length) made.push(table("Logit lens by layer", ["", ...keys], found.layers.map((row) => [`layer ${row.layer}`, ...keys.map((key) => num(row[key]))])));
  for (const each of (found.texts ?? []).slice(0, TEXTS)) {
    const rows = each.top.map((places, layer) => [`layer ${layer}`, ...places.map((words) => words[0] ?? "")]);
    made.push(textLines([each.i]), table("Logit lens of a text", ["", ...each.tokens], rows.reverse()));
  }
  return made;
}
