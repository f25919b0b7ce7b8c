// The viewer: loads what was read and puts the parts together.

import { fromAddress, toAddress } from "./address.js";
import { bindButtons, bindKeys, bindPointer } from "./controls.js";
import { showCounts, showLine } from "./details.js";
import { byId } from "./dom.js";
import { loadAbout, loadLines } from "./lines.js";
import { List } from "./list.js";
import { Overlay } from "./overlay.js";
import { startPanel } from "./panel.js";
import { Picture } from "./picture.js";
import { State } from "./state.js";
import { Texts } from "./texts.js";
import { startTheme } from "./theme.js";
import { Viewer } from "./viewer.js";

startTheme();
start().catch((/** @type {Error} */ error) => {
  byId("message").textContent =
    `This cannot be shown: ${error.message}. Open it through a web server, and see that all of its files are there.`;
  byId("message").hidden = false;
});

async function start() {
  const lines = loadLines(); // begins now, and is waited for when the picture is on its way
  const state = new State(await loadAbout());
  const picture = new Picture(byId("picture"), "map");
  const overlay = new Overlay(state, picture);
  const viewer = new Viewer(state, picture);
  new Texts(state, picture, overlay, byId("texts"));
  new List(state, byId("list"), (line, more) => viewer.pick(line, more));
  startPanel(state, (box) => picture.flyTo(box, (box[3] - box[1]) / 8));
  showLine(state);
  showCounts(state);
  bindButtons(viewer);
  bindKeys(viewer);
  bindPointer(viewer, overlay);
  document.title = `${state.about.title} – ocrfarm`;
  await open(viewer, lines);
  Object.assign(globalThis, { viewer }); // for whoever looks under the bonnet
}

/**
 * Show the picture as soon as it is there, the lines when they are, and what the address asks for.
 * @param {Viewer} viewer
 * @param {Promise<import("./lines.js").Lines>} lines
 */
async function open(viewer, lines) {
  const { state, picture } = viewer;
  const { page = 0, current = -1, words = "" } = fromAddress(state);
  state.set({ page });
  picture.osd.addOnceHandler("tile-drawn", () => performance.mark("picture drawn"));
  await viewer.showPage();
  state.take(await lines);
  performance.mark("lines drawn");
  state.set({ words });
  if (current >= 0) viewer.go(current, true);
  state.watch(["page", "current", "words"], () => toAddress(state));
  setTimeout(() => state.index?.prepare(), 300); // when the first page is there
}
