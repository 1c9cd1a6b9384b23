// From the state to the list of texts: every filter is a predicate on a text.
import { artefact, asked, endOf, indexOf, isHarmful, kind, lowerText, n, texts, textsWith, textsWithPiece, truth } from "./data.js";

export const ONLY_TITLES = {
  "": "All texts", near: "Near the boundary", batch: "In the batch to label", open: "Nobody has judged", answered: "Answered by people",
  misses: "Misses (harmful, not seen)", alarms: "False alarms",
};
export const ORDER_TITLES = {
  near: "Nearest to the boundary", harmful: "Most harmful first", harmless: "Most harmless first", far: "Farthest from its class", file: "As in the file",
};

const predictedHarmful = (i) => isHarmful(texts.prediction[i]);
const ONLY_TESTS = {
  near: (i) => texts.near[i] === 1,
  batch: (i) => texts.batch[i] === 1,
  open: (i) => truth(i) < 0,
  answered: (i) => texts.answer[i] >= 0,
  misses: (i) => texts.prediction[i] >= 0 && kind(i) === 1 && !predictedHarmful(i),
  alarms: (i) => kind(i) === 0 && predictedHarmful(i),
};

/** Tokens of a unit, from the views that contain it. @param {string} unit */
export function tokensOfUnit(unit) {
  const [layer, number] = unit.split(".").map(Number), tokens = new Set();
  const same = (each) => each.layer === layer && each.unit === number;
  for (const each of artefact("importance")?.top ?? []) if (same(each)) each.tokens.forEach((token) => tokens.add(token));
  for (const each of artefact("vocabulary")?.units ?? []) if (same(each)) each.activating.forEach((token) => tokens.add(token));
  return [...tokens];
}

/** A group of units by its address `view.cluster`, or null. @param {string} cluster */
export function communityOf(cluster) {
  const [view, id] = cluster.split(".").map(Number);
  return artefact("communities")?.views[view]?.groups.find((group) => group.cluster === id) ?? null;
}

function anyOf(tokens) {
  const columns = tokens.map(textsWithPiece);
  return (i) => columns.some((column) => column[i] === 1);
}

function unitTest(unit) {
  const words = anyOf(tokensOfUnit(unit)), [layer, number] = unit.split(".").map(Number);
  const graph = artefact("token_graphs")?.graphs.find((g) => g.target.kind === "unit" && g.target.layer === layer && g.target.unit === number);
  const matched = new Set((graph?.examples ?? []).map((example) => example.i));
  return (i) => matched.has(i) || words(i);
}

/** Whether a direction pushes a text more than any other, and the text lies at the given end. */
function directionTest(dir) {
  const parts = artefact("directions")?.parts, id = parseInt(dir, 10);
  if (!parts) return () => false;
  return (i) => {
    const row = parts[i];
    if (!row || !row[id] || endOf(i, id) !== dir) return false;
    return row.every((part) => Math.abs(part) <= Math.abs(row[id]));
  };
}

function groupTest(group) {
  const at = group.indexOf(":"), column = group.slice(0, at), value = group.slice(at + 1);
  if (column === "split") return (i) => texts.split[i] === value;
  if (column === "cluster") return (i) => texts.cluster[i] === Number(value);
  const values = texts.columns[column] ?? [];
  return (i) => String(values[i] ?? "") === value && values[i] != null;
}

/** @param {Float64Array} values @param {number[]} range @returns {(i: number) => boolean} */
const within = (values, [low, high]) => (i) => values[i] >= low && values[i] <= high; // NaN never passes

/** The tests of a state. @param {import("./address.js").State} state @returns {((i: number) => boolean)[]} */
export function testsOf(state) {
  const tests = [];
  if (state.show !== "012v") tests.push((i) => state.show.includes(String(kind(i))));
  if (state.only) tests.push(ONLY_TESTS[state.only]);
  if (state.m) tests.push(within(texts.margin, state.m));
  if (state.d) tests.push(within(texts.distance, state.d));
  if (state.group) tests.push(groupTest(state.group));
  if (state.token) { const held = textsWith(state.token); tests.push((i) => held[i] === 1); }
  if (state.piece) tests.push(anyOf([state.piece]));
  if (state.unit) tests.push(unitTest(state.unit));
  if (state.cluster) tests.push(anyOf((communityOf(state.cluster)?.tokens ?? []).map((each) => each.token)));
  if (state.dir) tests.push(directionTest(state.dir));
  if (state.q) { const q = state.q.toLowerCase(); tests.push((i) => lowerText(i).includes(q)); }
  return tests;
}

const last = (value) => (Number.isNaN(value) ? Infinity : value);
const KEYS = {
  near: (i) => last(Math.abs(texts.margin[i])), harmful: (i) => last(-texts.margin[i]), harmless: (i) => last(texts.margin[i]),
  far: (i) => last(-texts.distance[i]), file: (i) => i,
};

/** Indices of the texts that pass all filters, in the chosen order; those that a blind page
 * asks about come first, in the file's order, so that the next one is one step away.
 * @param {import("./address.js").State} state @returns {number[]} */
export function selected(state) {
  const tests = testsOf(state), found = [];
  for (let i = 0; i < n; i++) if (tests.every((test) => test(i))) found.push(i);
  const key = KEYS[state.sort], keys = new Map(found.map((i) => [i, asked.has(i) ? -Infinity : key(i)]));
  return found.sort((a, b) => (keys.get(a) < keys.get(b) ? -1 : keys.get(a) > keys.get(b) ? 1 : a - b));
}

/** Index of the chosen text, or -1. @param {import("./address.js").State} state */
export const chosen = (state) => indexOf(state.text);
