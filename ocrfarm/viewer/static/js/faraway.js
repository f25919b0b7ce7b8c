// All lines of a page as one small picture: what is drawn where so many are in view that none can be told apart.

const SIDE = 2048; // pixels of the longer side

/**
 * Draw the lines into a canvas, which covers the page; returned with its scale.
 * @param {import("./lines.js").Lines} lines
 * @param {import("./lines.js").Page} page
 * @param {(line: number) => number} colourOf - 0xAABBGGRR, 0 = not drawn
 */
export function farAway(lines, page, colourOf) {
  const scale = Math.min(1, SIDE / Math.max(page.width, page.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.ceil(page.width * scale));
  canvas.height = Math.max(1, Math.ceil(page.height * scale));
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser draws no pictures");
  const image = context.createImageData(canvas.width, canvas.height);
  const raster = { pixels: new Uint32Array(image.data.buffer), width: canvas.width, height: canvas.height };
  for (let line = page.first; line < page.first + page.lines; line++) {
    const colour = colourOf(line);
    if (colour) stroke(raster, lines, line, scale, colour);
  }
  context.putImageData(image, 0, 0);
  return { canvas, scale };
}

/**
 * Draw one line as squares along its middle, or as a box where it is upright.
 * @param {{pixels: Uint32Array, width: number, height: number}} raster
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
 * @param {{pixels: Uint32Array, width: number, height: number}} raster
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
