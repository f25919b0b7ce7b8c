// All lines of a page as one small image: what is drawn where so many are in view that none can be told apart.

const SIDE = 2048; // pixels of the longer side

/** @typedef {{pixels: Uint32Array, width: number, height: number}} Raster */

export class OverviewLayer {
  /**
   * Make room for a page; `canvas` covers it, `scale` times as large.
   * @param {import("./lines.js").Page} page
   */
  constructor(page) {
    this.scale = Math.min(1, SIDE / Math.max(page.width, page.height));
    this.canvas = document.createElement("canvas");
    this.canvas.width = Math.max(1, Math.ceil(page.width * this.scale));
    this.canvas.height = Math.max(1, Math.ceil(page.height * this.scale));
    this.image = new ImageData(this.canvas.width, this.canvas.height);
    this.raster = { pixels: new Uint32Array(this.image.data.buffer), ...size(this.canvas) };
    this.first = page.first;
    this.count = page.lines;
  }

  /**
   * Draw the lines of the page anew.
   * @param {import("./lines.js").Lines} lines
   * @param {(line: number) => number} colourOf - 0xAABBGGRR, 0 = not drawn
   */
  draw(lines, colourOf) {
    this.raster.pixels.fill(0);
    for (let line = this.first; line < this.first + this.count; line++) {
      const colour = colourOf(line);
      if (colour) stroke(this.raster, lines, line, this.scale, colour);
    }
    this.canvas.getContext("2d")?.putImageData(this.image, 0, 0);
  }
}

/** @param {HTMLCanvasElement} canvas */
function size({ width, height }) {
  return { width, height };
}

/**
 * Draw one line as squares along its middle, or as a box where it is upright.
 * @param {Raster} raster
 * @param {import("./lines.js").Lines} lines
 * @param {number} line
 * @param {number} scale
 * @param {number} colour
 */
function stroke(raster, lines, line, scale, colour) {
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0, x2 = 0, y2 = 0, x3 = 0, y3 = 0] = lines.corners(line);
  if (Math.abs(y1 - y0) * scale < 1 && Math.abs(x3 - x0) * scale < 1) {
    const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)];
    fill(raster, left * scale, Math.min(y0, y3) * scale, right * scale, Math.max(y0, y3) * scale, colour);
    return;
  }
  const half = (Math.hypot(x3 - x0, y3 - y0) / 2) * scale;
  const [fromX, fromY, toX, toY] = [(x0 + x3) / 2, (y0 + y3) / 2, (x1 + x2) / 2, (y1 + y2) / 2];
  const steps = Math.max(1, Math.ceil((Math.hypot(toX - fromX, toY - fromY) * scale) / Math.max(half, 0.5)));
  for (let step = 0; step <= steps; step++) {
    const x = (fromX + ((toX - fromX) * step) / steps) * scale;
    const y = (fromY + ((toY - fromY) * step) / steps) * scale;
    fill(raster, x - half, y - half, x + half, y + half, colour);
  }
}

/**
 * Fill a box, one pixel at least.
 * @param {Raster} raster
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 * @param {number} colour
 */
function fill({ pixels, width, height }, x0, y0, x1, y1, colour) {
  const [left, top] = [Math.max(0, Math.floor(x0)), Math.max(0, Math.floor(y0))];
  const [right, bottom] = [
    Math.min(width, Math.max(left + 1, Math.round(x1))),
    Math.min(height, Math.max(top + 1, Math.round(y1))),
  ];
  for (let y = top; y < bottom; y++) pixels.fill(colour, y * width + left, y * width + right);
}
