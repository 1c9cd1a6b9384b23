// The list of texts that pass all filters, and the filters themselves.
import { $, element } from "../../page/dom.js";
import { downloadRows } from "../../page/download.js";
import { START } from "./address.js";
import { artefact, endName, hasSides, isVeiled, n, run, shortUid, texts } from "./data.js";
import { counted, mark, num, options, signed, textNode } from "./parts.js";
import { ONLY_TITLES, ORDER_TITLES, chosen, communityOf } from "./select.js";
import { clearFilters, set, state } from "./state.js";

const ROW = 62, SPARE = 6, COLUMN_VALUES = 40;
let list = [], asked = 0;

const place = (i) => list.indexOf(i);

/** Active filters: their description, and the change that removes them. @returns {[string, Record<string, any>][]} */
export function filtersOf() {
  /** @type {[string, Record<string, any>][]} */
  const chips = [];
  const back = (...names) => Object.fromEntries(names.map((name) => [name, START[name]]));
  if (state.m) chips.push([`margin ${state.m.map((v) => num(v)).join(" to ")}`, back("m")]);
  if (state.d) chips.push([`distance ${state.d.map((v) => num(v, 3)).join(" to ")}`, back("d")]);
  if (state.only) chips.push([ONLY_TITLES[state.only], back("only")]);
  if (state.show.replace("v", "") !== "012") {
    const names = [["0", hasSides ? "harmless" : "judged"], ["1", "harmful"], ["2", "not judged"]].filter(([key]) => state.show.includes(key));
    chips.push([names.length ? `only ${names.map(([, name]) => name).join(", ")}` : "no texts shown", back("show")]);
  }
  if (state.group) chips.push([groupTitle(state.group), back("group")]);
  if (state.token) chips.push([`holds “${state.token}”`, back("token")]);
  if (state.piece) chips.push([`has the token “${state.piece}”`, back("piece")]);
  if (state.unit) chips.push([`has tokens of unit ${state.unit}`, back("unit")]);
  if (state.cluster) chips.push([`has tokens of ${communityOf(state.cluster)?.name || "community " + state.cluster}`, back("cluster")]);
  if (state.dir) chips.push([`pushed most by direction ${parseInt(state.dir, 10)}, ${endName(parseInt(state.dir, 10), state.dir.endsWith("+") ? 1 : -1)}`, back("dir")]);
  if (state.q) chips.push([`search “${state.q}”`, back("q")]);
  return chips;
}

function groupTitle(group) {
  const at = group.indexOf(":"), column = group.slice(0, at), value = group.slice(at + 1);
  if (column !== "cluster") return `${column}: ${value}`;
  return `topic: ${artefact("coverage")?.clusters.find((each) => each.id === Number(value))?.name ?? value}`;
}

function groupChoices() {
  const choices = [["", "All groups"]];
  const add = (column, values) => choices.push(...values.map((value) => [`${column}:${value}`, `${column}: ${value}`]));
  add("split", [...new Set(texts.split)].filter(Boolean).sort());
  for (const [column, values] of Object.entries(texts.columns)) {
    const found = [...new Set(values.filter((value) => value != null).map(String))].sort();
    if (found.length <= COLUMN_VALUES) add(column, found);
  }
  for (const each of artefact("coverage")?.clusters ?? []) choices.push([`cluster:${each.id}`, `topic: ${each.name}`]);
  return choices;
}

/** Build the list once. */
export function startQueue() {
  options($("sort"), Object.entries(ORDER_TITLES).filter(([key]) => hasSides || !key.startsWith("harm")), state.sort);
  options($("only"), Object.entries(ONLY_TITLES).filter(([key]) => hasSides || !["misses", "alarms"].includes(key)), state.only);
  options($("group"), groupChoices(), state.group);
  for (const name of ["sort", "only", "group"]) $(name).addEventListener("change", () => set({ [name]: $(name).value }));
  $("search").addEventListener("input", () => set({ q: $("search").value.slice(0, 200) }));
  $("list").addEventListener("scroll", soon, { passive: true });
  $("list").addEventListener("keydown", onKey);
  $("list").addEventListener("click", (event) => { const row = event.target.closest("[data-i]"); if (row) choose(Number(row.dataset.i)); });
  $("save-list").addEventListener("click", save);
  new ResizeObserver(soon).observe($("list"));
}

function save() {
  downloadRows(`texts-${run.name}`, list.map((i) => ({ uid: texts.uid[i], text: texts.text[i] })));
}

/** Choose a text. @param {number} i */
export function choose(i) { set({ text: shortUid(i), outlier: null }); }

/** Choose the text `by` positions further in the list. @param {number} by */
export function step(by) {
  if (!list.length) return;
  const at = place(chosen(state));
  choose(list[Math.max(0, Math.min(list.length - 1, at < 0 ? (by > 0 ? 0 : list.length - 1) : at + by))]);
}

function onKey(event) {
  const whole = Math.max(1, Math.floor($("list").clientHeight / ROW) - 1);
  const by = { ArrowDown: 1, ArrowUp: -1, PageDown: whole, PageUp: -whole, Home: -n, End: n }[event.key];
  if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "End" || event.key === "Home") choose(list[event.key === "End" ? list.length - 1 : 0]);
  else step(by);
  event.preventDefault();
}

function soon() {
  cancelAnimationFrame(asked);
  asked = requestAnimationFrame(rows);
}

function rows() {
  const holder = $("list"), first = Math.max(0, Math.floor(holder.scrollTop / ROW) - SPARE);
  const end = Math.min(list.length, Math.ceil((holder.scrollTop + holder.clientHeight) / ROW) + SPARE), at = chosen(state);
  $("rows").style.height = `${list.length * ROW}px`;
  $("rows").replaceChildren(...list.slice(first, end).map((i, k) => row(i, first + k, i === at)));
  if (document.getElementById("row-" + at)) holder.setAttribute("aria-activedescendant", "row-" + at);
  else holder.removeAttribute("aria-activedescendant");
}

function row(i, position, isChosen) {
  const made = element("div", "", {
    class: "list-row", role: "option", id: "row-" + i, "data-i": i, "aria-selected": String(isChosen), "aria-posinset": position + 1, "aria-setsize": list.length,
  });
  made.style.top = `${position * ROW}px`;
  const side = element("span", "", { class: "list-side" });
  side.append(element("span", texts.sealed[i] ? "?" : signed(texts.margin[i]), { class: "num" }));
  if (texts.batch[i]) side.append(element("span", "batch", { class: "tag" }));
  made.append(mark(i), textNode(texts.text[i], isVeiled(i)), side);
  return made;
}

/** Update the list. @param {Set<string>} changed @param {number[]} now */
export function updateQueue(changed, now) {
  const other = now !== list;
  list = now;
  for (const name of ["sort", "only", "group"]) if ($(name).value !== state[name]) $(name).value = state[name];
  if ($("search") !== document.activeElement) $("search").value = state.q;
  $("count").textContent = list.length === n ? counted(n, "text") : `${list.length.toLocaleString("en")} of ${counted(n, "text")}`;
  const chips = filtersOf();
  $("chips").replaceChildren(...chips.map(([title, change]) => {
    const chip = element("button", title + " ", { type: "button", class: "chip" });
    chip.append(element("span", "×", { "aria-hidden": "true" }), element("span", " remove", { class: "sr" }));
    chip.addEventListener("click", () => set(change));
    return chip;
  }));
  if (chips.length > 1) {
    const all = element("button", "Clear all", { type: "button", class: "chip quiet-chip" });
    all.addEventListener("click", clearFilters);
    $("chips").append(all);
  }
  const at = place(chosen(state));
  if (at >= 0 && (changed.has("text") || other)) into(at);
  else if (other && !changed.has("text")) $("list").scrollTop = 0;
  rows();
}

function into(at) {
  const holder = $("list"), top = at * ROW;
  $("rows").style.height = `${list.length * ROW}px`;
  if (top < holder.scrollTop) holder.scrollTop = top;
  else if (top + ROW > holder.scrollTop + holder.clientHeight) holder.scrollTop = top + ROW - holder.clientHeight;
}
