// Keys, buttons and timers: user actions and their effects.
import { $, say } from "../../../page/dom.js";
import { downloadRows } from "../../../page/download.js";
import { store, stored } from "../../../page/stored.js";
import { WordCursor, joined, selectedSpan } from "./marks.js";
import { CHOICES, Clock, DATA, SKIP, Session, parseRows, storeKey, strangers } from "./state.js";
import { ASKS_ANEW, drawEnd, fileStem } from "./summary.js";
import { banner, drawAnswers, drawBlur, drawCard, drawHelp, drawMarks, drawProgress, drawRule, only, reachable } from "./view.js";

const settings = { advance: DATA.mode !== "reveal", blur: DATA.blur, keys: true, ...(stored("vos-label:settings") ?? {}) };
if (DATA.mode === "reveal") settings.advance = false;
let session = null, clock = null, cursor = null, shown = false, inARow = 0;

function show() {
  if (session.at >= session.slots.length) {
    only("end");
    drawEnd(session);
    $("end-title").focus();
    return;
  }
  only("work");
  cursor = null;
  shown = !settings.blur;
  drawCard(session, !shown);
  if (!session.kept) banner("This browser does not keep answers for local files. Download often, and before you close the page.");
  scrollTo(0, 0);
  $("card").focus({ preventScroll: true });
}

function lap() {
  if (!session || $("work").hidden) { clock?.lap(); return; }
  const [active, raw] = clock.lap();
  session.entry.active += active;
  session.entry.raw += raw;
}

/** Record activity. The time until now is counted first, as timers stop while the computer sleeps. */
function wake() {
  lap();
  clock?.wake();
}

/** Move by some texts; what was just saved is not saved again, as saving is slow for thousands of texts. */
function go(step, isKept = false) {
  lap();
  session.at = Math.min(session.slots.length, Math.max(0, session.at + step));
  if (!isKept) session.save();
  show();
}

/** Go to the next text without an answer, from here and then from the start; to the end if there is none. */
function goOn(isKept = false) {
  const free = (slot) => session.answerOf(slot) === (session.reviewing ? SKIP : null);
  let to = session.slots.findIndex((slot, i) => i > session.at && free(slot));
  if (to < 0 && !session.reviewing) to = session.slots.findIndex(free);
  if (to < 0) session.reviewing = false;
  go((to < 0 ? session.slots.length : to) - session.at, isKept);
}

function choose(value) {
  lap();
  takeComment();
  session.answer(value);
  const title = CHOICES.find((c) => c.value === value)?.title ?? "Skipped";
  say(`${title}. ${session.answered} of ${session.slots.length} answered.`);
  inARow += 1;
  banner(inARow % DATA.break_every === 0 ? `${inARow} answers in a row. A short break keeps the judgement fresh: press p to pause.` : "");
  const stay = !settings.advance || (value !== SKIP && DATA.mode === "reveal");
  if (stay) { drawCard(session, !shown); $("card").focus({ preventScroll: true }); } else goOn(true);
}

function takeComment() {
  if ($("work").hidden) return;
  const comment = $("comment").value;
  if (comment !== session.entry.comment) session.edit({ comment });
}

function mark() {
  const span = selectedSpan($("text"));
  if (span) {
    session.edit({ spans: joined(session.entry.spans, span, session.item.text) });
    getSelection().removeAllRanges();
    drawMarks(session);
    say("Marked: " + span.text);
    return;
  }
  cursor = new WordCursor(session.item.text);
  if (!cursor.words.length) { cursor = null; return; }
  $("word-mode").textContent = "Choose words: ← → move, Shift extends, Enter marks, Esc leaves.";
  $("word-mode").hidden = false;
  drawMarks(session, cursor.span);
  $("card").focus({ preventScroll: true });
}

function wordKey(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const sign = getComputedStyle($("text")).direction === "rtl" ? -1 : 1;
  if (step) { drawMarks(session, cursor.move(step * sign, event.shiftKey)); say(cursor.span.text); }
  else if (event.key === "Enter" || event.key === "Escape") {
    if (event.key === "Enter") session.edit({ spans: joined(session.entry.spans, cursor.span, session.item.text) });
    say(event.key === "Enter" ? "Marked: " + cursor.span.text : "No mark.");
    cursor = null;
    $("word-mode").hidden = true;
    drawMarks(session);
  } else return false;
  return true;
}

function download() {
  lap();
  takeComment();
  downloadRows(fileStem(session.name), session.rows);
  session.downloaded = session.changes;
  session.save();
  drawProgress(session);
  if (!$("end").hidden) drawEnd(session);
  say(`${session.answered} answers downloaded.`);
}

async function load(file) {
  const report = (sentence) => { say(sentence); if (session) banner(sentence); else $("start-found").textContent = sentence; };
  try {
    const rows = parseRows(await file.text());
    const name = session?.name ?? (DATA.annotator || rows[0].annotator);
    if (rows.some((row) => row.annotator !== name)) throw new Error(`This file holds answers of ${rows[0].annotator}, not of ${name}; nothing was loaded.`);
    if (!session) begin(name);
    const taken = session.merge(rows);
    session.at = Math.max(0, session.slots.findIndex((slot) => !session.answerOf(slot)));
    if (session.answered === session.slots.length) session.at = session.slots.length;
    show();
    const strange = strangers(rows), elsewhere = strange ? `${strange} are of texts that are not on this page, ` : "";
    report(`${taken} of ${rows.length} answers loaded; ${elsewhere}the others are here already or newer.`);
  } catch (error) {
    // The browser refuses a file that was changed after it was chosen.
    report(error.name === "NotReadableError" ? "The file cannot be read, or it changed just now: choose it again; nothing was loaded." : error.message);
  }
}

function openDialog(id) {
  lap();
  clock.paused = true;
  $(id).showModal();
}

const DO = {
  pause: () => openDialog("paused"),
  guide: () => { openDialog("guide"); $(reachable($("guide-guidelines")) ? "guide-guidelines" : "guide-close").focus(); },
  help: () => openDialog("help"),
  download,
  back: () => { takeComment(); go(-1); },
  next: () => { takeComment(); go(1); },
  undo: () => { takeComment(); lap(); if (session.undo()) { inARow = Math.max(0, inARow - 1); show(); say("Taken back."); } else say("Nothing to take back."); },
  mark,
  clear: () => { session.edit({ spans: [] }); drawMarks(session); $("card").focus({ preventScroll: true }); },
  comment: () => { $("comment-box").hidden = false; $("comment").focus(); },
  neighbours: () => {
    if ($("open-neighbours").hidden) return;
    $("neighbours").hidden = !$("neighbours").hidden;
    session.entry.neighbours = true;
    session.save();
  },
  blur: () => { shown = !shown; drawBlur(!shown); $("card").focus({ preventScroll: true }); },
  open: () => { session.at = session.slots.findIndex((slot) => !session.answerOf(slot)); show(); },
  skipped: () => { session.reviewing = true; session.at = session.slots.findIndex((slot) => session.answerOf(slot) === SKIP); show(); },
};

const KEYS = { g: "guide", p: "pause", "?": "help", ArrowLeft: "back", ArrowRight: "next", Backspace: "undo", s: "mark", c: "comment", n: "neighbours", b: "blur" };

function onKey(event) {
  wake();
  if (!session || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
  const typing = event.target.matches("input, textarea");
  if (typing) {
    if (event.key === "Escape") { takeComment(); $("card").focus({ preventScroll: true }); event.preventDefault(); }
    return;
  }
  if (!settings.keys || $("start").hidden === false) return;
  if ($("work").hidden) { if (event.key === "g") { DO.guide(); event.preventDefault(); } return; }
  if (cursor && wordKey(event)) { event.preventDefault(); return; }
  // A button reached with Tab keeps its own Space and Enter.
  const onButton = event.target.matches("button:focus-visible");
  // Where digits need Shift (French keyboards) the bare key counts as well.
  const digit = /^[0-9]$/.exec(event.key)?.[0] ?? (event.shiftKey ? null : /^(?:Digit|Numpad)([0-9])$/.exec(event.code)?.[1]);
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const choice = CHOICES.find((c) => c.key && c.key === (digit ?? key));
  if (choice) { if (!event.repeat) choose(choice.value); }
  else if (event.key === " " && !onButton) { if (!event.repeat) choose(SKIP); }
  else if (event.key === "Enter" && !onButton) { if (session.entry.answer) goOn(); }
  else if (KEYS[key] && !(event.repeat && key === "Backspace")) DO[KEYS[key]]();
  else return;
  event.preventDefault();
}

function begin(name) {
  session = new Session(name.trim());
  clock = new Clock();
  store("vos-label:name", session.name);
  session.save();
  $("work-title").textContent = DATA.title;
  drawAnswers(choose);
  drawHelp();
}

function onName() {
  const saved = stored(storeKey($("name").value.trim()));
  const done = saved ? Object.values(saved.entries).filter((entry) => entry.answer).length : 0;
  $("start-found").textContent = done ? `Welcome back: ${done} answers are here already.` : "";
  // Returning users have read the guidelines, and continue directly.
  $("start-guidelines").classList.toggle("scroll", done > 0);
  reachable($("start-guidelines"));
}

function bindSettings() {
  const boxes = { "set-advance": "advance", "set-blur": "blur", "set-keys": "keys", "start-blur": "blur" };
  const draw = () => Object.entries(boxes).forEach(([id, name]) => { $(id).checked = settings[name]; });
  for (const [id, name] of Object.entries(boxes)) {
    $(id).addEventListener("change", () => { settings[name] = $(id).checked; store("vos-label:settings", settings); draw(); });
  }
  $("set-advance").disabled = DATA.mode === "reveal";
  draw();
}

function bind() {
  document.addEventListener("keydown", onKey);
  for (const kind of ["pointerdown", "pointermove", "wheel", "touchstart"]) document.addEventListener(kind, wake, { passive: true });
  document.addEventListener("visibilitychange", () => { if (session) { wake(); session.save(); } });
  document.addEventListener("click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (name) DO[name]();
  });
  // Clicking a button must not clear the selection before it is read.
  document.querySelector("[data-do=mark]").addEventListener("pointerdown", (event) => event.preventDefault());
  for (const id of ["help", "paused", "guide"]) {
    $(id).addEventListener("close", () => { lap(); clock.paused = false; clock.wake(); inARow = id === "paused" ? 0 : inARow; show(); });
  }
  $("comment").addEventListener("change", takeComment);
  $("start-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!$("name").value.trim()) return;
    begin($("name").value);
    show();
    if (session.asksAnew) banner(ASKS_ANEW);
  });
  $("name").addEventListener("input", onName);
  for (const id of ["start-load", "help-load"]) $(id).addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => { const [file] = $("file").files; $("file").value = ""; $("help").close(); if (file) load(file); });
  addEventListener("storage", (event) => { if (session && event.key === storeKey(session.name) && event.newValue) { session.take(JSON.parse(event.newValue)); drawProgress(session); } });
  addEventListener("beforeunload", (event) => { if (session) { lap(); session.save(); if (session.unsaved > 0) event.preventDefault(); } });
  setInterval(lap, 1000);
}

$("start-title").textContent = DATA.title;
$("start-facts").textContent = `${DATA.items.length} texts, one at a time. There is no hurry, and you can stop and come back.`;
drawRule();
$("start-note").textContent = DATA.content_note;
$("name").value = DATA.annotator || (stored("vos-label:name") ?? "");
$("name").readOnly = Boolean(DATA.annotator);
bindSettings();
bind();
only("start");
onName();
