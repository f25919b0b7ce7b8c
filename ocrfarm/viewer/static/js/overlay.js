// What is drawn over the picture: the lines in view, what was found or selected, tiles, seams and gaps.

import { colourOf, palette } from "./colours.js";
import { farAway } from "./faraway.js";
import { Grid } from "./grid.js";
import * as layers from "./layers.js";

const MOST_MOVING = 2500; // lines that are drawn one by one in each frame of a motion
const MOST_RESTING = 12_000; // and when nothing moves
const MARKED = 2000; // hits that get a mark which is seen from afar
const OUTLINED = 5; // pixels of the screen from which letters' height on a line gets an outline
const FAR_ALPHA = 0x90;

/** @typedef {CanvasRenderingContext2D} Context */

export class Overlay {
  /**
   * @param {import("./state.js").State} state
   * @param {import("./picture.js").Picture} picture
   * @param {HTMLCanvasElement} canvas
   */
  constructor(state, picture, canvas) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser draws no pictures");
    this.state = state;
    this.picture = picture;
    this.canvas = canvas;
    this.context = context;
    /** @type {Grid | null} */
    this.grid = null;
    /** @type {ReturnType<typeof farAway> | null} */
    this.far = null;
    /** @type {Set<number>} */
    this.hits = new Set();
    this.hovered = -1;
    /** @type {[number, number, number, number] | null} */
    this.box = null;
    picture.addEventListener("draw", () => this.draw());
    picture.addEventListener("rest", () => this.draw());
    state.watch(["page", "lines"], () => this.#open());
    state.watch(["shown", "hits", "colour", "page", "lines"], () => this.#recolour());
    state.watch(["layers", "current", "selected"], () => this.draw());
  }

  /**
   * Give the shown line at a point of the page, the smallest where several are, or -1.
   * @param {[number, number]} at
   */
  lineAt([x, y]) {
    const { lines, shown } = this.state;
    let found = -1;
    this.grid?.each(x, y, x, y, (line) => {
      if (!lines || !shown[line] || !inside(lines.corners(line), x, y)) return;
      if (found < 0 || lines.height(line) < lines.height(found)) found = line;
    });
    return found;
  }

  /**
   * Give the shown lines whose middle lies in a box of the page.
   * @param {readonly [number, number, number, number]} box
   */
  linesIn([x0, y0, x1, y1]) {
    /** @type {number[]} */
    const found = [];
    const { lines, shown } = this.state;
    this.grid?.each(x0, y0, x1, y1, (line) => {
      if (!lines || !shown[line]) return;
      const [left, top, right, bottom] = lines.bounds(line);
      const [x, y] = [(left + right) / 2, (top + bottom) / 2];
      if (x0 <= x && x < x1 && y0 <= y && y < y1) found.push(line);
    });
    return found;
  }

  /** Give the shown lines that touch the window. */
  linesInView() {
    /** @type {number[]} */
    const found = [];
    this.grid?.each(...this.picture.seen, (line) => {
      if (this.state.shown[line]) found.push(line);
    });
    return found;
  }

  /**
   * Show which line is under the pointer.
   * @param {number} line - -1 = none
   */
  hover(line) {
    if (line === this.hovered) return;
    this.hovered = line;
    this.draw();
  }

  draw() {
    if (!this.picture.osd.isOpen()) return;
    this.#clear();
    const { context, picture } = this;
    const { view } = picture;
    const on = this.state.values.layers;
    if (on.has("seams")) layers.seams(context, view, this.state.page);
    if (on.has("tiles")) layers.tiles(context, view, this.state.page);
    if (on.has("gaps")) layers.gaps(context, view, this.state.page);
    if (this.state.lines && this.grid) this.#lines(view);
    if (this.box) layers.box(context, view, this.box);
  }

  #open() {
    const { lines, page } = this.state;
    this.hovered = -1;
    this.grid = lines && new Grid(lines, page);
  }

  #recolour() {
    const { lines, page } = this.state;
    const { colour, words } = this.state.values;
    this.hits = new Set(this.state.hits);
    const colours = palette(colour).map((each) => packed(each, words ? FAR_ALPHA / 3 : FAR_ALPHA));
    const found = packed(layers.HIT, 0xff);
    this.far =
      lines &&
      farAway(lines, page, (line) => {
        if (!this.state.shown[line]) return 0;
        return this.hits.has(line) ? found : (colours[colourOf(colour, lines, line)] ?? 0);
      });
    this.draw();
  }

  #clear() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = Math.min(devicePixelRatio, 2);
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== across || this.canvas.height !== down)
      Object.assign(this.canvas, { width: across, height: down });
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.clearRect(0, 0, across, down);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /** @param {import("./picture.js").View} view */
  #lines(view) {
    const { layers: on, words, current, selected } = this.state.values;
    const count = this.grid?.count(...this.picture.seen) ?? 0;
    const few = count <= (this.picture.moving ? MOST_MOVING : MOST_RESTING);
    const near = few ? this.linesInView() : [];
    if (on.has("boxes")) few ? this.#each(view, near) : this.#asPicture(view);
    if (few && on.has("looks")) layers.looks(this.context, view, this.state, near);
    if (words) this.#found(view, near, few);
    if (selected.size)
      layers.outline(
        this.context,
        view,
        this.state,
        few ? within(selected, near) : this.#some(selected),
        layers.SELECTED,
        0.22,
      );
    if (this.hovered >= 0) layers.outline(this.context, view, this.state, [this.hovered], layers.HOVERED, 0.12);
    if (current >= 0) layers.current(this.context, view, this.state, current);
  }

  /**
   * @param {import("./picture.js").View} view
   * @param {number[]} near
   */
  #each(view, near) {
    const { lines } = this.state;
    if (!lines) return;
    const { colour, words, layers: on } = this.state.values;
    const colours = palette(colour);
    const least = OUTLINED / Math.hypot(view.a, view.b);
    /** @type {[number[], number[]][]} */
    const buckets = colours.map(() => [[], []]);
    for (const line of near) buckets[colourOf(colour, lines, line)]?.[Number(lines.height(line) >= least)]?.push(line);
    const dim = words ? 0.35 : 1;
    buckets.forEach(([small, large], at) => {
      this.context.fillStyle = this.context.strokeStyle = colours[at] ?? "";
      this.#paint(view, small, dim * 0.55, 0);
      this.#paint(view, large, on.has("text") ? 0 : dim * 0.13, dim * 0.9);
    });
  }

  /**
   * Fill lines in the colour that is set, and draw them round.
   * @param {import("./picture.js").View} view
   * @param {number[]} some
   * @param {number} inside - how opaque
   * @param {number} around
   */
  #paint(view, some, inside, around) {
    const { context, state } = this;
    if (!some.length || !state.lines) return;
    context.beginPath();
    for (const line of some) layers.trace(context, view, state.lines.quads, 8 * line);
    context.lineWidth = 1;
    context.globalAlpha = inside;
    if (inside) context.fill();
    context.globalAlpha = around;
    if (around) context.stroke();
    context.globalAlpha = 1;
  }

  /**
   * Give lines of this page, few enough to be drawn one by one.
   * @param {Iterable<number>} lines
   */
  #some(lines) {
    const { first, lines: count } = this.state.page;
    return [...lines].filter((line) => first <= line && line < first + count).slice(0, MOST_MOVING);
  }

  /** @param {import("./picture.js").View} view */
  #asPicture(view) {
    if (!this.far) return;
    const { canvas, scale } = this.far;
    this.context.save();
    this.context.transform(view.a, view.b, -view.b, view.a, view.dx, view.dy);
    this.context.scale(1 / scale, 1 / scale);
    this.context.drawImage(canvas, 0, 0);
    this.context.restore();
  }

  /**
   * @param {import("./picture.js").View} view
   * @param {number[]} near
   * @param {boolean} few
   */
  #found(view, near, few) {
    if (few) layers.outline(this.context, view, this.state, within(this.hits, near), layers.HIT, 0.45);
    if (this.state.hits.length <= MARKED) layers.marks(this.context, view, this.state, this.state.hits);
  }
}

/**
 * @param {ReadonlySet<number>} some
 * @param {number[]} near
 */
function within(some, near) {
  return near.filter((line) => some.has(line));
}

/**
 * @param {Float32Array} corners
 * @param {number} x
 * @param {number} y
 */
function inside(corners, x, y) {
  let left = 0;
  for (let at = 0; at < 8; at += 2) {
    const [x0 = 0, y0 = 0] = [corners[at], corners[at + 1]];
    const [x1 = 0, y1 = 0] = [corners[(at + 2) % 8], corners[(at + 3) % 8]];
    left += Math.sign((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0));
  }
  return Math.abs(left) >= 3;
}

/**
 * Give a colour (#rrggbb) as a pixel of an ImageData.
 * @param {string} colour
 * @param {number} alpha
 */
function packed(colour, alpha) {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
