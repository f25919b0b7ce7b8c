// Which lines of a page lie in a box: a grid of cells, each with the lines that touch it.

const PER_CELL = 8; // lines, where they are spread evenly
const MAX_CELLS = 512; // along a side

/** The lines of one page by place. */
export class SpatialIndex {
  /**
   * @param {import("./lines.js").Lines} lines
   * @param {import("./lines.js").Page} page
   */
  constructor(lines, page) {
    const cells = Math.sqrt(page.lines / PER_CELL / (page.width * page.height));
    this.lines = lines;
    this.first = page.first;
    this.across = clamp(Math.ceil(page.width * cells), 1, MAX_CELLS);
    this.down = clamp(Math.ceil(page.height * cells), 1, MAX_CELLS);
    this.cellWidth = page.width / this.across;
    this.cellHeight = page.height / this.down;
    this.spans = this.#spans(page.lines);
    this.starts = this.#starts(page.lines);
    this.members = this.#members(page.lines);
  }

  /**
   * Call visit with each line that touches the box, once, in no order.
   * @param {number} x0
   * @param {number} y0
   * @param {number} x1
   * @param {number} y1
   * @param {(line: number) => void} visit
   */
  each(x0, y0, x1, y1, visit) {
    const [left, top, right, bottom] = [this.#col(x0), this.#row(y0), this.#col(x1), this.#row(y1)];
    for (let row = top; row <= bottom; row++) {
      for (let col = left; col <= right; col++) {
        const cell = row * this.across + col;
        for (let at = this.starts[cell] ?? 0; at < (this.starts[cell + 1] ?? 0); at++) {
          const line = this.members[at] ?? 0;
          // A line that touches several of these cells is visited in the first of them.
          const [home = 0, above = 0] = [this.spans[4 * line], this.spans[4 * line + 1]];
          if (Math.max(home, left) === col && Math.max(above, top) === row) visit(this.first + line);
        }
      }
    }
  }

  /**
   * Return how many lines touch the box, or a few more, without visiting them.
   * @param {number} x0
   * @param {number} y0
   * @param {number} x1
   * @param {number} y1
   */
  count(x0, y0, x1, y1) {
    const [left, right] = [this.#col(x0), this.#col(x1)];
    let found = 0;
    for (let row = this.#row(y0); row <= this.#row(y1); row++) {
      const start = row * this.across;
      found += (this.starts[start + right + 1] ?? 0) - (this.starts[start + left] ?? 0);
    }
    return found;
  }

  /** @param {number} x */
  #col(x) {
    return clamp(Math.floor(x / this.cellWidth), 0, this.across - 1);
  }

  /** @param {number} y */
  #row(y) {
    return clamp(Math.floor(y / this.cellHeight), 0, this.down - 1);
  }

  /**
   * Return for each line the first column and row of cells that it touches, and the last ones.
   * @param {number} count
   */
  #spans(count) {
    const spans = new Uint16Array(4 * count);
    for (let line = 0; line < count; line++) {
      const [x0, y0, x1, y1] = this.lines.bounds(this.first + line);
      spans.set([this.#col(x0), this.#row(y0), this.#col(x1), this.#row(y1)], 4 * line);
    }
    return spans;
  }

  /**
   * Return for each cell where its lines begin in `members`.
   * @param {number} count
   */
  #starts(count) {
    const starts = new Uint32Array(this.across * this.down + 1);
    this.#eachCell(count, (cell) => {
      starts[cell + 1] = (starts[cell + 1] ?? 0) + 1;
    });
    for (let cell = 1; cell < starts.length; cell++) starts[cell] = (starts[cell] ?? 0) + (starts[cell - 1] ?? 0);
    return starts;
  }

  /** @param {number} count */
  #members(count) {
    const next = this.starts.slice();
    const members = new Uint32Array(this.starts[this.starts.length - 1] ?? 0);
    this.#eachCell(count, (cell, line) => {
      const at = next[cell] ?? 0;
      members[at] = line;
      next[cell] = at + 1;
    });
    return members;
  }

  /**
   * @param {number} count
   * @param {(cell: number, line: number) => void} visit
   */
  #eachCell(count, visit) {
    for (let line = 0; line < count; line++) {
      const [left = 0, top = 0, right = 0, bottom = 0] = this.spans.subarray(4 * line, 4 * line + 4);
      for (let row = top; row <= bottom; row++) {
        for (let col = left; col <= right; col++) visit(row * this.across + col, line);
      }
    }
  }
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value));
}
