// What people do, and what comes of it.

import { byId, counted } from "./dom.js";
import { asText } from "./export.js";
import { pageOf } from "./lines.js";

const TOAST = 1500; // milliseconds

export class Viewer {
  /**
   * @param {import("./state.js").State} state
   * @param {import("./image-view.js").ImageView} imageView
   */
  constructor(state, imageView) {
    this.state = state;
    this.imageView = imageView;
  }

  showPage() {
    return this.imageView.show(this.state.page, this.state.about);
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
   * @param {boolean} [jump] - without the flight
   */
  async go(line, jump) {
    const { lines, about, values } = this.state;
    if (!lines) return;
    const page = pageOf(about, line);
    const other = page !== values.page;
    if (other) await this.turnTo(page);
    this.state.set({ current: line });
    this.imageView.flyTo(lines.bounds(line), lines.height(line), jump ?? (other || undefined));
  }

  /**
   * Take what was clicked in the list: look at it, or put it to what is selected, or away.
   * @param {number} line
   * @param {boolean} more
   */
  pick(line, more) {
    if (more) this.toggle([line]);
    else this.go(line);
  }

  /**
   * Look at the next line of the list, or the one before.
   * @param {1 | -1} step
   */
  step(step) {
    const listed = this.state.listed();
    if (!listed.length) return;
    const at = listed.indexOf(this.state.values.current);
    const first = step > 0 ? 0 : listed.length - 1;
    this.go(listed[at < 0 ? first : (at + step + listed.length) % listed.length] ?? 0);
  }

  /**
   * Select lines; a single one that is selected already is no longer.
   * @param {number[]} some
   */
  toggle(some) {
    const selected = new Set(this.state.values.selected);
    for (const line of some) if (some.length > 1 || !selected.delete(line)) selected.add(line);
    this.state.set({ selected });
  }

  /** Select the line that is looked at, or no longer. */
  toggleCurrent() {
    const { current } = this.state.values;
    if (current >= 0) this.toggle([current]);
  }

  /** Put away one thing: the panel, what is searched for, or what is selected. */
  clear() {
    const panel = byId("panel");
    if (!panel.hidden) panel.hidden = true;
    else if (this.state.values.words) this.state.set({ words: "" });
    else this.state.set({ selected: new Set(), current: -1 });
  }

  /**
   * Copy the text of lines.
   * @param {number[]} [some] - what is selected, or else listed
   */
  async copy(some = this.state.chosen()) {
    try {
      await navigator.clipboard.writeText(asText(this.state, some));
      toast(`copied ${counted(some.length, "line")}`);
    } catch {
      toast("the browser does not allow copying here; download the text instead");
    }
  }
}

/** @param {string} message */
function toast(message) {
  byId("toast").textContent = message;
  byId("toast").classList.add("seen");
  setTimeout(() => byId("toast").classList.remove("seen"), TOAST);
}
