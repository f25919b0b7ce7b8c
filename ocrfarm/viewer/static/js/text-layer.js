// The text of the lines in view as text: put over its place in the image, to be selected, copied or read.

const MIN_HEIGHT = 7; // pixels of the screen, of letters that can be selected
const MAX_LINES = 1200; // lines that can be selected at a time
const FONT = 20; // pixels, before a line's text is stretched over its place

const ruler = document.createElement("canvas").getContext("2d");

export class TextLayer {
  /**
   * @param {import("./state.js").State} state
   * @param {import("./image-view.js").ImageView} imageView
   * @param {import("./overlay.js").Overlay} overlay
   * @param {HTMLElement} element
   */
  constructor(state, imageView, overlay, element) {
    this.state = state;
    this.imageView = imageView;
    this.overlay = overlay;
    this.element = element;
    /** @type {Map<number, HTMLElement>} */
    this.spans = new Map();
    // What is pressed on a text selects it and moves no image.
    element.addEventListener("pointerdown", (event) => {
      if (event.target !== element) event.stopPropagation();
    });
    imageView.addEventListener("draw", () => this.#place());
    imageView.addEventListener("rest", () => this.#fill());
    state.watch(["page"], () => this.#empty());
    state.watch(["tool", "layers", "shown", "lines"], () => this.#fill());
  }

  /** Move all texts with the image. */
  #place() {
    const { a, b, dx, dy } = this.imageView.view;
    this.element.style.transform = `matrix(${a}, ${b}, ${-b}, ${a}, ${dx}, ${dy})`;
  }

  #empty() {
    this.spans.clear();
    this.element.replaceChildren();
  }

  /** Have the texts of the lines in view, and no others. */
  #fill() {
    const { tool, layers } = this.state.values;
    this.element.classList.toggle("readable", layers.has("text"));
    this.element.classList.toggle("selectable", tool === "text");
    const wanted = new Set(this.#wanted(tool === "text" || layers.has("text")));
    for (const [line, span] of this.spans) {
      if (wanted.has(line)) continue;
      span.remove();
      this.spans.delete(line);
    }
    for (const line of [...wanted].sort((one, other) => one - other)) if (!this.spans.has(line)) this.#add(line);
    if (this.imageView.osd.isOpen()) this.#place();
  }

  /** @param {boolean} on */
  #wanted(on) {
    const { lines } = this.state;
    if (!on || !lines || !this.imageView.osd.isOpen()) return [];
    const { a, b } = this.imageView.view;
    const least = MIN_HEIGHT / Math.hypot(a, b);
    const high = this.overlay.linesInView().filter((line) => lines.height(line) >= least);
    return high.length > MAX_LINES ? [] : high;
  }

  /** @param {number} line */
  #add(line) {
    const { lines } = this.state;
    if (!lines || !ruler) return;
    const text = lines.text(line);
    const span = document.createElement("span");
    span.textContent = `${text}\n`;
    span.dataset.line = String(line);
    ruler.font = `${FONT}px sans-serif`;
    const width = Math.max(ruler.measureText(text).width, 1);
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0, , , x3 = 0, y3 = 0] = lines.corners(line);
    const along = [(x1 - x0) / width, (y1 - y0) / width];
    const down = [(x3 - x0) / FONT, (y3 - y0) / FONT];
    span.style.transform = `matrix(${along.join()}, ${down.join()}, ${x0}, ${y0})`;
    span.style.width = `${width}px`;
    this.spans.set(line, span);
    this.element.append(span);
  }
}
