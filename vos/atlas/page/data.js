// The arrays that the page shows, read once. `null` becomes NaN for numbers and -1 for classes.
import { $ } from "../../page/dom.js";
import { wordsOf } from "./word_split.js";

const holder = $("data");
export const DATA = JSON.parse(holder.textContent);
holder.remove(); // otherwise the texts would be in memory twice

const T = DATA.texts;
export const n = T.text.length;
export const run = T.run;
export const blind = DATA.blind;

const numbers = (values) => Float64Array.from(values, (value) => value ?? NaN);
const classes = (values) => Int16Array.from(values, (value) => value ?? -1);
const flags = (values) => Uint8Array.from(values, (value) => (value ? 1 : 0));

/** Columns of the texts; values of sealed texts are empty until answered. */
export const texts = {
  text: T.text, uid: T.uid, split: T.split, columns: T.columns, neighbours: T.neighbours, train: T.train,
  label: classes(T.label), answer: classes(T.answer), prediction: classes(T.prediction), cluster: classes(T.cluster),
  margin: numbers(T.margin), distance: numbers(T.distance), probability: numbers(T.probability),
  near: flags(T.near), batch: flags(T.batch), sealed: flags(T.sealed),
  pca: T.pca ? { x: numbers(T.pca.x), y: numbers(T.pca.y), shares: T.pca.shares } : null,
};

/** Texts that a blind page asks about. */
export const asked = new Set(DATA.sealed);

const byUid = new Map(texts.uid.map((uid, i) => [uid, i]));
const lower = new Array(n);
const harmful = new Set(run.harmful);

/** An artefact by name, or null if it was not made. @param {string} name @returns {any} */
export const artefact = (name) => DATA.views[name] ?? null;

/** @param {number} c @returns {boolean} */
export const isHarmful = (c) => harmful.has(c);
export const hasSides = harmful.size > 0;

/** The known class of a text, or -1. @param {number} i */
export const truth = (i) => (texts.answer[i] >= 0 ? texts.answer[i] : texts.label[i]);

/** 0 harmless, 1 harmful, 2 unknown. @param {number} i */
export const kind = (i) => { const c = truth(i); return c < 0 ? 2 : isHarmful(c) ? 1 : 0; };

/** Whether a text is initially blurred. Blind pages blur all texts, so that the blur reveals nothing. @param {number} i */
export const isVeiled = (i) => blind || kind(i) === 1 || isHarmful(texts.prediction[i]);

/** Index of a text by its uid or a prefix of it, or -1. @param {string} uid */
export function indexOf(uid) {
  if (!uid) return -1;
  if (byUid.has(uid)) return byUid.get(uid);
  const found = texts.uid.findIndex((each) => each.startsWith(uid));
  return found;
}

/** The shortest unique prefix of a uid, for an address. @param {number} i */
export const shortUid = (i) => (texts.uid[i].length > 12 && byUid.size === n ? texts.uid[i].slice(0, 12) : texts.uid[i]);

/** @param {number} i @returns {string} */
export const lowerText = (i) => (lower[i] ??= texts.text[i].toLowerCase());

const splitOf = new Array(n);

/** Words of the i-th text. @param {number} i @returns {string[]} */
export const wordsAt = (i) => (splitOf[i] ??= wordsOf(texts.text[i]));

const wordCache = new Map(), pieceCache = new Map();

function cached(cache, key, make) {
  if (!cache.has(key)) cache.set(key, make());
  return cache.get(key);
}

/** 1 for every text that contains a word, phrase or punctuation mark. @param {string} token @returns {Uint8Array} */
export const textsWith = (token) => cached(wordCache, token, () => {
  const wanted = wordsOf(token);
  return Uint8Array.from({ length: n }, (_, i) => (wanted.length && wordsAt(i).some((_word, at) => wanted.every((word, k) => wordsAt(i)[at + k] === word)) ? 1 : 0));
});

/** 1 for every text in which the model reads a token of its vocabulary; the page holds the rows of the tokens that it shows.
 * @param {string} piece @returns {Uint8Array} */
export const textsWithPiece = (piece) => cached(pieceCache, piece, () => {
  const found = new Uint8Array(n);
  let at = 0;
  for (const gap of Object.hasOwn(T.tokens, piece) ? T.tokens[piece] : []) found[at += gap] = 1;
  return found;
});

/** Name of a class. @param {number} c */
export const className = (c) => (c < 0 ? "nobody knows" : run.classes[c]);

/** A unit as `layer.unit`. @param {{layer: number, unit: number}} each */
export const unitName = (each) => `${each.layer}.${each.unit}`;

/** An end of a direction: what it pushes towards, if that is the same for all texts. @param {number} id @param {number} sign of the code */
export function endName(id, sign) {
  const towards = artefact("directions")?.cards.find((card) => card.id === id)?.ends.find((end) => end.sign === sign)?.towards;
  return towards ? `towards ${towards}` : sign > 0 ? "+ end" : "− end";
}

/** The end of a direction at which a text lies, as in an address: `3+`. @param {number} i @param {number} id */
export const endOf = (i, id) => `${id}${(artefact("directions").positive[i] >> id) & 1 ? "+" : "-"}`;

/** Description of the target of a token graph or a dream. @param {any} target */
export function targetName(target) {
  if (target.kind === "unit") return `unit ${target.layer}.${target.unit}`;
  if (target.kind === "direction") return `direction ${target.direction}, ${endName(target.direction, target.side === "-" ? -1 : 1)}`;
  return `the margin, ${target.side} side`;
}
