// Marked passages: offsets count Unicode code points, as Python does; the DOM counts UTF-16 units.
const codePoints = (string) => [...string].length;

/** The selected part of `root`'s text, as {start, end, text} in code points, or null. */
export function selectedSpan(root) {
  const selection = getSelection();
  if (!selection.rangeCount || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  if (!root.contains(range.startContainer) || !root.contains(range.endContainer)) return null;
  const before = document.createRange();
  before.selectNodeContents(root);
  before.setEnd(range.startContainer, range.startOffset);
  const text = range.toString(), lead = text.length - text.trimStart().length, kept = text.trim();
  if (!kept) return null;
  const start = codePoints(before.toString() + text.slice(0, lead));
  return { start, end: start + codePoints(kept), text: kept };
}

/** Add a span; overlapping spans are merged. */
export function joined(spans, added, text) {
  const points = [...text];
  const apart = spans.filter((span) => span.end < added.start || span.start > added.end);
  const touching = spans.filter((span) => !apart.includes(span));
  const start = Math.min(added.start, ...touching.map((span) => span.start));
  const end = Math.max(added.end, ...touching.map((span) => span.end));
  return [...apart, { start, end, text: points.slice(start, end).join("") }].sort((a, b) => a.start - b.start);
}

/** Put `text` into `root` with its marks; `cursor` is a span being selected by keyboard, or null. */
export function drawText(root, text, spans, cursor) {
  const points = [...text];
  const cuts = new Set([0, points.length]);
  for (const span of cursor ? [...spans, cursor] : spans) { cuts.add(span.start); cuts.add(span.end); }
  const edges = [...cuts].sort((a, b) => a - b);
  const parts = [];
  for (let i = 0; i + 1 < edges.length; i++) {
    const inside = (span) => span && span.start <= edges[i] && edges[i + 1] <= span.end;
    const piece = points.slice(edges[i], edges[i + 1]).join("");
    let node = document.createTextNode(piece);
    if (spans.some(inside)) { const mark = document.createElement("mark"); mark.append(node); node = mark; }
    if (inside(cursor)) { const span = document.createElement("span"); span.className = "cursor"; span.append(node); node = span; }
    parts.push(node);
  }
  root.replaceChildren(...parts);
}

/** Words of a text as spans in code points. */
function wordsOf(text) {
  const words = [];
  let units = 0, position = 0;
  for (const match of text.matchAll(/\S+/gu)) {
    position += codePoints(text.slice(units, match.index));
    const end = position + codePoints(match[0]);
    words.push({ start: position, end });
    units = match.index + match[0].length;
    position = end;
  }
  return words;
}

/** Choosing words by keyboard: arrows move, with Shift they extend, Enter marks, Escape leaves. */
export class WordCursor {
  constructor(text) { this.text = text; this.words = wordsOf(text); this.from = 0; this.to = 0; }
  move(step, extend) {
    const to = Math.min(this.words.length - 1, Math.max(0, this.to + step));
    this.to = to;
    if (!extend) this.from = to;
    return this.span;
  }
  get span() {
    const [first, last] = [Math.min(this.from, this.to), Math.max(this.from, this.to)];
    const { start } = this.words[first], { end } = this.words[last];
    return { start, end, text: [...this.text].slice(start, end).join("") };
  }
}
