// The viewer: loads what was read and puts the parts together.

import { fromAddress, toAddress } from "./address.js";
import { confidenceColour } from "./colours.js";
import { asText, download } from "./export.js";
import { explain, listen } from "./keys.js";
import { loadAbout, loadLines, LOOKS, pageOf } from "./lines.js";
import { List } from "./list.js";
import { Overlay } from "./overlay.js";
import { byId, count, startPanel, toggleLayer } from "./panel.js";
import { Picture } from "./picture.js";
import { State } from "./state.js";
import { Texts } from "./texts.js";
import { startTheme, switchTheme } from "./theme.js";

startTheme();
start().catch((/** @type {Error} */ error) => {
  byId("message").textContent = `This viewer cannot be shown: ${error.message}. Open it through a web server, and see that all of its files are there.`;
  byId("message").hidden = false;
});

async function start() {
  const lines = loadLines(); // begins now, and is waited for when the picture is on its way
  const state = new State(await loadAbout());
  const picture = new Picture(byId("picture"), "map");
  const overlay = new Overlay(state, picture, /** @type {HTMLCanvasElement} */ (byId("overlay")));
  new Texts(state, picture, overlay, byId("texts"));
  const viewer = new Viewer(state, picture, overlay);
  new List(state, byId("list"), (line, more) => viewer.pick(line, more));
  startPanel(state, (box) => picture.flyTo(box, (box[3] - box[1]) / 8));
  viewer.start();
  const wanted = fromAddress(state);
  state.set({ page: wanted.page ?? 0 });
  picture.osd.addOnceHandler("tile-drawn", () => performance.mark("picture drawn"));
  await viewer.showPage();
  state.take(await lines);
  performance.mark("lines drawn");
  state.set({ words: wanted.words ?? "" });
  if (wanted.current !== undefined && wanted.current >= 0) viewer.go(wanted.current, true);
  state.watch(["page", "current", "words"], () => toAddress(state));
  setTimeout(() => state.index?.prepare(), 300); // when the first page is there
  Object.assign(globalThis, { viewer }); // for whoever looks under the bonnet
}

/** What people do, and what comes of it. */
class Viewer {
  /**
   * @param {State} state
   * @param {Picture} picture
   * @param {Overlay} overlay
   */
  constructor(state, picture, overlay) {
    this.state = state;
    this.picture = picture;
    this.overlay = overlay;
    this.search = /** @type {HTMLInputElement} */ (byId("search"));
    this.pages = /** @type {HTMLSelectElement} */ (byId("pages"));
  }

  start() {
    const { about } = this.state;
    document.title = `${about.title} – ocrfarm`;
    byId("title").textContent = about.title;
    byId("title").title = about.title;
    byId("paging").hidden = about.pages.length < 2;
    this.pages.replaceChildren(...about.pages.map((page, at) => new Option(page.name, String(at))));
    this.#buttons();
    this.#keys();
    this.#pointer();
    this.state.watch(["current", "lines"], () => this.#details());
    this.state.watch(["selected", "hits", "shown", "page", "lines", "current"], () => this.#counts());
    this.state.watch(["tool"], () => {
      byId("tool-move").setAttribute("aria-pressed", String(this.state.values.tool === "move"));
      byId("tool-text").setAttribute("aria-pressed", String(this.state.values.tool === "text"));
    });
    this.state.watch(["page"], () => {
      this.pages.value = String(this.state.values.page);
    });
    this.state.watch(["words"], () => {
      if (this.search.value !== this.state.values.words) this.search.value = this.state.values.words;
    });
  }

  showPage() {
    return this.picture.show(this.state.page);
  }

  /**
   * Turn to a page (0 = first), if there is one.
   * @param {number} page
   */
  async turnTo(page) {
    if (!this.state.about.pages[page] || page === this.state.values.page) return;
    this.state.set({ page, current: -1 });
    await this.showPage();
  }

  /**
   * Look at a line: turn to its page and fly there.
   * @param {number} line
   * @param {boolean} [jump]
   */
  async go(line, jump) {
    const { lines, about } = this.state;
    if (!lines) return;
    const page = pageOf(about, line);
    const other = page !== this.state.values.page;
    await this.turnTo(page);
    this.state.set({ current: line });
    this.picture.flyTo(lines.bounds(line), lines.height(line), jump ?? (other || undefined));
  }

  /**
   * Take what was clicked: look at it, or with more put it to what is selected, or away.
   * @param {number} line
   * @param {boolean} more
   */
  pick(line, more) {
    if (!more) this.go(line);
    else this.#toggle([line]);
  }

  /**
   * Look at the next line of the list, or the one before.
   * @param {1 | -1} step
   */
  step(step) {
    const listed = this.state.listed();
    if (!listed.length) return;
    const at = listed.indexOf(this.state.values.current);
    const next = at < 0 ? (step > 0 ? 0 : listed.length - 1) : (at + step + listed.length) % listed.length;
    this.go(listed[next] ?? 0);
  }

  /** @param {number[]} some */
  #toggle(some) {
    const selected = new Set(this.state.values.selected);
    for (const line of some) if (some.length > 1 || !selected.delete(line)) selected.add(line);
    this.state.set({ selected });
  }

  #clear() {
    const dialog = byId("panel");
    if (!dialog.hidden) dialog.hidden = true;
    else if (this.state.values.words) this.state.set({ words: "" });
    else this.state.set({ selected: new Set(), current: -1 });
    this.search.blur();
  }

  #buttons() {
    const { picture, state } = this;
    /** @type {Record<string, () => void>} */
    const actions = {
      "zoom-in": () => picture.zoom(1.6),
      "zoom-out": () => picture.zoom(1 / 1.6),
      home: () => picture.home(),
      turn: () => picture.turn(),
      "tool-move": () => state.set({ tool: "move" }),
      "tool-text": () => state.set({ tool: "text" }),
      "previous-hit": () => this.step(-1),
      "next-hit": () => this.step(1),
      "previous-page": () => this.turnTo(state.values.page - 1),
      "next-page": () => this.turnTo(state.values.page + 1),
      "open-panel": () => byId("panel").toggleAttribute("hidden"),
      "close-panel": () => byId("panel").toggleAttribute("hidden", true),
      theme: switchTheme,
      help: () => /** @type {HTMLDialogElement} */ (byId("keys")).showModal(),
      copy: () => this.#copy(),
      unselect: () => state.set({ selected: new Set() }),
      "copy-line": () => this.#copy([state.values.current]),
      "select-line": () => this.#toggle([state.values.current]),
      "close-line": () => state.set({ current: -1 }),
    };
    for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
    for (const button of document.querySelectorAll("[data-export]")) {
      button.addEventListener("click", () => download(state, /** @type {HTMLElement} */ (button).dataset.export ?? ""));
    }
    this.search.addEventListener("input", () => state.set({ words: this.search.value }));
    this.pages.addEventListener("change", () => this.turnTo(Number(this.pages.value)));
  }

  #keys() {
    const { picture, state } = this;
    /** @type {import("./keys.js").Key[]} */
    const keys = [
      { keys: ["/"], shown: "/", does: "search", run: () => (this.search.focus(), this.search.select()) },
      { keys: ["Enter", "n"], shown: "Enter n", does: "next line that was found; with Shift the one before", run: (event) => this.step(event.shiftKey ? -1 : 1) },
      { keys: ["N"], shown: "N", does: "the one before", run: () => this.step(-1) },
      { keys: ["j", "k"], shown: "j k", does: "next line, line before", run: ({ key }) => this.step(key === "j" ? 1 : -1) },
      { keys: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"], shown: "← → ↑ ↓", does: "move the picture", run: ({ key }) => picture.move(...arrow(key)) },
      { keys: ["+", "=", "-", "_"], shown: "+ -", does: "zoom in, zoom out", run: ({ key }) => picture.zoom("+=".includes(key) ? 1.6 : 1 / 1.6) },
      { keys: ["0", "Home"], shown: "0", does: "the whole page", run: () => picture.home() },
      { keys: ["r"], shown: "r", does: "turn the page by a quarter", run: () => picture.turn() },
      { keys: ["PageUp", "PageDown"], shown: "PageUp PageDown", does: "page before, next page", run: ({ key }) => this.turnTo(state.values.page + (key === "PageUp" ? -1 : 1)) },
      { keys: ["t"], shown: "t", does: "select text, or move the picture", run: () => state.set({ tool: state.values.tool === "text" ? "move" : "text" }) },
      { keys: ["s"], shown: "s", does: "select the line that is looked at, or no longer", run: () => state.values.current >= 0 && this.#toggle([state.values.current]) },
      { keys: ["a"], shown: "a", does: "select all lines of the list", run: () => state.set({ selected: new Set(state.listed()) }) },
      { keys: ["c"], shown: "c", does: "copy what is selected", run: () => this.#copy() },
      { keys: ["b", "v"], shown: "b v", does: "boxes, text over the picture", run: ({ key }) => toggleLayer(state, key === "b" ? "boxes" : "text") },
      { keys: ["l"], shown: "l", does: "layers and colours", run: () => byId("panel").toggleAttribute("hidden") },
      { keys: ["d"], shown: "d", does: "dark or light", run: switchTheme },
      { keys: ["?"], shown: "?", does: "this help", run: () => /** @type {HTMLDialogElement} */ (byId("keys")).showModal() },
      { keys: ["Escape"], shown: "Esc", does: "away with the panel, the search, what is selected", run: () => this.#clear() },
    ];
    listen(keys);
    explain(keys, byId("key-list"));
  }

  #pointer() {
    const { picture, overlay } = this;
    picture.addEventListener("click", (event) => {
      const { at, more } = /** @type {CustomEvent} */ (event).detail;
      const line = overlay.lineAt(at);
      if (line < 0) return this.state.set({ current: -1 });
      if (more) this.#toggle([line]);
      else this.state.set({ current: line });
    });
    picture.addEventListener("box", (event) => {
      const { from, to, done } = /** @type {CustomEvent} */ (event).detail;
      overlay.box = [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])];
      if (done) {
        this.#toggle(overlay.linesIn(overlay.box));
        overlay.box = null;
      }
      overlay.draw();
    });
    picture.addEventListener("hover", (event) => this.#hover(/** @type {CustomEvent} */ (event).detail));
  }

  /** @param {{at: [number, number], x: number, y: number, pressed: boolean} | null} where */
  #hover(where) {
    const { overlay, state } = this;
    const line = where && !where.pressed ? overlay.lineAt(where.at) : -1;
    const tip = byId("tip");
    tip.hidden = line < 0 || state.values.tool === "text";
    if (where && line >= 0 && state.lines) {
      tip.textContent = state.lines.text(line);
      tip.style.transform = `translate(${Math.min(where.x + 14, byId("stage").clientWidth - tip.offsetWidth - 8)}px, ${where.y + 18}px)`;
    }
    if (line === overlay.hovered) return;
    overlay.hovered = line;
    byId("picture").classList.toggle("on-line", line >= 0);
    overlay.draw();
  }

  /** Show the line that is looked at. */
  #details() {
    const { lines, about, values } = this.state;
    const line = values.current;
    byId("line").hidden = line < 0 || !lines;
    if (line < 0 || !lines) return;
    const page = about.pages[pageOf(about, line)];
    const [x0, y0, x1, y1] = lines.bounds(line).map(Math.round);
    const sure = lines.confidence(line);
    byId("line-number").textContent = `Line ${count(line - (page?.first ?? 0) + 1)}`;
    byId("line-text").textContent = lines.text(line);
    byId("line-sure").textContent = sure.toFixed(4);
    byId("line-bar").style.width = `${100 * sure}%`;
    byId("line-bar").style.background = confidenceColour(sure);
    byId("line-model").textContent = about.models[lines.model[line] ?? 0] || "not told";
    byId("line-look").textContent = LOOKS[lines.look[line] ?? 0] || "none";
    byId("line-place").textContent = `${x0}, ${y0} – ${x1}, ${y1}`;
  }

  #counts() {
    const { state } = this;
    const { words, selected } = state.values;
    const listed = state.listed().length;
    const at = state.listed().indexOf(state.values.current);
    byId("found").textContent = words ? (listed ? `${at < 0 ? "" : `${count(at + 1)} of `}${count(listed)}` : "nothing found") : "";
    byId("hit-buttons").hidden = !words || !listed;
    byId("listed").textContent = words ? `${count(listed)} ${listed === 1 ? "line" : "lines"} found` : `${count(listed)} lines in reading order`;
    byId("chosen").textContent = selected.size ? `${count(selected.size)} selected` : `all ${count(listed)} listed`;
    byId("unselect").hidden = !selected.size;
  }

  /** @param {number[]} [some] */
  async #copy(some = this.state.chosen()) {
    await navigator.clipboard.writeText(asText(this.state, some));
    const toast = byId("toast");
    toast.textContent = `copied ${count(some.length)} ${some.length === 1 ? "line" : "lines"}`;
    toast.classList.add("seen");
    setTimeout(() => toast.classList.remove("seen"), 1500);
  }
}

/**
 * @param {string} key
 * @returns {[number, number]}
 */
function arrow(key) {
  const steps = /** @type {Record<string, [number, number]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] });
  return steps[key] ?? [0, 0];
}
