// One text with everything that is known about it; or one virtual outlier and the real texts around it.
import { $, element } from "../../page/dom.js";
import { answerBox } from "./answers.js";
import { artefact, className, endOf, hasSides, isHarmful, isVeiled, targetName, texts, textsWithPiece, truth } from "./data.js";
import { checkLine } from "./checks.js";
import { sumName } from "./directions.js";
import { bar, button, counted, mark, num, percent, signed, textLine, textNode } from "./parts.js";
import { chosen } from "./select.js";
import { set, state, toggle } from "./state.js";
import { drawWords, spansOf, strongest } from "./words.js";

let shown = -1, unveiled = false, passage = null;

const failed = (name) => artefact(name)?.checks?.find((check) => !check.passed);

/** Show or hide only the chosen text. */
export function toggleVeil() { unveiled = !unveiled; drawPanel(); }

/** @param {Set<string>} changed */
export function updatePanel(changed) {
  if (!["text", "outlier", "data", "token", "dir", "unit", "cluster"].some((name) => changed.has(name))) return;
  if (changed.has("text")) { unveiled = false; passage = null; $("panel").scrollTop = 0; }
  drawPanel();
}

function drawPanel() {
  shown = chosen(state);
  const body = $("panel-body");
  $("panel").classList.toggle("unveiled", unveiled);
  if (state.outlier !== null && artefact("outliers")?.margin[state.outlier] !== undefined) body.replaceChildren(...outlier(state.outlier));
  else if (shown < 0) body.replaceChildren(element("p", state.text ? "The text of this address is not in the page." : "Choose a text: click a mark on the map or a line of the list, or press j.", { class: "empty muted" }));
  else body.replaceChildren(...about(shown));
}

function about(i) {
  if (texts.sealed[i]) return [card(i, []), ...answerBox(i)];
  const spans = spansOf(artefact("saliency")?.words[i] ?? null);
  return [card(i, spans), ...answerBox(i), ...flip(i), ...directions(i), ...passages(i), ...units(i), ...neighbours(i)].filter(Boolean);
}

function section(name, title, ...content) {
  const made = element("section", "", { class: "part" }), check = name ? failed(name) : null;
  made.append(element("h3", title));
  if (check) {
    const list = element("ul", "", { class: "view-checks" });
    list.append(checkLine(check));
    made.append(list);
    made.classList.add("greyed");
  }
  made.append(...content.filter(Boolean));
  return made;
}

function card(i, spans) {
  const made = element("article", "", { class: "card" }), veiled = isVeiled(i), head = element("p", "", { class: "card-head small" });
  head.append(mark(i), element("span", texts.sealed[i] ? " waits for your answer" : ` ${facts(i)}`));
  const text = element("div", "", { class: veiled ? "text a-text veiled" : "text a-text", dir: "auto", id: "the-text" });
  const check = failedPull(i);
  drawWords(text, texts.text[i], check ? [] : spans, passage);
  made.append(head, text);
  if (veiled) made.append(button(unveiled ? "Blur this text" : "Show this text", toggleVeil, { class: "quiet unveil" }));
  if (!texts.sealed[i]) made.append(numbers(i));
  if (spans.length && !check) made.append(pulls(i, spans));
  if (spans.length && check) made.append(element("p", "Words are not underlined: " + check.sentence, { class: "small notice" }));
  return made;
}

/** The failed check that prevents underlining a text's words; that of integrated gradients applies to texts read with them. */
function failedPull(i) {
  const { checks = [], method } = artefact("saliency") ?? { method: [] };
  return checks.find((check) => !check.passed && (method[i] === "integrated_gradients" || !check.name.startsWith("integrated gradients")));
}

function facts(i) {
  const parts = [texts.split[i]];
  parts.push(truth(i) < 0 ? "nobody has judged it" : `${texts.answer[i] >= 0 ? "people say" : "labelled"} ${className(truth(i))}`);
  if (truth(i) >= 0 && texts.prediction[i] >= 0 && truth(i) !== texts.prediction[i]) parts.push("the model errs");
  if (texts.batch[i]) parts.push("in the batch");
  return parts.filter(Boolean).join(" · ");
}

function numbers(i) {
  const made = element("dl", "", { class: "numbers" });
  const rows = [["model says", className(texts.prediction[i])], ["margin", signed(texts.margin[i])], ["distance", num(texts.distance[i], 3)]];
  if (hasSides) rows.splice(1, 0, ["harmful with", percent(texts.probability[i])]);
  for (const [column, values] of Object.entries(texts.columns)) if (values[i] != null) rows.push([column, String(values[i])]);
  made.append(...rows.map(([name, value]) => {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", value));
    return pair;
  }));
  return made;
}

function pulls(i, spans) {
  const made = element("p", "", { class: "small pulls" }), method = artefact("saliency").method[i];
  made.append(element("span", `Pull of a word (${method === "deletion" ? "margin with it minus without" : "integrated gradients"}): `, { class: "muted" }));
  made.append(...strongest(texts.text[i], spans, 4).map(([word, value]) => element("span", `${word} ${signed(value)}`, { class: `pull-word ${value > 0 ? "harm" : "safe"}${isVeiled(i) ? " a-text veiled" : ""}` })));
  return made;
}

function flip(i) {
  const flips = artefact("flips"), at = flips ? flips.index.indexOf(i) : -1;
  if (at < 0) return [];
  const found = flips.flip[at], beside = `A random change of one word flips ${percent(flips.random_rate)} of near texts; ${counted(flips.tried[at] ?? 0, "change was", "changes were")} tried here.`;
  if (!found) return [section("flips", "Gentlest flip", element("p", "No similar word takes this text across the boundary.", { class: "small" }), element("p", beside, { class: "small muted" }))];
  const points = [...texts.text[i]], line = element("p", "", { class: `flip-text a-text${isVeiled(i) ? " veiled" : ""}`, dir: "auto" });
  let at_ = 0;
  for (const edit of found.edits?.length ? [...found.edits].sort((a, b) => a.start - b.start) : [found]) {
    line.append(points.slice(at_, edit.start).join(""), element("del", points.slice(edit.start, edit.end).join("")), " ", element("ins", edit.word));
    at_ = edit.end;
  }
  line.append(points.slice(at_).join(""));
  const facts_ = `margin ${signed(texts.margin[i])} → ${signed(found.margin)}; the words are alike to ${num(found.similarity)}.`;
  return [section("flips", "Gentlest flip", line, element("p", facts_, { class: "small" }), element("p", beside, { class: "small muted" }))];
}

function directions(i) {
  const found = artefact("directions"), row = found?.parts[i];
  if (!row || row.every((part) => part == null)) return [];
  const most = Math.max(...row.map(Math.abs), Math.abs(found.residual[i] ?? 0), Math.abs(found.constant)), made = element("div", "", { class: "bars" });
  const line = (title, value, attributes, action) => {
    const each = action ? button("", action, attributes) : element("div", "", attributes);
    each.classList.add("bar-row");
    each.append(element("span", title, { class: "bar-name" }), bar(value, most), element("span", signed(value), { class: "num" }));
    return each;
  };
  row.forEach((part, k) => {
    const dir = endOf(i, k), end = found.cards[k]?.ends.find((each) => each.sign > 0 === dir.endsWith("+")), name = end?.named && end.words.length ? `${k} ${end.words.slice(0, 2).join(", ")}` : `direction ${k}`;
    made.append(line(name, part, { "aria-pressed": String(state.dir === dir) }, () => toggle("dir", dir)));
  });
  made.append(line("what is left over", found.residual[i], { class: "rest" }), line("the same for all", found.constant, { class: "rest" }));
  const total = row.reduce((sum, part) => sum + part, 0) + found.residual[i] + found.constant;
  return [section("directions", "Directions", made, element("p", `Together ${signed(total)}: ${sumName(found)}.`, { class: "small muted" }))];
}

function passages(i) {
  const graphs = artefact("token_graphs")?.graphs ?? [], rows = [];
  for (const [k, graph] of graphs.entries()) for (const example of graph.examples) if (example.i === i) rows.push([k, graph, example]);
  if (!rows.length) return [];
  const made = element("div", "", { class: "chips" });
  made.append(...rows.slice(0, 12).map(([k, graph, example]) => {
    const held = passage?.start === example.start && passage?.end === example.end;
    return button(targetName(graph.target), () => { passage = held ? null : example; set({ view: "graphs", tab: String(k) }); drawPanel(); }, { class: "chip", "aria-pressed": String(held) });
  }));
  return [section("token_graphs", "Token graphs that match a passage", made)];
}

function units(i) {
  const view = artefact("communities")?.views[0];
  if (!view) return [];
  const rows = view.groups.map((group) => [group, group.tokens.filter((each) => textsWithPiece(each.token)[i] === 1).map((each) => each.token)]).filter(([, tokens]) => tokens.length);
  if (!rows.length) return [];
  const made = element("div", "", { class: "chips" });
  made.append(...rows.map(([group, tokens]) => button(`${group.name || "community " + group.cluster}: ${tokens.slice(0, 4).join(", ")}`, () => toggle("cluster", `0.${group.cluster}`), { class: "chip", "aria-pressed": String(state.cluster === `0.${group.cluster}`) })));
  return [section("communities", "Communities of units that know its words", made)];
}

function neighbours(i) {
  const { neighbours: near, train } = texts, made = [];
  for (const [side, title] of hasSides ? [["harmful", "Nearest labelled harmful"], ["harmless", "Nearest labelled harmless"]] : [["harmful", "Nearest labelled"], ["harmless", "Nearest labelled"]]) {
    const list = near?.[side]?.[i] ?? [];
    if (!list.length) continue;
    const rows = element("ul", "", { class: "near-texts" });
    rows.append(...list.map((k) => {
      const item = element("li");
      item.append(textNode(train.text[k], isHarmful(train.label[k])), element("span", ` ${className(train.label[k])}`, { class: "small muted" }));
      return item;
    }));
    made.push(section("", title, rows));
  }
  return made;
}

function outlier(o) {
  const found = artefact("outliers"), list = element("div", "", { class: "text-lines" });
  found.nearest[o].forEach((i, k) => { if (texts.text[i] !== undefined) list.append(textLine(i, `${num(found.nearest_distance[o][k] / (found.tenth || 1))}×`)); });
  const head = element("article", "", { class: "card" });
  head.append(element("p", "◇ A virtual outlier: a point drawn for a class, with this margin and distance. No text belongs to it.", { class: "card-head" }));
  const made = element("dl", "", { class: "numbers" });
  for (const [name, value] of [["drawn for", className(found.class[o])], ["margin", signed(found.margin[o])], ["distance", num(found.distance[o], 4)]]) {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", value));
    made.append(pair);
  }
  head.append(made);
  const words = found.lens?.shown ? found.lens.words[o] ?? [] : [];
  const parts = [head, section("outliers", "Nearest real texts", list, element("p", "Distances as multiples of how far a real text's tenth neighbour lies.", { class: "small muted" }))];
  if (words.length) parts.push(section("outliers", "Words that such a text would hold", element("p", words.join(", "))));
  return parts;
}
