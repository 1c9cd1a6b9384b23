// The frame of the views: tabs, keys, header, and the order in which a change reaches the parts.
import { $, element } from "../../page/dom.js";
import { answer, openAnswered } from "./answers.js";
import { communities } from "./communities.js";
import { coverage } from "./coverage.js";
import { DATA, artefact, blind, n, run } from "./data.js";
import { differences } from "./differences.js";
import { directions } from "./directions.js";
import { dreams } from "./dreams.js";
import { checkHead, checksOf } from "./checks.js";
import { graphs } from "./graphs.js";
import { map } from "./map.js";
import { toggleVeil, updatePanel } from "./panel.js";
import { counted } from "./parts.js";
import { startQueue, step, updateQueue } from "./queue.js";
import { chosen, selected } from "./select.js";
import { shortcuts } from "./shortcuts.js";
import { clearFilters, followAddress, onChange, set, state } from "./state.js";
import { trust } from "./trust.js";
import { units } from "./units.js";
import { vocabulary } from "./vocabulary.js";

const VIEWS = [map, shortcuts, differences, coverage, units, communities, graphs, directions, vocabulary, dreams, trust];
const FILTERS = ["m", "d", "show", "only", "group", "q", "token", "piece", "unit", "cluster", "dir", "sort", "data"];
const drawn = new Set();
let list = [], part = "view";

const available = (view) => view.needs.some((name) => name === "texts" || artefact(name) !== null);

function header() {
  document.title = DATA.title;
  $("title").textContent = DATA.title;
  const facts = [run.name, `model ${run.model_hash.slice(0, 8)}`, counted(n, "text"), blind ? "blind" : ""];
  if (blind) $("veil").textContent = "Blur texts";
  $("facts").textContent = facts.filter(Boolean).join(" · ");
}

function tabs() {
  for (const view of VIEWS) {
    const checks = checksOf(view.needs), failed = checks.some((check) => !check.passed);
    const tab = element("button", view.title, { type: "button", role: "tab", id: "tab-" + view.name, "aria-controls": "view-" + view.name, "data-view": view.name });
    if (!available(view)) tab.classList.add("absent");
    else if (failed) tab.append(element("span", " ✕", { class: "tab-sign failed" }), element("span", " a check failed", { class: "sr" }));
    tab.addEventListener("click", () => { set({ view: view.name, tab: "" }); show("view"); });
    $("tabs").append(tab);
    const place = element("section", "", { role: "tabpanel", id: "view-" + view.name, class: "view", "aria-labelledby": tab.id, hidden: "" });
    $("view").append(place);
  }
  $("tabs").addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    nextView(by);
    $("tab-" + state.view).focus();
    event.preventDefault();
  });
}

function drawView(view) {
  const place = $("view-" + view.name), body = element("div", "", { class: "view-body" });
  place.append(element("h2", view.title), element("p", view.lead, { class: "lead" }));
  drawn.add(view);
  if (!available(view)) {
    const why = view.needs.map((name) => DATA.missing[name]).filter(Boolean);
    place.append(element("p", why.join(" ") || "This view was not made for this run.", { class: "notice" }));
    return;
  }
  const head = checkHead(view.name === "map" ? [] : view.needs, body);
  place.append(head, body);
  view.draw(body);
}

function nextView(by) {
  const at = VIEWS.findIndex((view) => view.name === state.view);
  set({ view: VIEWS[(at + by + VIEWS.length) % VIEWS.length].name, tab: "" });
}

function change(changed) {
  if (FILTERS.some((name) => changed.has(name))) list = selected(state);
  for (const view of VIEWS) {
    const current = view.name === state.view;
    $("view-" + view.name).hidden = !current;
    const tab = $("tab-" + view.name);
    tab.setAttribute("aria-selected", String(current));
    tab.tabIndex = current ? 0 : -1;
    if (!current) continue;
    const first = !drawn.has(view);
    if (first) drawView(view);
    if (changed.has("view")) { tab.scrollIntoView({ block: "nearest", inline: "nearest" }); $("view").scrollTop = 0; }
    if (available(view)) view.update(first ? new Set([...changed, "data", "view"]) : changed, list);
  }
  updateQueue(changed, list);
  updatePanel(changed);
  if (changed.has("text") && chosen(state) >= 0 || changed.has("outlier") && state.outlier !== null) show("panel");
  document.querySelector("[data-part=queue]").textContent = `List ${list.length.toLocaleString("en")}`;
}

/** On a narrow screen one part is shown at a time. */
function show(name) {
  part = name;
  for (const each of ["view", "queue", "panel"]) $(each).classList.toggle("front", each === part);
  for (const each of $("phone-bar").children) each.setAttribute("aria-pressed", String(each.dataset.part === part));
}

function veil() {
  const clear = document.body.classList.toggle("clear");
  $("veil").setAttribute("aria-pressed", String(!clear));
}

/** @type {Record<string, [string, () => void]>} */
const KEYS = {
  j: ["Next text", () => step(1)], k: ["Previous text", () => step(-1)], "/": ["Search in the texts", () => { show("queue"); $("search").focus(); }],
  "[": ["View to the left", () => nextView(-1)], "]": ["View to the right", () => nextView(1)],
  b: [blind ? "Blur texts, or show them" : "Blur harmful texts, or show them", veil], v: ["Show the chosen text alone", toggleVeil],
  Escape: ["Clear all filters", clearFilters], "?": ["This help", () => $("help").showModal()],
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.key === "Escape") { event.target.blur(); $("list").focus(); event.preventDefault(); }
    return;
  }
  const digit = /^[1-9]$/.exec(event.key)?.[0];
  if (blind && digit && chosen(state) >= 0) { if (!event.repeat) answer(chosen(state), Number(digit) - 1); } else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key][1]();
  else return;
  event.preventDefault();
}

function help() {
  const rows = Object.entries(KEYS).map(([key, [what]]) => [key === "Escape" ? "Esc" : key, what]);
  if (blind) rows.unshift(["1 2 …", "Answer the chosen text"]);
  rows.push(["↑ ↓ PgUp PgDn Home End", "In the list: choose a text"]);
  $("help-keys").append(...rows.flatMap(([key, what]) => {
    const term = element("dt");
    term.append(element("kbd", key));
    return [term, element("dd", what)];
  }));
}

header();
tabs();
help();
startQueue();
$("veil").addEventListener("click", veil);
$("open-help").addEventListener("click", () => $("help").showModal());
for (const each of $("phone-bar").children) each.addEventListener("click", () => show(each.dataset.part));
document.addEventListener("keydown", onKey);
onChange(change);
followAddress();
show("view");
openAnswered().then(() => { document.documentElement.dataset.ready = "1"; });
