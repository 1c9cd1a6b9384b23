// Blind labelling: the model's outputs for a text stay sealed until a person has answered it.
import { $, element, say } from "../../page/dom.js";
import { downloadRows } from "../../page/download.js";
import { store, stored } from "../../page/stored.js";
import { DATA, artefact, blind, run, texts } from "./data.js";
import { button } from "./parts.js";
import { refresh } from "./state.js";

const outputs = DATA.texts.outputs; // of a classifier with more outputs than classes: for each text the output of each class
const KEY = ["vos-atlas", run.run_hash, run.model_hash, ...(outputs ? ["classes"] : [])].join(":");
const choices = [...run.data_classes.map((title, c) => ({ value: c, title })), { value: "unsure", title: "Unsure" }];
const order = new Map((DATA.sealed ?? []).map((i, k) => [i, k]));
const chunks = blind ? ($("sealed")?.textContent ?? "").split("\n").filter(Boolean) : [];
$("sealed")?.remove();

let name = stored("vos-label:name") ?? "";

/** uid -> {value, seen, at, revision}: the answers of this person. */
const given = new Map(Object.entries(blind ? stored(KEY) ?? {} : {}));

/** Unseal everything that was answered on an earlier visit. */
export async function openAnswered() {
  for (const i of order.keys()) if (given.has(texts.uid[i])) { await open(i); take(i); }
  if (order.size) refresh();
  drawSave();
}

/** Answer buttons of a text, or none if it is not asked. @param {number} i @returns {HTMLElement[]} */
export function answerBox(i) {
  if (!blind || !order.has(i)) return [];
  const box = element("section", "", { class: "part answers" }), row = element("div", "", { class: "row-tight", role: "group", "aria-label": "Your answer" }), now = given.get(texts.uid[i]);
  row.append(...choices.map(({ value, title }, k) => {
    const made = button(`${title} `, () => answer(i, k), { class: "answer", "aria-pressed": String(now?.value === value), "aria-keyshortcuts": String(k + 1) });
    made.append(element("kbd", String(k + 1), { "aria-hidden": "true" }));
    return made;
  }));
  const who = element("input", "", { type: "text", id: "who", maxlength: 80, autocomplete: "off", spellcheck: "false" }), label = element("label", "Your name ", { for: "who", class: "small who" });
  who.value = name;
  who.addEventListener("change", () => { name = who.value.trim(); store("vos-label:name", name); });
  label.append(who);
  box.append(element("h3", "Your answer"), row, label);
  box.append(element("p", now ? "A change from here on is saved as one made after the explanation was seen." : "What the model thinks is shown after your answer.", { class: "small muted" }));
  return [box];
}

/** Give the k-th answer to a text. @param {number} i @param {number} k */
export async function answer(i, k) {
  if (!blind || !order.has(i) || !choices[k]) return;
  const uid = texts.uid[i], before = given.get(uid);
  given.set(uid, { value: choices[k].value, seen: Boolean(before), at: new Date().toISOString(), revision: before ? before.revision + 1 : 0 });
  const kept = store(KEY, Object.fromEntries(given));
  await open(i);
  take(i);
  drawSave();
  say(`${choices[k].title}. ${given.size} of ${order.size} answered.${kept ? "" : " This browser does not keep answers: save them before you close the page."}`);
  refresh();
}

function take(i) {
  const { value } = given.get(texts.uid[i]);
  texts.answer[i] = typeof value === "number" ? (outputs ? outputs[i]?.[value] : value) ?? -1 : -1;
}

async function open(i) {
  if (!texts.sealed[i]) return;
  const sealed = JSON.parse(await unpack(chunks[order.get(i)]));
  texts.sealed[i] = 0;
  for (const name of ["margin", "distance", "probability"]) texts[name][i] = sealed[name] ?? NaN;
  texts.prediction[i] = sealed.prediction ?? -1;
  texts.cluster[i] = sealed.cluster ?? -1;
  if (outputs) outputs[i] = sealed.outputs;
  texts.near[i] = sealed.near ? 1 : 0;
  if (texts.pca && sealed.pca) { texts.pca.x[i] = sealed.pca[0]; texts.pca.y[i] = sealed.pca[1]; }
  for (const [column, value] of Object.entries(sealed.columns ?? {})) texts.columns[column][i] = value;
  for (const side of ["harmful", "harmless"]) if (sealed.neighbours) texts.neighbours[side][i] = sealed.neighbours[side];
  const saliency = artefact("saliency"), flips = artefact("flips"), directions = artefact("directions");
  if (saliency && sealed.words) { saliency.words[i] = sealed.words; saliency.method[i] = sealed.method; }
  if (flips && sealed.tried != null) { flips.index.push(i); flips.flip.push(sealed.flip ?? null); flips.tried.push(sealed.tried); }
  if (directions && sealed.parts) { directions.parts[i] = sealed.parts; directions.residual[i] = sealed.residual; directions.positive[i] = sealed.positive; }
}

async function unpack(chunk) {
  const bytes = Uint8Array.from(atob(chunk), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
}

function rowsOf() {
  return [...given].map(([uid, { value, seen, at, revision }]) => ({
    uid, annotator: name || "reader", label: typeof value === "number" ? DATA.answers[value] : value, labelled_at: at, tool: "page",
    shown_prediction: seen, seen_explanation: seen, revision, schema_version: 1,
  }));
}

function drawSave() {
  $("save-answers").hidden = !blind;
  $("save-answers").textContent = `Save answers (${given.size} of ${order.size})`;
}

if (blind) $("save-answers").addEventListener("click", () => downloadRows(`answers-${run.name}`, rowsOf()));
