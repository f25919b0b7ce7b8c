// What the colour of a line says: how sure it is, who read it, or what came of its second pass.

import { SECOND_PASS_OUTCOMES } from "./lines.js";
import { clamp } from "./spatial-index.js";

/** @typedef {"confidence" | "model" | "secondPass"} Scheme */

const STEPS = 16;
const DOUBTFUL = 0.5; // most wrong readings lie below 0.8, most right ones above 0.95

/** Red, amber, teal: told apart by those who confuse red and green, too. */
const RAMP = [
  [200, 30, 45],
  [235, 150, 0],
  [0, 125, 120],
];

const MODELS = ["#00757a", "#8f3fb5", "#c2571a", "#2860c9", "#5a7a10", "#b5306f", "#6b5b4a", "#33475b"];
const SECOND_PASS_COLOURS = ["#7b8794", "#00757a", "#8f3fb5", "#e08600"];

const SURE = Array.from({ length: STEPS }, (_, step) => mixed(step / (STEPS - 1)));

/** @param {number} share */
function mixed(share) {
  const at = share * (RAMP.length - 1);
  const low = RAMP[Math.floor(at)] ?? [];
  const high = RAMP[Math.ceil(at)] ?? [];
  const parts = low.map((value, band) => Math.round(value + ((high[band] ?? value) - value) * (at - Math.floor(at))));
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * Return the colours of a scheme; `colourOf` says which one is a line's.
 * @param {Scheme} scheme
 */
export function palette(scheme) {
  return { confidence: SURE, model: MODELS, secondPass: SECOND_PASS_COLOURS }[scheme];
}

/**
 * Return the place of a line's colour in the palette.
 * @param {Scheme} scheme
 * @param {import("./lines.js").Lines} lines
 * @param {number} line
 */
export function colourOf(scheme, lines, line) {
  if (scheme === "model") return (lines.model[line] ?? 0) % MODELS.length;
  if (scheme === "secondPass") return lines.secondPass[line] ?? 0;
  return confidenceStep(lines.confidence(line));
}

/** @param {number} confidence */
function confidenceStep(confidence) {
  return Math.round(clamp((confidence - DOUBTFUL) / (1 - DOUBTFUL), 0, 1) * (STEPS - 1));
}

/** @param {number} confidence */
export function confidenceColour(confidence) {
  return SURE[confidenceStep(confidence)] ?? "";
}

/**
 * Return what the legend of a scheme lists: colour and name.
 * @param {Scheme} scheme
 * @param {string[]} models
 * @returns {[string, string][]}
 */
export function legend(scheme, models) {
  if (scheme === "model") return models.map((name, at) => [MODELS[at % MODELS.length] ?? "", name || "unknown"]);
  if (scheme === "secondPass")
    return SECOND_PASS_OUTCOMES.map((name, at) => [SECOND_PASS_COLOURS[at] ?? "", name || "read once"]);
  return [0.5, 0.75, 1].map((at) => [confidenceColour(at), at === 0.5 ? "0.50 and less" : at.toFixed(2)]);
}
