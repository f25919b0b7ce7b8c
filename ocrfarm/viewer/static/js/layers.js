// How each thing over the picture looks.

import { palette } from "./colours.js";

export const HIT = "#ffd400";
export const SELECTED = "#1f6fe5";
export const HOVERED = "#101820";
const CURRENT = "#e5007d";
const TILE = "rgba(20, 90, 200, 0.75)";
const SEAM = "rgba(60, 140, 255, 0.16)";
const MISSING = "rgba(210, 20, 40, 0.22)";
const MISSING_EDGE = "rgba(190, 10, 30, 0.95)";
const LABELLED = 60; // pixels of the screen from which something has room for its name
const MARK = 5; // pixels: how small a hit may get on the screen

/**
 * @typedef {CanvasRenderingContext2D} Context
 * @typedef {import("./picture.js").View} View
 * @typedef {import("./state.js").State} State
 * @typedef {import("./lines.js").Page} Page
 */

/**
 * Add four corners to the path.
 * @param {Context} context
 * @param {View} view
 * @param {ArrayLike<number>} numbers
 * @param {number} from
 */
export function trace(context, { a, b, dx, dy }, numbers, from) {
  for (let at = from; at < from + 8; at += 2) {
    const [x = 0, y = 0] = [numbers[at], numbers[at + 1]];
    if (at === from) context.moveTo(a * x - b * y + dx, b * x + a * y + dy);
    else context.lineTo(a * x - b * y + dx, b * x + a * y + dy);
  }
  const [x = 0, y = 0] = [numbers[from], numbers[from + 1]];
  context.lineTo(a * x - b * y + dx, b * x + a * y + dy); // closePath takes time that grows with the path
}

/**
 * @param {Context} context
 * @param {View} view
 * @param {readonly [number, number, number, number]} box
 */
function traceBox(context, view, [x0, y0, x1, y1]) {
  trace(context, view, [x0, y0, x1, y0, x1, y1, x0, y1], 0);
}

/**
 * @param {Context} context
 * @param {View} view
 * @param {State} state
 * @param {Iterable<number>} some
 * @param {string} colour
 * @param {number} alpha
 */
export function outline(context, view, state, some, colour, alpha) {
  context.beginPath();
  for (const line of some) if (state.lines) trace(context, view, state.lines.quads, 8 * line);
  context.fillStyle = context.strokeStyle = colour;
  context.globalAlpha = alpha;
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 1.5;
  context.stroke();
}

/**
 * Draw a frame round the line that is looked at; from afar, a ring where it is.
 * @param {Context} context
 * @param {View} view
 * @param {State} state
 * @param {number} line
 */
export function current(context, view, state, line) {
  const { lines, page } = state;
  if (!lines || line < page.first || line >= page.first + page.lines) return;
  context.beginPath();
  trace(context, view, lines.quads, 8 * line);
  context.strokeStyle = CURRENT;
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.stroke();
  const [x0, y0, x1, y1] = lines.bounds(line);
  const size = Math.hypot(view.a, view.b) * Math.max(x1 - x0, y1 - y0);
  if (size > 24) return;
  context.beginPath();
  const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
  context.arc(view.a * x - view.b * y + view.dx, view.b * x + view.a * y + view.dy, 12, 0, 2 * Math.PI);
  context.stroke();
}

/**
 * Mark lines that are too small to be seen.
 * @param {Context} context
 * @param {View} view
 * @param {State} state
 * @param {number[]} some
 */
export function marks(context, view, { lines, page }, some) {
  context.fillStyle = HIT;
  context.strokeStyle = "#3d3000";
  context.lineWidth = 1;
  const scale = Math.hypot(view.a, view.b);
  context.beginPath();
  for (const line of some) {
    if (!lines || line < page.first || line >= page.first + page.lines || lines.height(line) * scale > 2 * MARK)
      continue;
    const [x0, y0, x1, y1] = lines.bounds(line);
    const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
    context.rect(
      view.a * x - view.b * y + view.dx - MARK,
      view.b * x + view.a * y + view.dy - MARK,
      2 * MARK,
      2 * MARK,
    );
  }
  context.fill();
  context.stroke();
}

/**
 * Frame the lines that were read a second time, by what came of it.
 * @param {Context} context
 * @param {View} view
 * @param {State} state
 * @param {number[]} near
 */
export function looks(context, view, state, near) {
  const { lines } = state;
  if (!lines) return;
  context.lineWidth = 2.5;
  context.setLineDash([6, 4]);
  palette("look").forEach((colour, look) => {
    if (!look) return; // was not looked at again
    context.beginPath();
    for (const line of near) if (lines.look[line] === look) trace(context, view, lines.quads, 8 * line);
    context.strokeStyle = colour;
    context.stroke();
  });
  context.setLineDash([]);
}

/**
 * @param {Context} context
 * @param {View} view
 * @param {Page} page
 */
export function tiles(context, view, { columns, rows }) {
  context.beginPath();
  for (const [y0, y1] of rows) for (const [x0, x1] of columns) traceBox(context, view, [x0, y0, x1, y1]);
  context.strokeStyle = TILE;
  context.lineWidth = 1;
  context.stroke();
  for (const [row, [y0, y1]] of rows.entries()) {
    for (const [col, [x0, x1]] of columns.entries()) {
      label(context, view, [x0, y0, x1, y1], `row ${row}, column ${col}`, TILE);
    }
  }
}

/**
 * @param {Context} context
 * @param {View} view
 * @param {Page} page
 */
export function seams(context, view, { columns, rows, width, height }) {
  context.beginPath();
  for (const [from, to] of shared(columns)) traceBox(context, view, [from, 0, to, height]);
  for (const [from, to] of shared(rows)) traceBox(context, view, [0, from, width, to]);
  context.fillStyle = SEAM;
  context.fill();
}

/**
 * Give what neighbouring spans share.
 * @param {[number, number][]} spans
 */
function shared(spans) {
  return spans.slice(1).map(([start], at) => /** @type {const} */ ([start, spans[at]?.[1] ?? start]));
}

/**
 * @param {Context} context
 * @param {View} view
 * @param {Page} page
 */
export function gaps(context, view, { coverage }) {
  if (!coverage.gaps.length) return;
  context.beginPath();
  for (const { box: missing } of coverage.gaps) traceBox(context, view, missing);
  context.fillStyle = MISSING;
  context.fill();
  context.strokeStyle = MISSING_EDGE;
  context.lineWidth = 2;
  context.stroke();
  for (const { box: missing, reason } of coverage.gaps)
    label(context, view, missing, `not read: ${reason}`, MISSING_EDGE);
}

/**
 * @param {Context} context
 * @param {View} view
 * @param {readonly [number, number, number, number]} drawn
 */
export function box(context, view, drawn) {
  context.beginPath();
  traceBox(context, view, drawn);
  context.fillStyle = "rgba(31, 111, 229, 0.15)";
  context.fill();
  context.strokeStyle = SELECTED;
  context.lineWidth = 1.5;
  context.setLineDash([5, 3]);
  context.stroke();
  context.setLineDash([]);
}

/**
 * Write a name into the first corner of a box, where there is room for it.
 * @param {Context} context
 * @param {View} view
 * @param {readonly [number, number, number, number]} box
 * @param {string} name
 * @param {string} colour
 */
function label(context, view, [x0, y0, x1], name, colour) {
  if ((x1 - x0) * Math.hypot(view.a, view.b) < LABELLED) return;
  context.font = "12px system-ui, sans-serif";
  const [x, y] = [view.a * x0 - view.b * y0 + view.dx + 6, view.b * x0 + view.a * y0 + view.dy + 16];
  context.lineWidth = 3;
  context.strokeStyle = "rgba(255, 255, 255, 0.85)";
  context.strokeText(name, x, y);
  context.fillStyle = colour;
  context.fillText(name, x, y);
}
