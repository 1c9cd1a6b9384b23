// Word differences between two sets of texts: log-odds with an informative prior, against permuted sets.
// No DOM access here.
import { generator } from "../../page/random.js";

const PRIOR = 500, FEWEST = 5, ROUNDS = 100, SHARE = 0.95;

/** Terms of a text, each once: its words and their pairs. @param {string[]} words @returns {Set<string>} */
export function termsOf(words) {
  const terms = new Set(words);
  for (let k = 0; k + 1 < words.length; k++) terms.add(words[k] + " " + words[k + 1]);
  return terms;
}

/** z of every term from its counts in two sets: informative Dirichlet prior with the proportions of both together.
 * @param {ArrayLike<number>} a counts in the first set @param {ArrayLike<number>} both counts in both @returns {Float64Array} */
export function logOdds(a, both) {
  let nA = 0, n = 0;
  for (let t = 0; t < both.length; t++) { nA += a[t]; n += both[t]; }
  const nB = n - nA, z = new Float64Array(both.length);
  for (let t = 0; t < both.length; t++) {
    const prior = (PRIOR * both[t]) / n, inA = a[t] + prior, inB = both[t] - a[t] + prior;
    const delta = Math.log(inA / (nA + PRIOR - inA)) - Math.log(inB / (nB + PRIOR - inB));
    z[t] = delta / Math.sqrt(1 / inA + 1 / inB);
  }
  return z;
}

/** Compare two sets.
 * @param {string[][]} wordsA words of each text of the first set @param {string[][]} wordsB of the second
 * @returns {{threshold: number, terms: {term: string, z: number, a: number, b: number, confirmed: boolean}[]}} terms of at
 *   least `FEWEST` texts, strongest first. The threshold is the 95 % point of the largest |z| of sets relabelled at random;
 *   a term is confirmed if it passes on all texts and, with the same sign, at 1.96 in a random half. */
export function compare(wordsA, wordsB) {
  const docs = [...wordsA, ...wordsB].map(termsOf), counts = new Map(), nA = wordsA.length;
  for (const doc of docs) for (const term of doc) counts.set(term, (counts.get(term) ?? 0) + 1);
  const terms = [...counts.keys()].filter((term) => counts.get(term) >= FEWEST), place = new Map(terms.map((term, t) => [term, t]));
  if (!terms.length || !nA || nA === docs.length) return { threshold: Infinity, terms: [] };
  const held = docs.map((doc) => Int32Array.from([...doc].filter((term) => place.has(term)), (term) => place.get(term)));
  const random = generator(20), order = held.map((_, i) => i), both = Float64Array.from(terms, (term) => counts.get(term));
  const countsOf = (list) => { const made = new Float64Array(terms.length); for (const i of list) for (const t of held[i]) made[t]++; return made; };
  const inA = countsOf(order.slice(0, nA)), z = logOdds(inA, both), largest = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = order.length - 1; i > 0; i--) { const j = Math.floor(random() * (i + 1)); [order[i], order[j]] = [order[j], order[i]]; }
    largest.push(logOdds(countsOf(order.slice(0, nA)), both).reduce((most, each) => Math.max(most, Math.abs(each)), 0));
  }
  const threshold = largest.sort((a, b) => a - b)[Math.min(ROUNDS - 1, Math.ceil(SHARE * ROUNDS))];
  const half = held.map((_, i) => i).filter(() => random() < 0.5), halfZ = logOdds(countsOf(half.filter((i) => i < nA)), countsOf(half));
  const found = terms.map((term, t) => ({ term, z: z[t], a: inA[t], b: both[t] - inA[t], confirmed: Math.abs(z[t]) > threshold && halfZ[t] * Math.sign(z[t]) > 1.96 }));
  return { threshold, terms: found.sort((a, b) => Math.abs(b.z) - Math.abs(a.z)) };
}
