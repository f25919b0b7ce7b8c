// The list of lines: only the rows that can be seen exist.

import { confidenceColour } from "./colours.js";
import { element } from "./dom.js";
import { pageOf } from "./lines.js";
import { placeOf } from "./search.js";

const ROW = 30; // pixels, as in viewer.css
const SPARE = 10; // rows above and below the ones that are seen

export class List {
  /**
   * @param {import("./state.js").State} state
   * @param {HTMLElement} element - scrolls
   * @param {(line: number, more: boolean) => void} onPick
   */
  constructor(state, element, onPick) {
    this.state = state;
    this.element = element;
    this.rows = document.createElement("div");
    this.rows.className = "rows";
    element.append(this.rows);
    /** @type {number[]} */
    this.listed = [];
    element.addEventListener("scroll", () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(element);
    element.addEventListener("click", (event) => {
      const row = /** @type {HTMLElement} */ (event.target).closest("[data-line]");
      if (row instanceof HTMLElement)
        onPick(Number(row.dataset.line), event.shiftKey || event.ctrlKey || event.metaKey);
    });
    state.watch(["page", "lines", "hits", "shown"], () => this.#fill());
    state.watch(["current"], () => this.#reveal());
    state.watch(["selected"], () => this.#draw());
  }

  #fill() {
    this.listed = this.state.listed();
    this.rows.style.height = `${this.listed.length * ROW}px`;
    this.element.scrollTop = 0;
    this.#reveal();
  }

  /** Scroll to the line that is looked at, if it is listed. */
  #reveal() {
    const at = this.listed.indexOf(this.state.values.current);
    const { scrollTop, clientHeight } = this.element;
    if (at >= 0 && (at * ROW < scrollTop || (at + 1) * ROW > scrollTop + clientHeight)) {
      this.element.scrollTop = at * ROW - (clientHeight - ROW) / 2;
    }
    this.#draw();
  }

  #draw() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - SPARE);
    const last = Math.min(this.listed.length, Math.ceil((scrollTop + clientHeight) / ROW) + SPARE);
    this.rows.replaceChildren(...this.listed.slice(first, last).map((line, at) => this.#row(line, first + at)));
  }

  /**
   * @param {number} line
   * @param {number} at
   */
  #row(line, at) {
    const { lines, about } = this.state;
    const { current, selected, words } = this.state.values;
    const page = pageOf(about, line);
    const row = document.createElement("div");
    row.className = "row";
    row.dataset.line = String(line);
    row.style.top = `${at * ROW}px`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(selected.has(line)));
    row.classList.toggle("current", line === current);
    const dot = element("i", "dot");
    dot.style.background = confidenceColour(lines?.confidence(line) ?? 0);
    dot.title = `confidence ${(lines?.confidence(line) ?? 0).toFixed(2)}`;
    const number = element("span", "number", String(line - (about.pages[page]?.first ?? 0) + 1));
    const text = element("span", "text");
    text.append(...highlighted(lines?.text(line) ?? "", words));
    row.append(number, dot, text);
    if (words && about.pages.length > 1) row.append(element("span", "where", about.pages[page]?.name ?? ""));
    return row;
  }
}

/**
 * Return the text with the words in <mark>.
 * @param {string} text
 * @param {string} words
 * @returns {(string | HTMLElement)[]}
 */
export function highlighted(text, words) {
  const place = words ? placeOf(text, words) : null;
  if (!place) return [text];
  return [text.slice(0, place[0]), element("mark", "", text.slice(...place)), text.slice(place[1])];
}
