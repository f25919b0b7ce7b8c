// What stands beside the image: choices of colours and layers, the slider with its histogram, what was read.

import { confidenceColour, legend } from "./colours.js";
import { byId, count, counted, element } from "./dom.js";

const BARS = 50;

/**
 * @param {import("./state.js").State} state
 * @param {(box: [number, number, number, number]) => void} onGap
 */
export function startSidebar(state, onGap) {
  checkboxes(state);
  schemes(state);
  slider(state);
  state.watch(["page"], () => showCoverage(state, onGap));
}

/** @param {import("./state.js").State} state */
function checkboxes(state) {
  const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("input[name=layer]"));
  for (const box of boxes) box.addEventListener("change", () => toggleLayer(state, box.value));
  state.watch(["layers"], () => {
    for (const box of boxes) box.checked = state.values.layers.has(box.value);
    byId("map").hidden = !state.values.layers.has("map");
  });
  state.watch(["page"], () => {
    for (const box of boxes) {
      box.disabled = ["tiles", "seams"].includes(box.value) && !state.page.columns.length;
      box.title = box.disabled ? "the result does not contain the tiling" : "";
    }
  });
}

/**
 * @param {import("./state.js").State} state
 * @param {string} name
 */
export function toggleLayer(state, name) {
  const layers = new Set(state.values.layers);
  if (!layers.delete(name)) layers.add(name);
  state.set({ layers });
}

/** @param {import("./state.js").State} state */
function schemes(state) {
  const choices = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("input[name=colour]"));
  for (const choice of choices) {
    choice.addEventListener("change", () =>
      state.set({ colour: /** @type {import("./colours.js").Scheme} */ (choice.value) }),
    );
  }
  state.watch(["colour", "hidden"], () => {
    for (const choice of choices) choice.checked = choice.value === state.values.colour;
    const rows = legend(state.values.colour, state.about.models).map(([colour, name], at) => {
      const row = element(state.values.colour === "model" ? "label" : "div", "legend");
      const dot = element("i", "dot");
      dot.style.background = colour;
      if (state.values.colour === "model") row.append(modelBox(state, at));
      row.append(dot, element("span", "", name));
      return row;
    });
    byId("legend").replaceChildren(...rows);
  });
}

/**
 * @param {import("./state.js").State} state
 * @param {number} model
 */
function modelBox(state, model) {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = !state.values.hidden.has(model);
  box.addEventListener("change", () => {
    const hidden = new Set(state.values.hidden);
    if (!hidden.delete(model)) hidden.add(model);
    state.set({ hidden });
  });
  return box;
}

/** @param {import("./state.js").State} state */
function slider(state) {
  const [low, high] = [byId("low"), byId("high")].map((each) => /** @type {HTMLInputElement} */ (each));
  if (!low || !high) return;
  const take = (/** @type {HTMLInputElement} */ moved) => {
    if (Number(low.value) > Number(high.value)) (moved === low ? high : low).value = moved.value;
    state.set({ low: Number(low.value) / 100, high: Number(high.value) / 100 });
  };
  for (const thumb of [low, high]) thumb.addEventListener("input", () => take(thumb));
  byId("range-all").addEventListener("click", () => state.set({ low: 0, high: 1, hidden: new Set() }));
  state.watch(["low", "high"], () => {
    low.value = String(Math.round(100 * state.values.low));
    high.value = String(Math.round(100 * state.values.high));
  });
  state.watch(["lines", "low", "high"], () => histogram(state));
  state.watch(["lines", "shown", "page"], () => {
    const { first, lines } = state.page;
    const shown = state.shown.subarray(first, first + lines).reduce((sum, each) => sum + each, 0);
    const { low: from, high: to } = state.values;
    const all = shown === lines;
    byId("range").textContent = all
      ? `all ${counted(lines, "line")}`
      : `${count(shown)} of ${counted(lines, "line")}, ${from.toFixed(2)} to ${to.toFixed(2)}`;
    byId("range-all").hidden = all;
  });
}

/** @param {import("./state.js").State} state */
function histogram({ lines, values: { low, high } }) {
  const bars = new Array(BARS).fill(0);
  for (let line = 0; lines && line < lines.count; line++)
    bars[Math.min(BARS - 1, Math.floor(lines.confidence(line) * BARS))]++;
  const most = Math.log1p(Math.max(1, ...bars)); // a few doubtful lines beside thousands of sure ones are to be seen
  const drawn = bars.map((value, at) => {
    const bar = element("i", "");
    const middle = (at + 0.5) / BARS;
    bar.style.height = `${(100 * Math.log1p(value)) / most}%`;
    bar.style.background = confidenceColour(middle);
    bar.classList.toggle("out", middle < low || middle > high);
    return bar;
  });
  byId("histogram").replaceChildren(...drawn);
}

/**
 * Tell what of the page was read.
 * @param {import("./state.js").State} state
 * @param {(box: [number, number, number, number]) => void} onGap
 */
function showCoverage({ page }, onGap) {
  const { coverage } = page;
  const rows = [
    ["Size", `${count(page.width)} × ${count(page.height)} px`],
    ["Lines", count(page.lines)],
    [
      "Tiles",
      `${count(coverage.tiles)}: ${count(coverage.read)} read, ${count(coverage.blank)} blank, ${count(coverage.failed)} failed`,
    ],
    ["Read", `${(100 * coverage.fraction_read).toFixed(2)} % of the page`],
    ["Second pass", count(coverage.second_pass_count)],
    ["Tiling", coverage.tiling || "unknown"],
  ];
  byId("facts").replaceChildren(
    ...rows.flatMap(([name = "", value = ""]) => [element("dt", "", name), element("dd", "", value)]),
  );
  const gaps = coverage.gaps.map((gap) => {
    const button = element("button", "gap", gap.reason);
    button.addEventListener("click", () => onGap(gap.box));
    return button;
  });
  byId("gaps").replaceChildren(...gaps);
  byId("missing").hidden = !gaps.length;
}
