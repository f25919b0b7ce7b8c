// The state of the viewer; each component listens for changes of the parts that it shows.

import { Index } from "./search.js";

/**
 * @typedef {object} Values
 * @property {number} page - 0 = first
 * @property {number} current - the line that is looked at, -1 = none
 * @property {import("./colours.js").Scheme} colour
 * @property {"move" | "text"} tool
 * @property {number} low - least confidence of the lines that are shown
 * @property {number} high - greatest
 * @property {ReadonlySet<number>} hidden - models whose lines are not shown
 * @property {ReadonlySet<string>} layers - names of the layers that are on
 * @property {string} words - what is searched for
 * @property {ReadonlySet<number>} selected
 */

export const LAYERS = /** @type {const} */ (["boxes", "text", "tiles", "seams", "secondPass", "gaps", "map"]);

export class State extends EventTarget {
  /** @type {number[] | null} - the lines of the page that are shown, computed at the first request */
  #inOrder = null;

  /** @param {import("./lines.js").About} about */
  constructor(about) {
    super();
    this.about = about;
    /** @type {import("./lines.js").Lines | null} */
    this.lines = null;
    /** @type {Values} */
    this.values = {
      page: 0,
      current: -1,
      colour: "confidence",
      tool: "move",
      low: 0,
      high: 1,
      hidden: new Set(),
      layers: new Set(["boxes", "gaps", "map"]),
      words: "",
      selected: new Set(),
    };
    /** @type {number[]} - lines that hold what is searched for and are shown */
    this.hits = [];
    /** 1 for each of them. */
    this.isHit = new Uint8Array(0);
    /** 1 for each line that the filters let through. */
    this.shown = new Uint8Array(0);
    /** @type {Index | null} */
    this.index = null;
  }

  get page() {
    const page = this.about.pages[this.values.page];
    if (!page) throw new Error(`there is no page ${this.values.page}`);
    return page;
  }

  /** @param {import("./lines.js").Lines} lines */
  take(lines) {
    this.lines = lines;
    this.index = new Index(lines.texts);
    this.#filter();
    this.#search();
    this.dispatchEvent(new CustomEvent("change", { detail: new Set(["lines", "shown", "hits"]) }));
  }

  /**
   * Change values and tell which; nothing happens where all stay as they are.
   * @param {Partial<Values>} values
   */
  set(values) {
    const changed = new Set(
      Object.keys(values).filter(
        (name) =>
          !Object.is(values[/** @type {keyof Values} */ (name)], this.values[/** @type {keyof Values} */ (name)]),
      ),
    );
    if (!changed.size) return;
    this.values = { ...this.values, ...values };
    if (changed.has("page")) this.#inOrder = null;
    const filtered = ["low", "high", "hidden"].some((name) => changed.has(name));
    if (filtered) {
      this.#filter();
      changed.add("shown");
    }
    if (filtered || changed.has("words")) {
      this.#search();
      changed.add("hits");
    }
    this.dispatchEvent(new CustomEvent("change", { detail: changed }));
  }

  /**
   * Call back after any of these values has changed, and once now.
   * @param {string[]} names
   * @param {() => void} listener
   */
  watch(names, listener) {
    this.addEventListener("change", (event) => {
      const changed = /** @type {CustomEvent<Set<string>>} */ (event).detail;
      if (names.some((name) => changed.has(name))) listener();
    });
    listener();
  }

  /** Return the lines that the list shows: what was found, or the page in reading order. */
  listed() {
    if (this.values.words) return this.hits;
    this.#inOrder ??= this.#pageInOrder();
    return this.#inOrder;
  }

  #pageInOrder() {
    const { first, lines } = this.page;
    const all = Array.from({ length: this.lines ? lines : 0 }, (_, at) => first + at);
    return all.filter((line) => this.shown[line]);
  }

  /** Return the lines that are exported: the selected ones, or without any those that the list shows. */
  chosen() {
    const { selected } = this.values;
    return selected.size ? [...selected].sort((one, other) => one - other) : this.listed();
  }

  #filter() {
    const { lines } = this;
    const { low, high, hidden } = this.values;
    this.#inOrder = null;
    this.shown = new Uint8Array(lines?.count ?? 0);
    for (let line = 0; lines && line < lines.count; line++) {
      const sure = lines.confidence(line);
      this.shown[line] = Number(sure >= low && sure <= high && !hidden.has(lines.model[line] ?? 0));
    }
  }

  #search() {
    this.hits = this.index?.find(this.values.words).filter((line) => this.shown[line]) ?? [];
    this.isHit = new Uint8Array(this.lines?.count ?? 0);
    for (const line of this.hits) this.isHit[line] = 1;
  }
}
