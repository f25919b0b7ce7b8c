// The image of a page: OpenSeadragon, and the way between pixels of the page and of the screen.

import { byId } from "./dom.js";

const LETTER_HEIGHT = 30; // pixels of the screen, of a line that is zoomed to
const MAX_SCALE = 4; // pixels of the screen for one of the page, of a line that is zoomed to
const MAX_WIDTH = 0.8; // of the window, of a line that is zoomed to
const EDGE = 0.03; // of the page, which may be hidden while the page counts as wholly visible
const STEP = 0.25; // of the window, for a move by a key

/**
 * From page to screen: x' = a x - b y + dx, y' = b x + a y + dy.
 * @typedef {{a: number, b: number, dx: number, dy: number}} View
 */

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Events: "draw" with each frame, "rest" when a motion has ended, "click", "hover", "box" (what was drawn with shift). */
export class ImageView extends EventTarget {
  /**
   * @param {HTMLElement} element
   * @param {string} map - id of the element that shows the page in small
   */
  constructor(element, map) {
    super();
    this.size = { width: 1, height: 1 };
    this.moving = false;
    this.osd = OpenSeadragon({
      element,
      drawer: "canvas", // the overlay draws on it, too; and WebGL takes half a second a frame where no GPU is
      showNavigationControl: false,
      showNavigator: true,
      navigatorId: map,
      navigatorMaintainSizeRatio: false,
      animationTime: still.matches ? 0 : 0.5,
      maxZoomPixelRatio: 6,
      minZoomImageRatio: 0.8,
      visibilityRatio: 0.2,
      zoomPerClick: 1,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      maxImageCacheCount: 300, // of 1 MB each
      imageLoaderLimit: 8,
    });
    this.osd.addHandler("canvas-key", (event) => {
      event.preventDefaultAction = true; // the keyboard is the viewer's own
    });
    this.osd.addHandler("update-viewport", () => this.dispatchEvent(new Event("draw")));
    this.osd.addHandler("resize", () => this.dispatchEvent(new Event("rest")));
    this.osd.addHandler("open", () => this.dispatchEvent(new Event("rest")));
    this.osd.addHandler("animation-start", () => {
      this.moving = true;
    });
    this.osd.addHandler("animation-finish", () => {
      this.moving = false;
      this.dispatchEvent(new Event("rest"));
    });
    this.addEventListener("rest", () => byId(map).classList.toggle("idle", this.whole));
    this.#pointer();
  }

  /** Return what the image is drawn on: its pixels are `ratio` times smaller than those of the page's styles. */
  get context() {
    const context = this.osd.drawer.canvas.getContext("2d");
    if (!context) throw new Error("this browser cannot draw images");
    return context;
  }

  get ratio() {
    return this.osd.drawer.canvas.width / this.osd.container.clientWidth;
  }

  /** Return whether the whole page is in the window. */
  get whole() {
    const [x0, y0, x1, y1] = this.seen;
    const [across, down] = [this.size.width * EDGE, this.size.height * EDGE];
    return x0 < across && y0 < down && x1 > this.size.width - across && y1 > this.size.height - down;
  }

  /**
   * Show a page; the promise is kept when it is there.
   * @param {import("./lines.js").Page} page
   * @param {import("./lines.js").About} about
   * @returns {Promise<void>}
   */
  show(page, about) {
    this.size = page;
    const source = {
      width: page.width,
      height: page.height,
      tileSize: about.tile,
      tileOverlap: about.overlap,
      getTileUrl: (/** @type {number} */ level, /** @type {number} */ x, /** @type {number} */ y) =>
        `${page.folder}image_files/${level}/${x}_${y}.jpg`,
      downloadTileStart,
      downloadTileAbort,
    };
    return new Promise((resolve) => {
      this.osd.addOnceHandler("open", () => resolve());
      this.osd.open({ tileSource: source });
    });
  }

  /** @returns {View} */
  get view() {
    const { viewport } = this.osd;
    const zero = viewport.pixelFromPoint(new OpenSeadragon.Point(0, 0), true);
    const one = viewport.pixelFromPoint(new OpenSeadragon.Point(1, 0), true);
    const { width } = this.size;
    return { a: (one.x - zero.x) / width, b: (one.y - zero.y) / width, dx: zero.x, dy: zero.y };
  }

  /** Return the page's box that is on the screen: [x0, y0, x1, y1], for a turned page the box round it. */
  get seen() {
    const { clientWidth: width, clientHeight: height } = this.osd.container;
    const { view } = this;
    const [x, y] = onPage(view, width / 2, height / 2);
    const square = 2 * (view.a * view.a + view.b * view.b);
    const [a, b] = [Math.abs(view.a) / square, Math.abs(view.b) / square];
    const [across, down] = [a * width + b * height, b * width + a * height]; // from the middle to the sides
    return /** @type {const} */ ([x - across, y - down, x + across, y + down]);
  }

  /**
   * Fly to a line so that its letters can be read.
   * @param {readonly [number, number, number, number]} bounds - of the line, in page pixels
   * @param {number} height - of its letters
   * @param {boolean} [jump] - without the flight
   */
  flyTo([x0, y0, x1, y1], height, jump = still.matches) {
    const { clientWidth, clientHeight } = this.osd.container;
    const fits = Math.min((MAX_WIDTH * clientWidth) / (x1 - x0), (MAX_WIDTH * clientHeight) / (y1 - y0));
    const { viewport } = this.osd;
    const least = clientWidth / viewport.getHomeBounds().width / this.size.width; // the whole page
    const scale = Math.max(least, Math.min(LETTER_HEIGHT / Math.max(height, 1), fits, MAX_SCALE));
    const [width, high] = [clientWidth / scale, clientHeight / scale];
    const [left, top] = [(x0 + x1 - width) / 2, (y0 + y1 - high) / 2];
    const unit = 1 / this.size.width;
    viewport.fitBounds(new OpenSeadragon.Rect(left * unit, top * unit, width * unit, high * unit), jump);
  }

  home() {
    this.osd.viewport.goHome(still.matches);
  }

  /** @param {number} factor */
  zoom(factor) {
    this.osd.viewport.zoomBy(factor);
    this.osd.viewport.applyConstraints();
  }

  /**
   * Move by shares of the window.
   * @param {number} x
   * @param {number} y
   */
  move(x, y) {
    const bounds = this.osd.viewport.getBounds();
    this.osd.viewport.panBy(new OpenSeadragon.Point(x * STEP * bounds.width, y * STEP * bounds.height));
    this.osd.viewport.applyConstraints();
  }

  turn() {
    this.osd.viewport.rotateBy(90);
  }

  #pointer() {
    /** @type {[number, number] | null} */
    let start = null;
    const here = (/** @type {OpenSeadragon.Point} */ at) => onPage(this.view, at.x, at.y);
    this.osd.addHandler("canvas-click", (event) => {
      const { shiftKey, ctrlKey, metaKey } = /** @type {MouseEvent} */ (event.originalEvent);
      if (event.quick) this.#tell("click", { at: here(event.position), more: shiftKey || ctrlKey || metaKey });
    });
    this.osd.addHandler("canvas-drag", (event) => {
      if (!event.shift && !start) return;
      event.preventDefaultAction = true;
      start ??= here(event.position.minus(event.delta));
      this.#tell("box", { from: start, to: here(event.position), done: false });
    });
    this.osd.addHandler("canvas-drag-end", (event) => {
      if (!start) return;
      event.preventDefaultAction = true;
      this.#tell("box", { from: start, to: here(event.position), done: true });
      start = null;
    });
    this.osd.canvas.addEventListener("pointermove", (event) => {
      const { left, top } = this.osd.canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - left, event.clientY - top];
      this.#tell("hover", { at: onPage(this.view, x, y), x, y, pressed: event.buttons !== 0 });
    });
    this.osd.canvas.addEventListener("pointerleave", () => this.#tell("hover", null));
  }

  /**
   * @param {string} name
   * @param {unknown} detail
   */
  #tell(name, detail) {
    if (this.osd.isOpen()) this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/**
 * Fetch and decode a tile beside the main thread, where each would cost a part of a frame.
 * @param {OpenSeadragon.ImageJob} job
 */
async function downloadTileStart(job) {
  const stop = new AbortController();
  job.userData.stop = stop;
  try {
    const answer = await fetch(job.src, { signal: stop.signal });
    if (!answer.ok) throw new Error(answer.statusText);
    job.finish(await createImageBitmap(await answer.blob()), /** @type {any} */ (null), "imageBitmap");
  } catch (error) {
    if (!stop.signal.aborted) job.fail(`${job.src}: ${error}`, /** @type {any} */ (null));
  }
}

/** @param {OpenSeadragon.ImageJob} job */
function downloadTileAbort(job) {
  job.userData.stop.abort();
}

/**
 * Return the page's pixel at a pixel of the screen.
 * @param {View} view
 * @param {number} x
 * @param {number} y
 * @returns {[number, number]}
 */
export function onPage({ a, b, dx, dy }, x, y) {
  const square = a * a + b * b;
  return [(a * (x - dx) + b * (y - dy)) / square, (a * (y - dy) - b * (x - dx)) / square];
}
