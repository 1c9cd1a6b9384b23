// Renders the session. Texts are inserted only as textContent.
import { $, element } from "../../../page/dom.js";
import { drawText } from "./marks.js";
import { CHOICES, DATA, SKIP, SKIP_TITLE, median, slotKey } from "./state.js";

export function banner(sentence) {
  $("banner").textContent = sentence;
  $("banner").hidden = !sentence;
}

export function minutes(ms) {
  const whole = Math.round(ms / 60000);
  return whole < 1 ? "less than a minute" : whole === 1 ? "about a minute" : `about ${whole} minutes`;
}

export function only(id) {
  for (const each of ["start", "work", "end"]) $(each).hidden = each !== id;
}

export function drawProgress(session) {
  const done = session.answered, all = session.slots.length;
  $("progress").max = all;
  $("progress").value = done;
  $("progress").textContent = `${done} of ${all}`;
  $("position").textContent = `${Math.min(session.at + 1, all)} of ${all}`;
  const times = session.slots.map((slot) => session.entries[slotKey(slot)]).filter((e) => e?.answer).map((e) => e.seconds);
  $("left").textContent = times.length < 5 ? `${done} answered` : `${done} answered, ${minutes(median(times) * (all - done))} left`;
  $("unsaved").textContent = session.unsaved > 0 ? ` (${session.unsaved})` : "";
}

export function drawAnswers(choose) {
  const make = (value, title, key) => {
    const button = element("button", title + " ", { type: "button", "data-answer": value, "aria-pressed": "false" });
    if (key) {
      button.setAttribute("aria-keyshortcuts", key === "space" ? "Space" : key);
      button.append(element("kbd", key, { "aria-hidden": "true" }));
    }
    button.addEventListener("click", () => choose(value));
    return button;
  };
  $("answers").replaceChildren(...CHOICES.map((c) => make(c.value, c.title, c.key)), make(SKIP, SKIP_TITLE, "space"));
  $("question").textContent = DATA.question;
}

export function drawHelp() {
  const keys = [
    ...CHOICES.filter((c) => c.key).map((c) => [c.key, c.title]), ["Space", SKIP_TITLE], ["Backspace", "Take the last answer back"],
    ["← →", "Back, next"], ["Enter", "Next text, when answers do not go on by themselves"],
    ["s", "Mark the selected words; without a selection, choose words with the arrows"], ["c", "Comment (Esc returns)"],
    ["g", "The question and its guidelines"], ["n", "Similar texts already judged"], ["b", "Blur or show the text"], ["p", "Pause"], ["?", "This help"],
  ];
  $("help-keys").replaceChildren(...keys.flatMap(([key, what]) => {
    const term = element("dt", "");
    term.append(element("kbd", key));
    return [term, element("dd", what)];
  }));
}

/** Show the question and its guidelines at the start, and with the key g. */
export function drawRule() {
  for (const place of ["start", "guide"]) {
    $(place + "-question").textContent = DATA.question;
    $(place + "-guidelines").textContent = DATA.guidelines;
    $(place + "-guidelines").hidden = !DATA.guidelines;
  }
}

/** Make a scrolling element reachable by keyboard; true if it scrolls. */
export function reachable(box) {
  const scrolls = box.scrollHeight > box.clientHeight;
  box.toggleAttribute("tabindex", false);
  if (scrolls) box.tabIndex = 0;
  return scrolls;
}

function drawSuggestion(session) {
  const { suggestion } = session.item, entry = session.entry;
  const show = Boolean(suggestion) && (DATA.mode === "assisted" || (DATA.mode === "reveal" && entry.answer !== null));
  $("suggestion").hidden = !show;
  if (!show) return;
  const title = CHOICES.find((c) => c.value === suggestion.label)?.title ?? suggestion.label;
  $("suggestion").textContent = `The model says: ${title} (${Math.round(100 * suggestion.probability)} %)`;
  entry.saw = true;
}

function drawNeighbours(session) {
  const { neighbours } = session.item;
  $("neighbours").hidden = true;
  $("open-neighbours").hidden = !neighbours?.length;
  $("neighbours").replaceChildren(...(neighbours ?? []).flatMap(({ label, text }) => [
    element("h3", "Judged " + (CHOICES.find((c) => c.value === label)?.title ?? label)), element("p", text, { dir: "auto" }),
  ]));
}

export function drawBlur(blurred) {
  $("text").classList.toggle("blurred", blurred);
  $("text").toggleAttribute("inert", blurred);
  $("unblur").hidden = !blurred;
  $("blur-tool").hidden = blurred;
}

export function drawMarks(session, cursor = null) {
  drawText($("text"), session.item.text, session.entry.spans, cursor);
  $("clear").hidden = session.entry.spans.length === 0;
}

/** Render the current text completely. */
export function drawCard(session, blurred) {
  const entry = session.entry;
  $("card-title").textContent = `Text ${session.at + 1} of ${session.slots.length}`;
  drawMarks(session);
  drawBlur(blurred);
  drawSuggestion(session);
  drawNeighbours(session);
  $("word-mode").hidden = true;
  $("comment").value = entry.comment;
  $("comment-box").hidden = !entry.comment;
  for (const button of $("answers").children) {
    button.setAttribute("aria-pressed", String(button.dataset.answer === entry.answer));
  }
  drawProgress(session);
}
