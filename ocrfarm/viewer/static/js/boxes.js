// The boxes of lines, each in its colour.

import { colourOf, palette } from "./colours.js";
import { trace } from "./layers.js";

const OUTLINED = 5; // pixels of the screen: lines with higher letters are drawn round, others filled
const DIM = 0.35; // how much is left of the others' colour where something is searched for

/**
 * Draw lines.
 * @param {import("./layers.js").Scene} scene
 * @param {number[]} some
 */
export function boxes(scene, some) {
  const { state, view } = scene;
  const { lines } = state;
  if (!lines) return;
  const { colour, words, layers } = state.values;
  const colours = palette(colour);
  const least = OUTLINED / Math.hypot(view.a, view.b);
  /** @type {[number[], number[]][]} */
  const buckets = colours.map(() => [[], []]);
  for (const line of some) buckets[colourOf(colour, lines, line)]?.[Number(lines.height(line) >= least)]?.push(line);
  const left = words ? DIM : 1;
  buckets.forEach(([small, large], at) => {
    scene.context.fillStyle = scene.context.strokeStyle = colours[at] ?? "";
    paint(scene, small, 0.55 * left, 0);
    paint(scene, large, layers.has("text") ? 0 : 0.13 * left, 0.9 * left);
  });
}

/**
 * Fill lines in the colour that is set, and draw them round.
 * @param {import("./layers.js").Scene} scene
 * @param {number[]} some
 * @param {number} inside - how opaque
 * @param {number} around
 */
function paint({ context, view, state }, some, inside, around) {
  if (!some.length || !state.lines) return;
  context.beginPath();
  for (const line of some) trace(context, view, state.lines.quads, 8 * line);
  context.lineWidth = 1;
  context.globalAlpha = inside;
  if (inside) context.fill();
  context.globalAlpha = around;
  if (around) context.stroke();
  context.globalAlpha = 1;
}
