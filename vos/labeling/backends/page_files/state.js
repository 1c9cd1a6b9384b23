// Questions, answers and their storage. No DOM access here.
import { generator, seedOf } from "../../../page/random.js";
import { keep, stored } from "../../../page/stored.js";

export const DATA = JSON.parse(document.getElementById("batch").textContent);
export const SKIP = "skip";
export const UNSURE = "unsure";
const WITHDRAWN = "withdrawn", IDLE_MS = 60000, HISTORY = 200;
export const CHOICES = DATA.classes.map((c, i) => ({ value: c.name, title: c.title, key: DATA.keys[i] ?? "" }));
export const SKIP_TITLE = CHOICES.some((c) => c.title.toLowerCase() === "skip") ? "No answer" : "Skip";

/** The order in which one person sees the texts, hidden repeats included, the same on every computer.
 *  A repeat is shown as late as the batch allows: in the second half, at least ten texts after the first showing. */
function planFor(name) {
  const random = generator(seedOf(DATA.batch_id + "\n" + name));
  const order = DATA.items.map((_, index) => ({ index, repeat: 0 }));
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  const early = order.slice(0, Math.max(0, order.length - 10));
  const count = Math.min(early.length, Math.round(DATA.repeat_share * order.length));
  for (let k = 0; k < count; k++) {
    const from = early.splice(Math.floor(random() * early.length), 1)[0];
    const soonest = Math.max(order.indexOf(from) + 10, Math.ceil(order.length / 2));
    const place = soonest + Math.floor(random() * (order.length + 1 - soonest));
    order.splice(Math.min(place, order.length), 0, { index: from.index, repeat: 1 });
  }
  return order;
}

// A hash of the question: a page of the same batch may be written again with another question.
const ASKED = seedOf(DATA.question + "\n" + DATA.guidelines);

export const slotKey = (slot) => DATA.items[slot.index].uid + ":" + slot.repeat;
export const storeKey = (name) => ["vos-label", DATA.batch_id, DATA.part, name].join(":");

/** Of two versions of an answer, the one with more revisions; in a tie, the later one. */
function newer(a, b) {
  if (!a || !b) return a || b;
  if (a.revision !== b.revision) return a.revision > b.revision ? a : b;
  return Date.parse(a.labelled_at) >= Date.parse(b.labelled_at) ? a : b;
}

/** One person's answers to the batch; saved after every change. */
export class Session {
  constructor(name) {
    this.name = name;
    this.slots = planFor(name);
    this.entries = {}; // slot key -> {answer or null, revision, labelled_at, spans, comment, active, raw, seen, neighbours}
    this.pieces = new Map(); // slot key -> its entry as JSON
    this.altered = new Set(); // slot keys whose piece is out of date
    this.history = [];
    this.downloaded = 0;
    this.changes = 0;
    this.kept = true;
    this.reviewing = false; // going through the skipped ones
    const saved = stored(storeKey(name));
    this.asksAnew = Boolean(saved?.asked && saved.asked !== ASKED && Object.values(saved.entries).some((entry) => entry.answer));
    this.take(saved);
    const open = this.slots.findIndex((slot) => !this.answerOf(slot));
    this.at = open < 0 ? this.slots.length : open;
  }

  /** Load what another tab or an earlier visit saved. */
  take(saved) {
    if (!saved) return;
    for (const [key, entry] of Object.entries(saved.entries)) { this.entries[key] = newer(this.entries[key], entry); this.altered.add(key); }
    this.history = saved.history;
    this.changes = Math.max(this.changes, saved.changes);
    this.downloaded = Math.max(this.downloaded, saved.downloaded);
  }

  /** Save everything. Only possibly changed entries are serialised again, as a page can contain thousands. */
  save() {
    for (const key of this.altered) this.pieces.set(key, JSON.stringify(key) + ":" + JSON.stringify(this.entries[key]));
    this.altered.clear();
    const { history, downloaded, changes } = this;
    const rest = JSON.stringify({ history, downloaded, changes, asked: ASKED }).slice(1);
    this.kept = keep(storeKey(this.name), `{"entries":{${[...this.pieces.values()].join()}},${rest}`);
  }

  get slot() { return this.slots[this.at]; }
  get item() { return DATA.items[this.slot.index]; }
  get entry() { return this.entryOf(this.slot); }

  /** The entry of a slot, which the caller may change before the next `save`. */
  entryOf(slot) {
    this.altered.add(slotKey(slot));
    return (this.entries[slotKey(slot)] ??= {
      answer: null, revision: -1, labelled_at: new Date().toISOString(), spans: [], comment: "", active: 0, raw: 0,
      seconds: 0, raw_seconds: 0, neighbours: false, neighbours_opened: false, saw: false, shown_prediction: false,
    });
  }

  answerOf(slot) { return this.entries[slotKey(slot)]?.answer ?? null; }
  get answered() { return this.slots.filter((slot) => this.answerOf(slot)).length; }
  get unsaved() { return this.changes - this.downloaded; }

  /** Answer the current text; `undo` restores the previous state. */
  answer(value) {
    const entry = this.entry;
    this.history.push({ key: slotKey(this.slot), before: structuredClone(entry) });
    if (this.history.length > HISTORY) this.history.shift();
    entry.answer = value;
    entry.seconds = entry.active;
    entry.raw_seconds = entry.raw;
    entry.neighbours_opened = entry.neighbours;
    entry.shown_prediction = entry.saw;
    this.touch(entry);
  }

  /** Save a changed answer as a new revision. */
  touch(entry) {
    entry.revision += 1;
    entry.labelled_at = new Date().toISOString();
    this.changes += 1;
    this.save();
  }

  /** Undo the last answer and return to its text; false if there is nothing to undo. */
  undo() {
    const last = this.history.pop();
    if (!last) return false;
    const revision = this.entries[last.key].revision;
    this.entries[last.key] = { ...last.before, revision };
    this.altered.add(last.key);
    this.touch(this.entries[last.key]);
    this.at = this.slots.findIndex((slot) => slotKey(slot) === last.key);
    return true;
  }

  /** Record that marks or comment of the current text changed. */
  edit(change) {
    Object.assign(this.entry, change);
    if (this.entry.answer) this.touch(this.entry);
    else this.save();
  }

  /** An answer that was undone is exported as withdrawn, as it may have been submitted before. */
  get rows() {
    return this.slots.filter((slot) => (this.entries[slotKey(slot)]?.revision ?? -1) >= 0).map((slot) => {
      const entry = this.entryOf(slot), item = DATA.items[slot.index], given = entry.answer !== null;
      const saw = given && entry.shown_prediction && item.suggestion;
      return {
        uid: item.uid, annotator: this.name, label: entry.answer ?? WITHDRAWN, labelled_at: entry.labelled_at, tool: "page",
        batch_id: DATA.batch_id, text_hash: item.text_hash, spans: given ? entry.spans : [], comment: given ? entry.comment : "",
        seconds: Math.round(entry.seconds / 100) / 10, raw_seconds: Math.round(entry.raw_seconds / 100) / 10,
        shown_prediction: Boolean(saw), changed_from_suggestion: saw ? entry.answer !== item.suggestion.label : null,
        neighbours_opened: entry.neighbours_opened, repeat: slot.repeat, revision: entry.revision, schema_version: 1,
      };
    });
  }

  /** Merge answers downloaded before; returns how many were merged. */
  merge(rows) {
    const known = new Set(this.slots.map(slotKey));
    let taken = 0;
    for (const row of rows) {
      const key = row.uid + ":" + row.repeat;
      if (!known.has(key)) continue;
      const entry = {
        answer: row.label === WITHDRAWN ? null : row.label, revision: row.revision, labelled_at: row.labelled_at, spans: row.spans, comment: row.comment,
        active: row.seconds * 1000, raw: row.raw_seconds * 1000, seconds: row.seconds * 1000,
        raw_seconds: row.raw_seconds * 1000, neighbours: row.neighbours_opened, neighbours_opened: row.neighbours_opened,
        saw: row.shown_prediction, shown_prediction: row.shown_prediction,
      };
      const before = this.entries[key];
      if (before && newer(before, entry) === before) continue;
      this.entries[key] = entry;
      this.altered.add(key);
      taken += 1;
    }
    this.save();
    return taken;
  }
}

const LABELS = new Set([...CHOICES.map((choice) => choice.value), SKIP, WITHDRAWN]);
const isCount = (value) => Number.isFinite(value) && value >= 0;
// Date.parse alone accepts nearly any text with a number. The page writes toISOString().
const isTime = (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value) && !Number.isNaN(Date.parse(value));
const isSpan = (span) => Number.isInteger(span?.start) && Number.isInteger(span.end) && span.start >= 0 && span.end > span.start && typeof span.text === "string";

/** Whether a row has the form that this page writes: a file may be untrusted, and merged rows are stored. */
function isAnswer(row) {
  return LABELS.has(row.label) && [row.uid, row.annotator, row.labelled_at, row.comment].every((value) => typeof value === "string")
    && isTime(row.labelled_at) && Array.isArray(row.spans) && row.spans.every(isSpan)
    && [row.seconds, row.raw_seconds, row.repeat, row.revision].every(isCount) && Number.isInteger(row.revision)
    && [row.shown_prediction, row.neighbours_opened].every((value) => typeof value === "boolean");
}

const UIDS = new Set(DATA.items.map((item) => item.uid));

/** How many rows are of texts that this page does not have: they belong to another part of the batch. */
export const strangers = (rows) => rows.filter((row) => !UIDS.has(row.uid)).length;

/** Rows of a downloaded file for this batch; throws a readable message. */
export function parseRows(content) {
  const rows = [];
  for (const [i, line] of content.split("\n").entries()) {
    if (!line.trim()) continue;
    let row;
    try { row = JSON.parse(line); } catch { throw new Error(`Line ${i + 1} is cut off or damaged; nothing was loaded.`); }
    if (row?.schema_version !== 1) throw new Error(`Line ${i + 1} is not an answer of this version; nothing was loaded.`);
    if (row.batch_id !== DATA.batch_id) throw new Error(`This file belongs to batch ${row.batch_id}, the page to ${DATA.batch_id}; nothing was loaded.`);
    if (!isAnswer(row)) throw new Error(`Line ${i + 1} is not an answer that this page wrote; nothing was loaded.`);
    rows.push(row);
  }
  if (!rows.length) throw new Error("There are no answers in this file.");
  if (strangers(rows) === rows.length) throw new Error("This file has answers to other texts of this batch, of another part or person; nothing was loaded.");
  return rows;
}

/** Active time: not while hidden, paused, or idle for more than a minute. Raw time: from first sight on. */
export class Clock {
  constructor() { this.last = performance.now(); this.activity = this.last; this.paused = false; }
  wake() { this.activity = performance.now(); }
  /** Milliseconds since the last call as [active, raw]. */
  lap() {
    const now = performance.now(), span = now - this.last;
    const idleFrom = Math.max(this.last, this.activity + IDLE_MS);
    const active = document.hidden || this.paused ? 0 : Math.max(0, Math.min(now, idleFrom) - this.last);
    this.last = now;
    return [active, span];
  }
}

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length ? (sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2) : null;
};
