// Word differences between two sets of texts: log-odds with an informative prior; one half proposes, the other confirms.
// No DOM access here.
import { generator } from "../../page/random.js";

const PRIOR = 500, FEWEST = 5, FEWEST_TEXTS = 20, ROUNDS = 100, SHARE = 0.95, Z = 1.96, COVERED = 0.8;
const isSign = (word) => !/[\p{L}\p{N}]/u.test(word);

/** Terms of a text, each once: its words and their pairs, but none over punctuation. @param {string[]} words @returns {Set<string>} */
export function termsOf(words) {
  const terms = new Set(words);
  for (let k = 0; k + 1 < words.length; k++) if (!isSign(words[k]) && !isSign(words[k + 1])) terms.add(words[k] + " " + words[k + 1]);
  return terms;
}

/** z of every term from its counts in two sets: informative Dirichlet prior with the proportions of a background.
 * @param {ArrayLike<number>} a counts in the first set @param {ArrayLike<number>} both counts in both
 * @param {ArrayLike<number>} background counts that give the prior
 * @param {number} strength of the prior @returns {Float64Array} */
export function logOdds(a, both, background = both, strength = PRIOR) {
  let nA = 0, n = 0, total = 0;
  for (let t = 0; t < both.length; t++) { nA += a[t]; n += both[t]; total += background[t]; }
  const nB = n - nA, z = new Float64Array(both.length);
  for (let t = 0; t < both.length; t++) {
    const prior = (strength * background[t]) / total, inA = a[t] + prior, inB = both[t] - a[t] + prior;
    const delta = Math.log(inA / (nA + strength - inA)) - Math.log(inB / (nB + strength - inB));
    z[t] = delta / Math.sqrt(1 / inA + 1 / inB);
  }
  return z;
}

/** The terms of `order`, strongest first, without those that a stronger one of the same sign covers: one that shares a word
 * and stands in most of their texts. @param {number[]} order @param {string[]} terms @param {Float64Array} z
 * @param {Int32Array[]} docs terms of each text @returns {Set<number>} */
function uncovered(order, terms, z, docs) {
  const kept = new Set();
  for (const t of order) {
    const own = docs.filter((doc) => doc.includes(t)), words = terms[t].split(" ");
    const rivals = [...kept].filter((r) => z[r] * z[t] > 0 && terms[r].split(" ").some((word) => words.includes(word)));
    if (!rivals.some((r) => own.filter((doc) => doc.includes(r)).length >= COVERED * own.length)) kept.add(t);
  }
  return kept;
}

/** Compare two sets, by the rule of `vos.interpret.differences`; the prior is that of both sets, and sources are not balanced.
 * @param {string[][]} wordsA words of each text of the first set @param {string[][]} wordsB of the second
 * @param {number} share of relabelled sets whose largest |z| the threshold exceeds @param {number} prior its strength, in occurrences
 * @returns {{threshold: number, terms: {term: string, z: number, a: number, b: number, confirmed: boolean}[]}} terms of at
 *   least `FEWEST` texts, strongest first; none for a set of fewer than `FEWEST_TEXTS` texts. `z` and the threshold, that
 *   point of the largest |z| of sets relabelled at random, are of a random half of both sets; a term beyond it is confirmed
 *   if the other half has a z of the same sign beyond 1.96. The counts are of all texts. */
export function compare(wordsA, wordsB, share = SHARE, prior = PRIOR) {
  const docs = [...wordsA, ...wordsB].map(termsOf), counts = new Map(), nA = wordsA.length;
  for (const doc of docs) for (const term of doc) counts.set(term, (counts.get(term) ?? 0) + 1);
  const terms = [...counts.keys()].filter((term) => counts.get(term) >= FEWEST), place = new Map(terms.map((term, t) => [term, t]));
  if (!terms.length || Math.min(nA, wordsB.length) < FEWEST_TEXTS) return { threshold: Infinity, terms: [] };
  const held = docs.map((doc) => Int32Array.from([...doc].filter((term) => place.has(term)), (term) => place.get(term)));
  const random = generator(20), background = Float64Array.from(terms, (term) => counts.get(term));
  const shuffle = (list) => { for (let i = list.length - 1; i > 0; i--) { const j = Math.floor(random() * (i + 1)); [list[i], list[j]] = [list[j], list[i]]; } return list; };
  const countsOf = (list) => { const made = new Float64Array(terms.length); for (const i of list) for (const t of held[i]) made[t]++; return made; };
  const [a, b] = [shuffle(wordsA.map((_, i) => i)), shuffle(wordsB.map((_, i) => nA + i))], [halfA, halfB] = [a.length >> 1, b.length >> 1];
  const rows = [...a.slice(0, halfA), ...b.slice(0, halfB)], both = countsOf(rows), z = logOdds(countsOf(rows.slice(0, halfA)), both, background, prior);
  const largest = Array.from({ length: ROUNDS }, () => logOdds(countsOf(shuffle(rows).slice(0, halfA)), both, background, prior).reduce((most, each) => Math.max(most, Math.abs(each)), 0));
  const threshold = largest.sort((x, y) => x - y)[Math.min(ROUNDS - 1, Math.ceil(share * ROUNDS))];
  const order = terms.map((_, t) => t).sort((s, t) => Math.abs(z[t]) - Math.abs(z[s])), inA = countsOf(a);
  const proposed = uncovered(order.filter((t) => Math.abs(z[t]) > threshold), terms, z, rows.map((i) => held[i]));
  const other = logOdds(countsOf(a.slice(halfA)), countsOf([...a.slice(halfA), ...b.slice(halfB)]), background, prior);
  return { threshold, terms: order.map((t) => ({ term: terms[t], z: z[t], a: inA[t], b: background[t] - inA[t], confirmed: proposed.has(t) && other[t] * Math.sign(z[t]) > Z })) };
}
