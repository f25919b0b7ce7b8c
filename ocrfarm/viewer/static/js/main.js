// The viewer: loads what was read and puts the parts together.

import { bindButtons, bindKeys, bindPointer } from "./controls.js";
import { showCounts, showLine } from "./details.js";
import { byId } from "./dom.js";
import { ImageView } from "./image-view.js";
import { loadAbout, loadLines } from "./lines.js";
import { List } from "./list.js";
import { Overlay } from "./overlay.js";
import { startSidebar } from "./sidebar.js";
import { State } from "./state.js";
import { TextLayer } from "./text-layer.js";
import { startTheme } from "./theme.js";
import { readUrlState, writeUrlState } from "./url-state.js";
import { Viewer } from "./viewer.js";

startTheme();
start().catch((/** @type {Error} */ error) => {
  byId("message").textContent =
    `This cannot be shown: ${error.message}. Open it through a web server, and check that all of its files exist.`;
  byId("message").hidden = false;
});

async function start() {
  const lines = loadLines(); // begins now, and is waited for when the image is on its way
  const state = new State(await loadAbout());
  const imageView = new ImageView(byId("image"), "map");
  const overlay = new Overlay(state, imageView);
  const viewer = new Viewer(state, imageView);
  new TextLayer(state, imageView, overlay, byId("texts"));
  new List(state, byId("list"), (line, more) => viewer.pick(line, more));
  startSidebar(state, (box) => imageView.flyTo(box, (box[3] - box[1]) / 8));
  showLine(state);
  showCounts(state);
  bindButtons(viewer);
  bindKeys(viewer);
  bindPointer(viewer, overlay);
  document.title = `${state.about.title} – ocrfarm`;
  await open(viewer, lines);
  Object.assign(globalThis, { viewer }); // for the console of the developer tools
}

/**
 * Show the image as soon as it is there, the lines when they are, and what the address asks for.
 * @param {Viewer} viewer
 * @param {Promise<import("./lines.js").Lines>} lines
 */
async function open(viewer, lines) {
  const { state, imageView } = viewer;
  const { page = 0, current = -1, words = "" } = readUrlState(state);
  state.set({ page });
  imageView.osd.addOnceHandler("tile-drawn", () => performance.mark("image drawn"));
  await viewer.showPage();
  state.take(await lines);
  performance.mark("lines drawn");
  state.set({ words });
  if (current >= 0) viewer.go(current, true);
  state.watch(["page", "current", "words"], () => writeUrlState(state));
  setTimeout(() => state.index?.prepare(), 300); // when the first page is there
}
