"""One tile -> its readings, whatever the engine does."""

import importlib
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from ocrfarm.errors import EngineBroke
from ocrfarm.geometry import Box, Quad
from ocrfarm.recognize.engine import Engine, Found, Pixels
from ocrfarm.tile import Fragment, Look, Reading, Tile

Quarter = Callable[[Tile], tuple[Tile, ...]]
"""Cuts a tile in smaller, overlapping ones, or in none where it is too small (`split.quarter`)."""

SMALL_PRINT = 9.0
"""Detector pixels: the height of a box (a third more than its letters) below which lines of print run together or are
missed. Where most boxes of a tile are lower, its quarters are read enlarged."""

COARSE_PRINT = 16.0
"""Pixels of a coarse tile: the height of a box from which on it is believed; lower print is read on a finer level."""

LARGEST_SCALE = 2.0
"""Detector pixels per pixel of the picture at most; more shows no more than the scanner saw."""


def read_tile(
    engine: Engine, tile: Tile, *, pixels: Pixels, quarter: Quarter, detail: float = 1.0
) -> tuple[Reading, ...]:
    """Read a tile; where it holds too much for the detector, or too small print, its quarters are read instead.

    `detail` is the engine's detector pixels per pixel. Coarse tiles are small and hold letters that hardly fit the
    native ones: they are shown to the detector at their full size. Gives one reading of the tile or one of each part of
    it, quads in page pixels; `EngineBroke` when it cannot.
    """
    enlarge = 1.0 / min(detail, 1.0) if tile.id.level else 1.0
    return _read(engine, tile, pixels=pixels, quarter=quarter, detail=detail, enlarge=enlarge)


def _read(
    engine: Engine, tile: Tile, *, pixels: Pixels, quarter: Quarter, detail: float, enlarge: float
) -> tuple[Reading, ...]:
    started = time.perf_counter()
    sieve = _Sieve(tile, enlarge)
    with _told(engine, tile):
        found = engine.read(_enlarged(pixels, enlarge), wanted=sieve)
    seconds = time.perf_counter() - started
    small = not tile.id.level and _is_small_print(found, detail) and detail * enlarge < LARGEST_SCALE
    parts = quarter(tile) if found.saturated or small else ()
    if not parts:
        reading = _reading(engine, tile, found, seconds=seconds, detail=detail, enlarge=enlarge)
        return (replace(reading, left=tuple(sieve.left)),)
    larger = enlarge * 2 if small else enlarge
    readings = [
        _read(engine, part, pixels=cut_part(pixels, tile, part=part), quarter=quarter, detail=detail, enlarge=larger)
        for part in parts
    ]
    return tuple(reading for each in readings for reading in each)


def read_look(engine: Engine, look: Look, *, pixels: Pixels, detail: float = 1.0) -> Reading:
    """Read a place a second time: its lines as they are, or all that the detector finds when it sees every pixel.

    `pixels` are those of the look's tile, `detail` is the engine's detector pixels per pixel; quads are page pixels.
    `EngineBroke` when it cannot.
    """
    if look.kind == "open":
        enlarge = 1.0 / min(detail, 1.0)
        (reading,) = _read(engine, look.tile, pixels=pixels, quarter=lambda _: (), detail=detail, enlarge=enlarge)
        return reading
    box, started = look.tile.box, time.perf_counter()
    with _told(engine, look.tile):
        found = engine.read_lines(pixels, [line.moved(-box.x0, -box.y0) for line in look.lines])
    fragments = tuple(replace(fragment, quad=line) for fragment, line in zip(found, look.lines, strict=True))
    return Reading(look.tile, fragments, engine.model, time.perf_counter() - started)


class _Sieve:
    """Says which lines of a tile to read: not those that a neighbour reads, nor print too low for a coarse tile."""

    def __init__(self, tile: Tile, enlarge: float) -> None:
        self._tile, self._enlarge = tile, enlarge
        self.left: list[Quad] = []

    def __call__(self, quad: Quad) -> bool:
        if self._tile.id.level:
            return quad.height >= COARSE_PRINT * self._enlarge
        line = _placed(quad, self._tile, self._enlarge)
        if self._tile.leaves(line):
            self.left.append(line)
            return False
        return True


def _is_small_print(found: Found, detail: float) -> bool:
    heights = [fragment.quad.height * detail for fragment in found.fragments]
    return bool(heights) and statistics.median(heights) < SMALL_PRINT


@contextmanager
def _told(engine: Engine, tile: Tile) -> Iterator[None]:
    """Translate whatever goes wrong inside an engine."""
    try:
        yield
    except (Exception, SystemExit) as error:  # PaddleX calls sys.exit() where cv2.resize fails
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise EngineBroke(f"tile {tile.id}: {engine.model} failed ({reason})") from error


def _enlarged(pixels: Pixels, factor: float) -> Pixels:
    if factor == 1.0:
        return pixels
    larger: Pixels = importlib.import_module("cv2").resize(pixels, None, fx=factor, fy=factor)
    return larger


def cut_part(pixels: Pixels, tile: Tile, *, part: Tile) -> Pixels:
    """Give the pixels of a tile's part; boxes are page pixels, and one pixel of a coarse tile stands for several."""
    level, box = tile.id.level, part.box.shifted(-tile.box.x0, -tile.box.y0)
    at = Box(box.x0 >> level, box.y0 >> level, -(-box.x1 >> level), -(-box.y1 >> level))
    return pixels[at.y0 : at.y1, at.x0 : at.x1].copy()


def _reading(engine: Engine, tile: Tile, found: Found, *, seconds: float, detail: float, enlarge: float) -> Reading:
    moved = tuple(_on_page(fragment, tile, enlarge) for fragment in found.fragments)
    scale = detail * enlarge / (1 << tile.id.level)
    reading = Reading(tile, moved, engine.model, seconds, found.squeezed, found.saturated, scale)
    return replace(reading, columns=found.columns, padding=found.padding)


def _on_page(fragment: Fragment, tile: Tile, enlarge: float) -> Fragment:
    return replace(fragment, quad=_placed(fragment.quad, tile, enlarge))


def _placed(quad: Quad, tile: Tile, enlarge: float) -> Quad:
    return quad.moved(tile.box.x0, tile.box.y0, 2.0**tile.id.level / enlarge)
