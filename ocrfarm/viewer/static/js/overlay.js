// What is drawn over the image: the lines in view, what was found or selected, tiles, seams and gaps.

import { boxes } from "./boxes.js";
import { colourOf, palette } from "./colours.js";
import * as layers from "./layers.js";
import { OverviewLayer } from "./overview-layer.js";
import { SpatialIndex } from "./spatial-index.js";

const MAX_MOVING = 2500; // lines that are drawn one by one in each frame of a motion
const MAX_RESTING = 12_000; // and when nothing moves
const MARKED = 2000; // hits that get a mark which is seen from afar
const LATER = 150; // milliseconds after a change: the image for motions is made when typing has paused
const OVERVIEW_ALPHA = 0x90;

export class Overlay {
  /**
   * @param {import("./state.js").State} state
   * @param {import("./image-view.js").ImageView} imageView
   */
  constructor(state, imageView) {
    this.state = state;
    this.imageView = imageView;
    /** @type {SpatialIndex | null} */
    this.index = null;
    /** @type {OverviewLayer | null} */
    this.overview = null;
    this.stale = true;
    this.later = 0;
    this.hovered = -1;
    /** @type {[number, number, number, number] | null} */
    this.box = null;
    imageView.addEventListener("draw", () => this.#draw(imageView.context));
    imageView.addEventListener("rest", () => this.draw());
    state.watch(["page", "lines"], () => this.#open());
    state.watch(["shown", "hits", "colour", "page", "lines"], () => this.#recolour());
    state.watch(["layers", "current", "selected"], () => this.draw());
  }

  /**
   * Return the shown line at a point of the page, the smallest where several are, or -1.
   * @param {[number, number]} at
   */
  lineAt([x, y]) {
    const { lines, shown } = this.state;
    let found = -1;
    this.index?.each(x, y, x, y, (line) => {
      if (!lines || !shown[line] || !inside(lines.corners(line), x, y)) return;
      if (found < 0 || lines.height(line) < lines.height(found)) found = line;
    });
    return found;
  }

  /**
   * Return the shown lines whose middle lies in a box of the page.
   * @param {readonly [number, number, number, number]} box
   */
  linesIn([x0, y0, x1, y1]) {
    /** @type {number[]} */
    const found = [];
    const { lines, shown } = this.state;
    this.index?.each(x0, y0, x1, y1, (line) => {
      if (!lines || !shown[line]) return;
      const [left, top, right, bottom] = lines.bounds(line);
      const [x, y] = [(left + right) / 2, (top + bottom) / 2];
      if (x0 <= x && x < x1 && y0 <= y && y < y1) found.push(line);
    });
    return found;
  }

  /** Return the shown lines that touch the window. */
  linesInView() {
    /** @type {number[]} */
    const found = [];
    this.index?.each(...this.imageView.seen, (line) => {
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

  /** Draw anew with the next frame. */
  draw() {
    this.imageView.osd.forceRedraw();
  }

  /**
   * Draw on the image that was just drawn: a canvas of its own would cost as much time again.
   * @param {CanvasRenderingContext2D} context
   */
  #draw(context) {
    const { ratio, view } = this.imageView;
    const on = this.state.values.layers;
    const scene = { context, view, state: this.state };
    context.save();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (on.has("seams")) layers.seams(scene);
    if (on.has("tiles")) layers.tiles(scene);
    if (on.has("gaps")) layers.gaps(scene);
    if (this.index) this.#lines(scene);
    if (this.box) layers.box(scene, this.box);
    context.restore();
  }

  #open() {
    const { lines, page } = this.state;
    this.hovered = -1;
    this.index = lines && new SpatialIndex(lines, page);
    this.overview = null;
  }

  #recolour() {
    this.stale = true;
    clearTimeout(this.later);
    if (this.state.lines && this.state.page.lines > MAX_MOVING) this.later = setTimeout(() => this.#overview(), LATER);
    this.draw();
  }

  /** Return all lines of the page as one image, drawn when it is first needed or when there is time. */
  #overview() {
    const { lines, page, shown, isHit } = this.state;
    const { colour, words } = this.state.values;
    this.overview ??= new OverviewLayer(page);
    if (!lines || !this.stale) return this.overview;
    const colours = palette(colour).map((each) => packed(each, words ? OVERVIEW_ALPHA / 3 : OVERVIEW_ALPHA));
    const found = packed(layers.HIT, 0xff);
    this.overview.draw(lines, (line) => {
      if (!shown[line]) return 0;
      return isHit[line] ? found : (colours[colourOf(colour, lines, line)] ?? 0);
    });
    this.stale = false;
    return this.overview;
  }

  /** @param {layers.Scene} scene */
  #lines(scene) {
    const { layers: on } = this.state.values;
    const count = this.index?.count(...this.imageView.seen) ?? 0;
    const few = count <= (this.imageView.moving ? MAX_MOVING : MAX_RESTING);
    const near = few ? this.linesInView() : [];
    if (on.has("boxes") && few) boxes(scene, near);
    else if (on.has("boxes")) layers.whole(scene, this.#overview());
    if (on.has("secondPass")) layers.secondPass(scene, near);
    this.#chosen(scene, few ? near : null);
  }

  /**
   * Draw what was found, selected, pointed at and looked at.
   * @param {layers.Scene} scene
   * @param {number[] | null} near - the lines in view, or null where they are too many
   */
  #chosen(scene, near) {
    const { words, current, selected } = this.state.values;
    if (words && near)
      layers.highlight(
        scene,
        near.filter((line) => this.state.isHit[line]),
      );
    if (words && this.state.hits.length <= MARKED) layers.marks(scene, this.state.hits);
    const marked = near ? near.filter((line) => selected.has(line)) : this.#some(selected);
    if (selected.size) layers.outline(scene, marked, layers.SELECTED, 0.22);
    if (this.hovered >= 0) layers.outline(scene, [this.hovered], layers.HOVERED, 0.12);
    if (current >= 0) layers.current(scene, current);
  }

  /**
   * Return lines of this page, few enough to be drawn one by one.
   * @param {Iterable<number>} lines
   */
  #some(lines) {
    const { first, lines: count } = this.state.page;
    return [...lines].filter((line) => first <= line && line < first + count).slice(0, MAX_MOVING);
  }
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
 * Return a colour (#rrggbb) as a pixel of an ImageData.
 * @param {string} colour
 * @param {number} alpha
 */
function packed(colour, alpha) {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
