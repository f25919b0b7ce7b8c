// How each thing over the image looks.

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
const RINGED = 24; // pixels of the screen, of a line that gets a ring
const MARK = 5; // pixels: how small a hit may get on the screen

/**
 * @typedef {CanvasRenderingContext2D} Context
 * @typedef {import("./image-view.js").View} View
 * @typedef {readonly [number, number, number, number]} Box
 *
 * Where something is drawn, how the page lies there, and what there is to draw.
 * @typedef {{context: Context, view: View, state: import("./state.js").State}} Scene
 */

/**
 * Add four corners to the path.
 * @param {Context} context
 * @param {View} view
 * @param {ArrayLike<number>} numbers
 * @param {number} from
 */
export function trace(context, view, numbers, from) {
  for (let at = from; at < from + 8; at += 2) {
    const [x, y] = onScreen(view, numbers[at] ?? 0, numbers[at + 1] ?? 0);
    if (at === from) context.moveTo(x, y);
    else context.lineTo(x, y);
  }
  context.lineTo(...onScreen(view, numbers[from] ?? 0, numbers[from + 1] ?? 0)); // closePath slows down as a path grows
}

/**
 * @param {View} view
 * @param {number} x
 * @param {number} y
 * @returns {[number, number]}
 */
function onScreen({ a, b, dx, dy }, x, y) {
  return [a * x - b * y + dx, b * x + a * y + dy];
}

/**
 * @param {Scene} scene
 * @param {Box} box
 */
function traceBox({ context, view }, [x0, y0, x1, y1]) {
  trace(context, view, [x0, y0, x1, y0, x1, y1, x0, y1], 0);
}

/**
 * Draw all lines as one image.
 * @param {Scene} scene
 * @param {import("./overview-layer.js").OverviewLayer} overview
 */
export function whole({ context, view }, overview) {
  context.save();
  context.transform(view.a, view.b, -view.b, view.a, view.dx, view.dy);
  context.scale(1 / overview.scale, 1 / overview.scale);
  context.drawImage(overview.canvas, 0, 0);
  context.restore();
}

/**
 * @param {Scene} scene
 * @param {Iterable<number>} some
 * @param {string} colour
 * @param {number} alpha
 */
export function outline({ context, view, state }, some, colour, alpha) {
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
 * Colour lines as a marker does, which leaves ink dark.
 * @param {Scene} scene
 * @param {number[]} some
 */
export function highlight(scene, some) {
  scene.context.globalCompositeOperation = "multiply";
  outline(scene, some, HIT, 0.6);
  scene.context.globalCompositeOperation = "source-over";
}

/**
 * Draw a frame round the line that is looked at; from afar, a ring where it is.
 * @param {Scene} scene
 * @param {number} line
 */
export function current({ context, view, state: { lines, page } }, line) {
  if (!lines || line < page.first || line >= page.first + page.lines) return;
  context.beginPath();
  trace(context, view, lines.quads, 8 * line);
  context.strokeStyle = CURRENT;
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.stroke();
  const [x0, y0, x1, y1] = lines.bounds(line);
  if (Math.hypot(view.a, view.b) * Math.max(x1 - x0, y1 - y0) > RINGED) return;
  context.beginPath();
  context.arc(...onScreen(view, (x0 + x1) / 2, (y0 + y1) / 2), RINGED / 2, 0, 2 * Math.PI);
  context.stroke();
}

/**
 * Mark lines that are too small to be seen.
 * @param {Scene} scene
 * @param {number[]} some
 */
export function marks({ context, view, state: { lines, page } }, some) {
  context.fillStyle = HIT;
  context.strokeStyle = "#3d3000";
  context.lineWidth = 1;
  const scale = Math.hypot(view.a, view.b);
  context.beginPath();
  for (const line of some) {
    const here = page.first <= line && line < page.first + page.lines;
    if (!lines || !here || lines.height(line) * scale > 2 * MARK) continue;
    const [x0, y0, x1, y1] = lines.bounds(line);
    const [x, y] = onScreen(view, (x0 + x1) / 2, (y0 + y1) / 2);
    context.rect(x - MARK, y - MARK, 2 * MARK, 2 * MARK);
  }
  context.fill();
  context.stroke();
}

/**
 * Frame the lines that were read a second time, by what came of it.
 * @param {Scene} scene
 * @param {number[]} near
 */
export function secondPass({ context, view, state: { lines } }, near) {
  if (!lines) return;
  context.lineWidth = 2.5;
  context.setLineDash([6, 4]);
  palette("secondPass").forEach((colour, outcome) => {
    if (!outcome) return; // was not read again
    context.beginPath();
    for (const line of near) if (lines.secondPass[line] === outcome) trace(context, view, lines.quads, 8 * line);
    context.strokeStyle = colour;
    context.stroke();
  });
  context.setLineDash([]);
}

/** @param {Scene} scene */
export function tiles(scene) {
  const { context, state } = scene;
  const { columns, rows } = state.page;
  context.beginPath();
  for (const [y0, y1] of rows) for (const [x0, x1] of columns) traceBox(scene, [x0, y0, x1, y1]);
  context.strokeStyle = TILE;
  context.lineWidth = 1;
  context.stroke();
  for (const [row, [y0, y1]] of rows.entries()) {
    for (const [col, [x0, x1]] of columns.entries()) {
      label(scene, [x0, y0, x1, y1], `row ${row}, column ${col}`, TILE);
    }
  }
}

/** @param {Scene} scene */
export function seams(scene) {
  const { columns, rows, width, height } = scene.state.page;
  scene.context.beginPath();
  for (const [from, to] of shared(columns)) traceBox(scene, [from, 0, to, height]);
  for (const [from, to] of shared(rows)) traceBox(scene, [0, from, width, to]);
  scene.context.fillStyle = SEAM;
  scene.context.fill();
}

/**
 * Return what neighbouring spans share.
 * @param {[number, number][]} spans
 */
function shared(spans) {
  return spans.slice(1).map(([start], at) => /** @type {const} */ ([start, spans[at]?.[1] ?? start]));
}

/** @param {Scene} scene */
export function gaps(scene) {
  const { gaps: missing } = scene.state.page.coverage;
  const { context } = scene;
  context.beginPath();
  for (const gap of missing) traceBox(scene, gap.box);
  context.fillStyle = MISSING;
  context.fill();
  context.strokeStyle = MISSING_EDGE;
  context.lineWidth = 2;
  context.stroke();
  for (const gap of missing) label(scene, gap.box, `not read: ${gap.reason}`, MISSING_EDGE);
}

/**
 * Draw the selection box.
 * @param {Scene} scene
 * @param {Box} drawn
 */
export function box(scene, drawn) {
  const { context } = scene;
  context.beginPath();
  traceBox(scene, drawn);
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
 * @param {Scene} scene
 * @param {Box} box
 * @param {string} name
 * @param {string} colour
 */
function label({ context, view }, [x0, y0, x1], name, colour) {
  if ((x1 - x0) * Math.hypot(view.a, view.b) < LABELLED) return;
  context.font = "12px system-ui, sans-serif";
  const [x, y] = onScreen(view, x0, y0);
  context.lineWidth = 3;
  context.strokeStyle = "rgba(255, 255, 255, 0.85)";
  context.strokeText(name, x + 6, y + 16);
  context.fillStyle = colour;
  context.fillText(name, x + 6, y + 16);
}
