// Words of a text, split and folded as `split_words` of vos/interpret/words.py does. No DOM access here.

const ALONE = "[\\p{Script=Han}\\p{Script=Hiragana}]", LETTER = `(?:(?!${ALONE})[\\p{L}\\p{N}\\p{M}])`;
const WORD = new RegExp(`${ALONE}|${LETTER}+(?:['\\u2019\\-\\u2010\\u2011\\p{Cf}]+${LETTER}+)*`, "uy");
const NOTHING = /[\s\p{C}]/uy, ASCII = /^[\0-\x7f]*$/;
const signs = new Intl.Segmenter("en", { granularity: "grapheme" });

const CHEROKEE = /[\u13a0-\u13f5]/, CHEROKEE_SMALL = /[\u13f8-\u13fd\uab70-\uabbf]/;

/** A character without its case: by way of its capital, which makes ß to ss and ς to σ, except where case folding keeps it. */
function foldedSign(sign) {
  if (sign === "ı" || CHEROKEE.test(sign)) return sign;
  if (CHEROKEE_SMALL.test(sign)) return sign.toUpperCase();
  return sign.toLowerCase().toUpperCase().toLowerCase();
}

/** Text without case, with straight apostrophes. @param {string} text */
const folded = (text) => (ASCII.test(text) ? text.toLowerCase() : Array.from(text, foldedSign).join("").replaceAll("\u2019", "'"));

/** The words of a text in order: letters and digits with inner apostrophes and hyphens, single Han and Hiragana signs, and
 * runs of one repeated sign of punctuation. @param {string} text @returns {string[]} */
export function wordsOf(text) {
  const found = [];
  let at = 0, segments = null;
  while (at < text.length) {
    WORD.lastIndex = NOTHING.lastIndex = at;
    const word = WORD.exec(text);
    if (word) { found.push(folded(word[0])); at += word[0].length; continue; }
    if (NOTHING.test(text)) { at = NOTHING.lastIndex; continue; }
    segments ??= signs.segment(text);
    const { index, segment } = segments.containing(at), sign = text.slice(at, index + segment.length), start = at;
    while (text.startsWith(sign, at)) at += sign.length;
    found.push(folded(text.slice(start, at)));
  }
  return found;
}
