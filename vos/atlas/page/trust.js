// Reliability of this page: all checks of all views, the control with random weights, times and versions.
import { element } from "../../page/dom.js";
import { DATA, artefact, run, texts } from "./data.js";
import { needed } from "./checks.js";
import { heading, num, table } from "./parts.js";

let place;

export const trust = {
  name: "trust", title: "Trust", needs: ["texts"],
  lead: "This page explains the model, not the truth. Checks of a method say that it measures what it claims; checks of the model say that there is something to find, and should fail on random weights.",
  draw(body) { place = body; }, update(changed) { if (changed.has("data") || changed.has("view")) render(); },
};

function render() {
  const rows = [];
  for (const [name, view] of Object.entries(DATA.views)) {
    if (name === "trust") continue;
    for (const check of view.checks ?? []) rows.push([name.replace("_", " "), check.name, element("span", check.passed ? "✓ passed" : "✕ failed", { class: check.passed ? "fixed" : "fixed check-why" }), num(check.value), element("span", needed(check), { class: "fixed" }), num(check.control), check.tests === "model" ? "model" : "method"]);
  }
  const missing = Object.entries(DATA.missing).map(([name, why]) => `${name.replace("_", " ")}: ${why.replace(/^Not made: (\w+: )?/, "")}`), found = artefact("trust") ?? {};
  place.replaceChildren(
    heading("Checks"), rows.length ? table("Checks of all views", ["view", "check", "", "number", "needed", "random weights", "tests the"], rows) : element("p", "No view of this page has a check.", { class: "small" }),
    ...(missing.length ? [heading("Not made"), list(missing)] : []), heading("This page"), about(), ...times(found), ...extra(found),
  );
}

function list(sentences) {
  const made = element("ul", "", { class: "small" });
  made.append(...sentences.map((each) => element("li", each)));
  return made;
}

function about() {
  const splits = {};
  for (const each of texts.split) splits[each] = (splits[each] ?? 0) + 1;
  const rows = [
    ["run", run.name], ["run hash", run.run_hash], ["model hash", run.model_hash], ["seed", String(run.seed)], ["classes", run.classes.join(", ")],
    ["harmful", run.harmful.map((c) => run.classes[c]).join(", ") || "none"], ["near the boundary", `margin within ±${num(run.band, 3)}`],
    ["texts", Object.entries(splits).map(([name, count]) => `${count.toLocaleString("en")} ${name}`).join(", ") || "none"],
  ];
  return table("This page", ["", ""], rows);
}

function times(found) {
  const seconds = found.times ?? Object.fromEntries(Object.entries(DATA.views).map(([name, view]) => [name, view.seconds]));
  const rows = Object.entries(seconds).filter(([, value]) => typeof value === "number" && value > 0).map(([name, value]) => [name.replace("_", " "), `${num(value, 1)} s`]);
  if (rows.length && found.peak_memory_mib) rows.push(["memory at most", `${num(found.peak_memory_mib / 1024, 1)} GiB`]);
  return rows.length ? [heading("Times"), table("Times", ["artefact", "made in"], rows)] : [];
}

const EXTRA = { control: "The encoder of random weights", versions: "Versions", settings: "Settings" };

/** Further values of the run, one table per group. */
function extra(found) {
  const word = (value) => (typeof value === "number" ? num(value, 3) : Array.isArray(value) ? value.map(word).join(", ") : value == null ? "–" : typeof value === "object" ? Object.entries(value).map(([key, each]) => `${key} ${word(each)}`).join(", ") : String(value));
  return Object.entries(EXTRA).filter(([name]) => found[name]).flatMap(([name, title]) => [
    heading(title), table(title, ["", ""], Object.entries(found[name]).map(([key, value]) => [key.replaceAll("_", " "), word(value)])),
  ]);
}
