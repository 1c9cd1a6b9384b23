// The summary at the end: counts of the answers, and what to do with them.
import { $, element } from "../../../page/dom.js";
import { fileName } from "../../../page/download.js";
import { CHOICES, DATA, SKIP, median, slotKey } from "./state.js";
import { minutes } from "./view.js";

export const ASKS_ANEW = "The question or its guidelines have changed since your earlier answers: read them (key g), and look at those answers again.";

/** Name of the download without its ending. */
export const fileStem = (name) => `labels-${DATA.batch_id}-${DATA.part ? DATA.part + 1 + "-" : ""}${name}`;

/** How many of the texts that were shown twice got the same answer twice, as [alike, both answered]; skipped ones do not count. */
function repeatsAlike(session) {
  const judged = (slot) => { const answer = session.answerOf(slot); return answer === SKIP ? null : answer; };
  const pairs = session.slots.filter((slot) => slot.repeat).map((slot) => [judged({ ...slot, repeat: 0 }), judged(slot)]);
  const both = pairs.filter(([first, second]) => first && second);
  return [both.filter(([first, second]) => first === second).length, both.length];
}

function drawNumbers(session, count) {
  const times = session.slots.map((slot) => session.entries[slotKey(slot)]).filter((entry) => entry?.answer);
  const [alike, both] = repeatsAlike(session);
  const numbers = [
    ["Answered", session.answered - count(SKIP)], ["Skipped", count(SKIP)],
    ["Median seconds a text", times.length ? (median(times.map((entry) => entry.seconds)) / 1000).toFixed(1) : "–"],
    ["Same answer when asked twice", both ? `${alike} of ${both}` : "–"],
  ];
  $("end-numbers").replaceChildren(...numbers.map(([name, value]) => {
    const group = element("div");
    group.append(element("dt", name), element("dd", String(value)));
    return group;
  }));
}

function drawTable(count, all) {
  const body = element("tbody");
  for (const { title, value } of [...CHOICES, { title: "Skipped", value: SKIP }]) {
    const row = element("tr"), share = all ? count(value) / all : 0, bar = element("td", "", { class: "bar-cell", "aria-hidden": "true" });
    const meter = element("progress", "", { max: "1", value: String(share) });
    bar.append(meter);
    row.append(element("th", title, { scope: "row", dir: "auto" }), element("td", String(count(value))), element("td", `${Math.round(100 * share)} %`), bar);
    body.append(row);
  }
  $("end-table").replaceChildren($("end-table").caption, body);
}

export function drawEnd(session) {
  const count = (value) => session.slots.filter((slot) => session.answerOf(slot) === value).length;
  const total = session.slots.reduce((sum, slot) => sum + session.entryOf(slot).seconds, 0);
  const open = session.slots.length - session.answered, file = fileName(fileStem(session.name));
  $("end-title").textContent = open ? "Not finished yet" : "Done, thank you";
  $("end-facts").textContent = `${session.answered} of ${session.slots.length} done` + (open ? `, ${open} open` : "") + `; ${minutes(total)} in all.`
    + (session.asksAnew ? " " + ASKS_ANEW : "");
  drawNumbers(session, count);
  drawTable(count, session.answered);
  $("end-open").hidden = open === 0;
  $("end-skipped").hidden = count(SKIP) === 0;
  $("end-saved").textContent = session.unsaved > 0 ? "Your answers have not been downloaded yet." : "Your answers are downloaded. You may close this page.";
  $("end-file").textContent = file;
  // Hydra and the shell accept other characters only in quotes.
  $("end-command").textContent = DATA.import_command.replace("{FILE}", () => /^[\w.-]+$/.test(file) ? file : `'"${file}"'`);
}
