// The lines of all pages, as ocrfarm/viewer/binary_lines.py encodes them.

/** The names of `Line.second_pass`, in the order of their numbers. */
export const SECOND_PASS_OUTCOMES = ["", "confirmed", "corrected", "uncertain"];

const FORMAT = "ocrfarm-viewer/1"; // as ocrfarm/viewer/bundle.py writes it
const BYTES = 36; // of one line
const SURE = 10_000; // what a confidence of 1 is written as

/**
 * @typedef {object} Page
 * @property {string} name
 * @property {string} folder
 * @property {number} first - number of its first line among the lines of all pages
 * @property {number} lines
 * @property {number} width
 * @property {number} height
 * @property {[number, number][]} columns
 * @property {[number, number][]} rows
 * @property {Coverage} coverage
 *
 * @typedef {object} Coverage
 * @property {number} tiles
 * @property {number} blank
 * @property {number} read
 * @property {number} failed
 * @property {number} fraction_read
 * @property {number} second_pass_count
 * @property {string} tiling
 * @property {{box: [number, number, number, number], reason: string}[]} gaps
 *
 * @typedef {object} About
 * @property {string} title
 * @property {string[]} models
 * @property {number} lines
 * @property {Page[]} pages
 * @property {number} tile - pixels of the side of the images that a page is cut into
 * @property {number} overlap - pixels that neighbours share
 */

/** What was read, column by column: line i is the i-th of every array, and of `quads` the eight numbers from 8 i on. */
export class Lines {
  /**
   * @param {ArrayBuffer} packed
   * @param {string[]} texts
   */
  constructor(packed, texts) {
    const count = packed.byteLength / BYTES;
    this.count = count;
    this.texts = texts;
    this.quads = new Float32Array(packed, 0, 8 * count);
    this.sure = new Uint16Array(packed, 32 * count, count);
    this.model = new Uint8Array(packed, 34 * count, count);
    this.secondPass = new Uint8Array(packed, 35 * count, count);
  }

  /** @param {number} line */
  text(line) {
    return this.texts[line] ?? "";
  }

  /**
   * Return the confidence, 0..1.
   * @param {number} line
   */
  confidence(line) {
    return (this.sure[line] ?? 0) / SURE;
  }

  /**
   * Return the corners as eight numbers.
   * @param {number} line
   */
  corners(line) {
    return this.quads.subarray(8 * line, 8 * line + 8);
  }

  /**
   * Return the smallest upright box round the line: [x0, y0, x1, y1].
   * @param {number} line
   * @returns {[number, number, number, number]}
   */
  bounds(line) {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0, x2 = 0, y2 = 0, x3 = 0, y3 = 0] = this.corners(line);
    return [Math.min(x0, x1, x2, x3), Math.min(y0, y1, y2, y3), Math.max(x0, x1, x2, x3), Math.max(y0, y1, y2, y3)];
  }

  /**
   * Return the height of the letters, in page pixels.
   * @param {number} line
   */
  height(line) {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0, x2 = 0, y2 = 0, x3 = 0, y3 = 0] = this.corners(line);
    return (Math.hypot(x3 - x0, y3 - y0) + Math.hypot(x2 - x1, y2 - y1)) / 2;
  }
}

/**
 * Return the number of the page that a line stands on (0 = first).
 * @param {About} about
 * @param {number} line
 */
export function pageOf(about, line) {
  let low = 0;
  let high = about.pages.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((about.pages[middle]?.first ?? 0) <= line) low = middle;
    else high = middle;
  }
  return low;
}

/** @returns {Promise<About>} */
export async function loadAbout() {
  const about = await (await fetched("viewer.json")).json();
  if (about.format !== FORMAT) throw new Error(`viewer.json has the format ${about.format}, not ${FORMAT}`);
  return about;
}

export async function loadLines() {
  const [packed, texts] = await Promise.all([
    fetched("lines.bin").then((answer) => answer.arrayBuffer()),
    fetched("texts.json").then((answer) => answer.json()),
  ]);
  return new Lines(packed, texts);
}

/** @param {string} name */
async function fetched(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${answer.statusText}`);
  return answer;
}
