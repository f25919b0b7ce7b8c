"""`scripts/bench viewer`: how soon the viewer shows a large sheet, and how smooth it stays, in headless Chromium."""

import os
import random
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import quantiles

import click
from PIL import Image, ImageDraw, ImageFont

from ocrfarm.document import Coverage, Document, Line, Page
from ocrfarm.geometry import Quad, Size
from ocrfarm.viewer import ViewerItem, write_viewer
from ocrfarm.viewer.server import reply_with_file, serve
from tests.benchmarks.record import record_figures, record_option
from tests.support.chromium import Browser, run_chromium

WORDS = ("valve", "pump", "flange", "gasket", "DN80", "PN16", "river", "alder", "ferry", "12.50", "Total", "scale")

MOTION_SECONDS = 4
"""Of each motion: some 240 frames."""

_LOADED = "return performance.getEntriesByName('lines drawn').length > 0 && !!globalThis.viewer"

_PAINTS = """
const paint = performance.getEntriesByName('first-contentful-paint')[0];
const mark = (name) => performance.getEntriesByName(name)[0]?.startTime ?? Infinity;
return {page: paint.startTime, image: mark('image drawn'), lines: mark('lines drawn')};
"""

_MOVE = """
const [from, to, across, seconds, done] = arguments;
const {viewport} = viewer.imageView.osd;
const start = performance.now();
let before = start;
const frames = [];
const frame = (now) => {
  frames.push(now - before);
  before = now;
  const share = (now - start) / 1000 / seconds;
  if (share >= 1) return done(frames.slice(2));
  const swing = (1 - Math.cos(2 * Math.PI * share)) / 2;
  viewport.zoomTo(from * (to / from) ** swing, null, true);
  viewport.panTo(new OpenSeadragon.Point(0.5 + across * Math.sin(4 * Math.PI * share), 0.5 + across * swing / 2), true);
  requestAnimationFrame(frame);
};
viewer.imageView.moving = true;
requestAnimationFrame(frame);
"""
"""Zoom from one power (1: the page is as wide as the window) to another and back, on a curved way across the page."""

_SEARCH = """
const [words, done] = arguments;
const start = performance.now();
const drawn = () => done([performance.now() - start, viewer.state.hits.length]);
viewer.imageView.addEventListener('draw', drawn, {once: true});
viewer.state.set({words});
"""
"""From the key to the frame that shows the list and the hits."""

MOTIONS = {
    "pan, letters can be read": (16.0, 16.0, 0.06),
    "pan, a quarter of the page in view": (2.0, 2.0, 0.2),
    "zoom from the page to its letters and back": (0.9, 24.0, 0.1),
}


@click.command()
@click.option("--lines", multiple=True, type=int, default=(10_000, 100_000), show_default=True)
@click.option("--size", default=16_384, show_default=True, metavar="PIXELS", help="Width and height of the sheet.")
@record_option
def viewer(lines: tuple[int, ...], size: int, record: bool) -> None:
    """Draw sheets with so many lines, show them in the viewer, move about, search, and print the times."""
    click.echo(
        f"viewer     {os.cpu_count()} cores; {os.getloadavg()[0]:.1f} processes wanted them in the minute before"
    )
    rows: dict[str, list[str]] = {}
    for count in lines:
        with tempfile.TemporaryDirectory() as folder:
            sheet = _sheet(Path(folder) / "sheet.png", count, size)
            started = time.perf_counter()
            write_viewer([sheet], Path(folder) / "viewer", limits={})
            _print_figure(count, "written", f"{time.perf_counter() - started:.1f} s")
            with serve(partial(reply_with_file, Path(folder) / "viewer")) as address, run_chromium() as browser:
                for name, value in _figures(browser, address):
                    _print_figure(count, name, value)
                    rows.setdefault(name.partition(",")[0] if "found" in name else name, []).append(value)
    if record:
        heads = ["measured", *(f"{count:,} lines" for count in lines)]
        record_figures({"viewer.speed": ([heads, *([name, *values] for name, values in rows.items())], "table")})


def _print_figure(count: int, name: str, value: str) -> None:
    click.echo(f"viewer     {count:7} lines  {name:44} {value}")


def _figures(browser: Browser, address: str) -> Iterator[tuple[str, str]]:
    driver = browser.driver
    driver.set_window_size(1600, 1000)
    driver.set_script_timeout(60)
    browser.open(address)
    browser.wait_until(lambda: browser.run_script(_LOADED), "the viewer")
    for name, milliseconds in browser.run_script(_PAINTS).items():
        yield f"first paint: {name}", f"{milliseconds:.0f} ms"
    time.sleep(1)  # the index of the search is made while nothing happens
    for words in ("flange", "pump valve", "e"):
        milliseconds, hits = driver.execute_async_script(_SEARCH, words)
        yield f"search {words!r}, {hits} found", f"{milliseconds:.0f} ms"
    driver.execute_async_script(_SEARCH, "")
    driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    for name, motion in MOTIONS.items():
        before = _busy(browser)
        frames = driver.execute_async_script(_MOVE, *motion, MOTION_SECONDS)
        yield name, f"{_spread(frames)}, {(_busy(browser) - before) / len(frames) * 1000:.1f} ms of CPU each"


def _busy(browser: Browser) -> float:
    """Give the seconds of CPU that the page's main thread has taken: other work on the machine does not count."""
    metrics = browser.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def _spread(frames: list[float]) -> str:
    twentieths = quantiles(frames, n=20)
    middle, late = twentieths[9], twentieths[18]
    return f"frame {middle:.1f} ms, p95 {late:.1f} ms, longest {max(frames):.0f} ms, {len(frames)} frames"


def _sheet(path: Path, count: int, side: int) -> ViewerItem:
    """Draw lines in columns, as small as they must be, and say what was drawn."""
    chance = random.Random(1)
    columns = max(1, round((count / 12) ** 0.5 / 1.6))
    rows = -(-count // columns)
    across, down = side / columns, side / rows
    image = Image.new("L", (side, side), 250)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(min(down * 0.6, across / 12))
    lines = []
    for number in range(count):
        x, y = number // rows * across + across * 0.1, number % rows * down + down * 0.1
        text = " ".join(chance.choices(WORDS, k=3))
        draw.text((x, y), text, fill=20, font=font)
        quad = Quad.from_bounds(*draw.textbbox((x, y), text, font=font))
        lines.append(Line(text, quad, 1 - chance.random() ** 4 / 2, model="drawn"))
    image.save(path, compress_level=1)
    tiling = "2048 px tiles, overlap 128 px: drawn"
    page = Page(Size(side, side), tuple(lines), Coverage(81, read=81, tiling=tiling))
    return ViewerItem(path.name, Document((page,)), path)
