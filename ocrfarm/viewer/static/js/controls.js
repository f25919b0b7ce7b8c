// Buttons, keys and the pointer: each leads to something that the viewer does.

import { byId, element } from "./dom.js";
import { download } from "./export.js";
import { explain, listenForShortcuts } from "./shortcuts.js";
import { toggleLayer } from "./sidebar.js";
import { switchTheme } from "./theme.js";

const ZOOM = 1.6; // by a button or a key

/**
 * @typedef {import("./viewer.js").Viewer} Viewer
 * @typedef {import("./shortcuts.js").Key} Key
 */

/** @param {Viewer} viewer */
export function bindButtons(viewer) {
  const { state, imageView } = viewer;
  /** @type {Record<string, () => void>} */
  const actions = {
    "zoom-in": () => imageView.zoom(ZOOM),
    "zoom-out": () => imageView.zoom(1 / ZOOM),
    home: () => imageView.home(),
    turn: () => imageView.turn(),
    "tool-move": () => state.set({ tool: "move" }),
    "tool-text": () => state.set({ tool: "text" }),
    "previous-hit": () => viewer.step(-1),
    "next-hit": () => viewer.step(1),
    "previous-page": () => viewer.turnTo(state.values.page - 1),
    "next-page": () => viewer.turnTo(state.values.page + 1),
    "open-panel": togglePanel,
    "close-panel": togglePanel,
    theme: switchTheme,
    help,
    copy: () => viewer.copy(),
    unselect: () => state.set({ selected: new Set() }),
    "copy-line": () => viewer.copy([state.values.current]),
    "select-line": () => viewer.toggleCurrent(),
    "close-line": () => state.set({ current: -1 }),
  };
  for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-export]"))) {
    button.addEventListener("click", () => download(state, button.dataset.export ?? ""));
  }
  for (const tool of /** @type {const} */ (["move", "text"])) {
    state.watch(["tool"], () => byId(`tool-${tool}`).setAttribute("aria-pressed", String(state.values.tool === tool)));
  }
  bindSearch(viewer);
  bindPages(viewer);
}

/** @param {Viewer} viewer */
function bindSearch({ state }) {
  const search = /** @type {HTMLInputElement} */ (byId("search"));
  search.addEventListener("input", () => state.set({ words: search.value }));
  state.watch(["words"], () => {
    if (search.value !== state.values.words) search.value = state.values.words;
  });
}

/** @param {Viewer} viewer */
function bindPages(viewer) {
  const { state } = viewer;
  const pages = /** @type {HTMLSelectElement} */ (byId("pages"));
  byId("paging").hidden = state.about.pages.length < 2;
  pages.replaceChildren(...state.about.pages.map((page, at) => new Option(page.name, String(at))));
  pages.addEventListener("change", () => viewer.turnTo(Number(pages.value)));
  state.watch(["page"], () => {
    pages.value = String(state.values.page);
  });
}

/** @param {Viewer} viewer */
export function bindKeys(viewer) {
  const { state, imageView } = viewer;
  const search = /** @type {HTMLInputElement} */ (byId("search"));
  /** @type {Key[]} */
  const keys = [
    key("/", "search", () => search.select()),
    key("Enter n", "next match; with Shift, the previous one", (event) => viewer.step(event.shiftKey ? -1 : 1)),
    key("N", "previous match", () => viewer.step(-1)),
    key("j k", "next line, previous line", ({ key }) => viewer.step(key === "j" ? 1 : -1)),
    { ...key("← → ↑ ↓", "move the image", (event) => arrow(viewer, event)), keys: Object.keys(ARROWS) },
    {
      ...key("+ -", "zoom in, zoom out", ({ key }) => imageView.zoom("+=".includes(key) ? ZOOM : 1 / ZOOM)),
      keys: ["+", "=", "-", "_"],
    },
    key("0", "the whole page", () => imageView.home()),
    key("r", "rotate the page by 90 degrees", () => imageView.turn()),
    key("PageUp PageDown", "previous page, next page", ({ key }) =>
      viewer.turnTo(state.values.page + (key === "PageUp" ? -1 : 1)),
    ),
    key("t", "select text, or move the image", () =>
      state.set({ tool: state.values.tool === "text" ? "move" : "text" }),
    ),
    key("s", "select or deselect the current line", () => viewer.toggleCurrent()),
    key("a", "select all lines of the list", () => state.set({ selected: new Set(state.listed()) })),
    key("c", "copy what is selected", () => viewer.copy()),
    key("b v", "boxes, text over the image", ({ key }) => toggleLayer(state, key === "b" ? "boxes" : "text")),
    key("l", "layers and colours", togglePanel),
    key("d", "dark or light", switchTheme),
    key("?", "this help", help),
    {
      ...key("Esc", "close the panel, clear the search and the selection", () => {
        search.blur();
        viewer.clear();
      }),
      keys: ["Escape"],
    },
  ];
  listenForShortcuts(keys);
  explain(keys, byId("key-list"));
}

/**
 * @param {string} shown
 * @param {string} does
 * @param {(event: KeyboardEvent) => void} run
 * @returns {Key}
 */
function key(shown, does, run) {
  return { keys: shown.split(" "), shown, does, run };
}

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Move the image, or in the list from line to line.
 * @param {Viewer} viewer
 * @param {KeyboardEvent} event
 */
function arrow(viewer, { key, target }) {
  const [x, y] = ARROWS[key] ?? [0, 0];
  if (target === byId("list") && y) viewer.step(y > 0 ? 1 : -1);
  else viewer.imageView.move(x, y);
}

function togglePanel() {
  byId("panel").toggleAttribute("hidden");
}

function help() {
  /** @type {HTMLDialogElement} */ (byId("keys")).showModal();
}

/**
 * @param {Viewer} viewer
 * @param {import("./overlay.js").Overlay} overlay
 */
export function bindPointer(viewer, overlay) {
  const { imageView, state } = viewer;
  const on = (/** @type {string} */ name, /** @type {(detail: any) => void} */ run) =>
    imageView.addEventListener(name, (event) => run(/** @type {CustomEvent} */ (event).detail));
  on("click", ({ at, more }) => {
    const line = overlay.lineAt(at);
    if (more && line >= 0) viewer.toggle([line]);
    else if (!more) state.set({ current: line });
  });
  on("box", ({ from, to, done }) => {
    const [[x0, y0], [x1, y1]] = [from, to];
    overlay.box = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
    if (done) {
      viewer.toggle(overlay.linesIn(overlay.box));
      overlay.box = null;
    }
    overlay.draw();
  });
  on("hover", (where) => {
    const line = where && !where.pressed ? overlay.lineAt(where.at) : -1;
    tip(state.values.tool === "move" && line >= 0 ? (state.lines?.text(line) ?? "") : "", where);
    overlay.hover(line);
    byId("image").classList.toggle("on-line", line >= 0);
  });
}

/**
 * Show a text beside the pointer, or none.
 * @param {string} text
 * @param {{x: number, y: number} | null} where
 */
function tip(text, where) {
  const shown = byId("tip");
  shown.hidden = !text || !where;
  if (!text || !where) return;
  shown.replaceChildren(element("span", "", text));
  const x = Math.min(where.x + 14, byId("stage").clientWidth - shown.offsetWidth - 8);
  const above = where.y + 18 + shown.offsetHeight > byId("stage").clientHeight;
  shown.style.transform = `translate(${x}px, ${above ? where.y - 12 - shown.offsetHeight : where.y + 18}px)`;
}
