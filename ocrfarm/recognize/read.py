"""One tile -> its readings, whatever the engine does."""

import time
from collections.abc import Callable

from ocrfarm.errors import EngineBroke
from ocrfarm.geometry import Box
from ocrfarm.recognize.engine import Engine, Found, Pixels
from ocrfarm.tile import Fragment, Reading, Tile

Quarter = Callable[[Tile], tuple[Tile, ...]]
"""Cuts a tile in smaller, overlapping ones, or in none where it is too small (`split.quarter`)."""


def read_tile(engine: Engine, tile: Tile, *, pixels: Pixels, quarter: Quarter) -> tuple[Reading, ...]:
    """Read a tile; where the detector's contour limit is reached, its quarters are read instead.

    Gives one reading of the tile or one of each part of it, quads in page pixels; `EngineBroke` when it cannot.
    """
    started = time.perf_counter()
    found = _read(engine, tile, pixels)
    seconds = time.perf_counter() - started
    parts = [(part, part.box.shifted(-tile.box.x0, -tile.box.y0)) for part in quarter(tile)] if found.saturated else []
    if not parts:
        return (_reading(engine, tile, found, seconds),)
    return tuple(
        reading for part, box in parts for reading in read_tile(engine, part, pixels=_cut(pixels, box), quarter=quarter)
    )


def _read(engine: Engine, tile: Tile, pixels: Pixels) -> Found:
    try:
        return engine.read(pixels)
    except (Exception, SystemExit) as error:  # PaddleX calls sys.exit() where cv2.resize fails
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise EngineBroke(f"tile {tile.id}: {engine.model} failed ({reason})") from error


def _cut(pixels: Pixels, box: Box) -> Pixels:
    return pixels[box.y0 : box.y1, box.x0 : box.x1].copy()


def _reading(engine: Engine, tile: Tile, found: Found, seconds: float) -> Reading:
    moved = tuple(_on_page(fragment, tile) for fragment in found.fragments)
    return Reading(tile, moved, engine.model, seconds, found.squeezed, found.saturated)


def _on_page(fragment: Fragment, tile: Tile) -> Fragment:
    quad = fragment.quad.moved(tile.box.x0, tile.box.y0, 2.0**tile.id.level)
    return Fragment(quad, fragment.chars, fragment.confidence, fragment.detection)
