// What is told at the side: the line that is looked at, how many were found, selected and listed.

import { confidenceColour } from "./colours.js";
import { byId, count, counted } from "./dom.js";
import { pageOf, SECOND_PASS_OUTCOMES } from "./lines.js";

/** @typedef {import("./state.js").State} State */

/** @param {State} state */
export function showLine(state) {
  state.watch(["current", "lines"], () => {
    const { lines, values } = state;
    byId("line").hidden = values.current < 0 || !lines;
    if (lines && values.current >= 0) fill(state, lines, values.current);
  });
}

/**
 * @param {State} state
 * @param {import("./lines.js").Lines} lines
 * @param {number} line
 */
function fill({ about }, lines, line) {
  const page = about.pages[pageOf(about, line)];
  const [x0, y0, x1, y1] = lines.bounds(line).map(Math.round);
  const sure = lines.confidence(line);
  const texts = {
    "line-number": `Line ${count(line - (page?.first ?? 0) + 1)}`,
    "line-text": lines.text(line),
    "line-sure": sure.toFixed(4),
    "line-model": about.models[lines.model[line] ?? 0] || "unknown",
    "line-second-pass": SECOND_PASS_OUTCOMES[lines.secondPass[line] ?? 0] || "none",
    "line-place": `${x0}, ${y0} – ${x1}, ${y1}`,
  };
  for (const [id, text] of Object.entries(texts)) byId(id).textContent = text;
  Object.assign(byId("line-bar").style, { width: `${100 * sure}%`, background: confidenceColour(sure) });
}

/** @param {State} state */
export function showCounts(state) {
  byId("title").textContent = byId("title").title = state.about.title;
  state.watch(["selected", "hits", "shown", "page", "lines", "current"], () => {
    const { words, selected, current } = state.values;
    const listed = state.listed();
    byId("found").textContent = words ? place(listed.indexOf(current), listed.length) : "";
    byId("hit-buttons").hidden = !words || !listed.length;
    byId("listed").textContent = `${counted(listed.length, "line")} ${words ? "found" : "in reading order"}`;
    byId("chosen").textContent = selected.size ? `${count(selected.size)} selected` : `all ${count(listed.length)}`;
    byId("unselect").hidden = !selected.size;
  });
}

/**
 * @param {number} at - -1 = none of them
 * @param {number} all
 */
function place(at, all) {
  if (!all) return "no matches";
  return at < 0 ? count(all) : `${count(at + 1)} of ${count(all)}`;
}
