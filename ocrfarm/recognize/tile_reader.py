"""One tile -> its readings, whatever the engine does."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

from ocrfarm.errors import EngineFailed
from ocrfarm.geometry import Box, Quad
from ocrfarm.recognize.engine import Engine, EngineOutput, RgbPixels
from ocrfarm.tile import Fragment, SecondPassRegion, Tile, TileResult

TileSplitter = Callable[[Tile], tuple[Tile, ...]]
"""Cuts a tile in smaller, overlapping ones, or in none where it is too small (`split.tiling.split_tile`)."""

SMALL_TEXT_HEIGHT = 9.0
"""Detector pixels: the height of a box (a third more than its letters) below which lines of text run together or are
missed. Where most boxes of a tile are lower, its quarters are read enlarged."""

MIN_COARSE_TEXT_HEIGHT = 16.0
"""Pixels of a coarse tile: the height of a box from which on it is believed; lower text is read on a finer level."""

MAX_DETECTOR_SCALE = 2.0
"""Detector pixels per pixel of the image at most; more shows no more than the scanner saw."""


def read_tile(
    engine: Engine, tile: Tile, *, pixels: RgbPixels, split_tile: TileSplitter, detector_scale: float = 1.0
) -> tuple[TileResult, ...]:
    """Read a tile; where it holds too much for the detector, or too small text, its quarters are read instead.

    `detector_scale` is the engine's detector pixels per pixel. Coarse tiles are small and hold letters that hardly fit
    the native ones: they are shown to the detector at their full size. Gives one reading of the tile or of each
    part of it, quads in page pixels; `EngineFailed` when it cannot.
    """
    enlarge = 1.0 / min(detector_scale, 1.0) if tile.id.level else 1.0
    return _read_with_scale(
        engine, tile, pixels=pixels, split_tile=split_tile, detector_scale=detector_scale, upscale=enlarge
    )


def _read_with_scale(
    engine: Engine, tile: Tile, *, pixels: RgbPixels, split_tile: TileSplitter, detector_scale: float, upscale: float
) -> tuple[TileResult, ...]:
    started = time.perf_counter()
    line_filter = _TileLineFilter(tile, upscale)
    with _translate_engine_errors(engine, tile):
        found = engine.read(_upscale_pixels(pixels, upscale), accept=line_filter)
    seconds = time.perf_counter() - started
    small = (
        not tile.id.level and _is_small_text(found, detector_scale) and detector_scale * upscale < MAX_DETECTOR_SCALE
    )
    parts = split_tile(tile) if found.detector_overflow or small else ()
    if not parts:
        reading = _make_tile_result(
            engine, tile, found, seconds=seconds, detector_scale=detector_scale, upscale=upscale
        )
        return (replace(reading, deferred_lines=tuple(line_filter.deferred_lines)),)
    larger = upscale * 2 if small else upscale
    readings = [
        _read_with_scale(
            engine,
            part,
            pixels=crop_tile_part(pixels, tile, part=part),
            split_tile=split_tile,
            detector_scale=detector_scale,
            upscale=larger,
        )
        for part in parts
    ]
    return tuple(reading for each in readings for reading in each)


def read_region(
    engine: Engine, region: SecondPassRegion, *, pixels: RgbPixels, detector_scale: float = 1.0
) -> TileResult:
    """Read a place a second time: its lines as they are, or all that the detector finds when it sees every pixel.

    `pixels` are those of the region's tile, `detector_scale` is the engine's detector pixels per pixel; quads are
    page pixels. `EngineFailed` when it cannot.
    """
    if region.kind == "open_end":
        enlarge = 1.0 / min(detector_scale, 1.0)
        (reading,) = _read_with_scale(
            engine, region.tile, pixels=pixels, split_tile=lambda _: (), detector_scale=detector_scale, upscale=enlarge
        )
        return reading
    box, started = region.tile.box, time.perf_counter()
    with _translate_engine_errors(engine, region.tile):
        found = engine.read_lines(pixels, [line.transform(-box.x0, -box.y0) for line in region.lines])
    fragments = tuple(replace(fragment, quad=line) for fragment, line in zip(found, region.lines, strict=True))
    return TileResult(region.tile, fragments, engine.model, time.perf_counter() - started)


class _TileLineFilter:
    """Says which lines of a tile to read: not those that a neighbour reads, nor text too low for a coarse tile."""

    def __init__(self, tile: Tile, upscale: float) -> None:
        self._tile, self._upscale = tile, upscale
        self.deferred_lines: list[Quad] = []

    def __call__(self, quad: Quad) -> bool:
        if self._tile.id.level:
            return quad.height >= MIN_COARSE_TEXT_HEIGHT * self._upscale
        line = _to_page_quad(quad, self._tile, self._upscale)
        if self._tile.belongs_to_neighbour(line):
            self.deferred_lines.append(line)
            return False
        return True


def _is_small_text(found: EngineOutput, detector_scale: float) -> bool:
    heights = [fragment.quad.height * detector_scale for fragment in found.fragments]
    return bool(heights) and statistics.median(heights) < SMALL_TEXT_HEIGHT


@contextmanager
def _translate_engine_errors(engine: Engine, tile: Tile) -> Iterator[None]:
    """Translate whatever goes wrong inside an engine."""
    try:
        yield
    except (Exception, SystemExit) as error:  # PaddleX calls sys.exit() where cv2.resize fails
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise EngineFailed(f"tile {tile.id}: {engine.model} failed ({reason})") from error


def _upscale_pixels(pixels: RgbPixels, factor: float) -> RgbPixels:
    if factor == 1.0:
        return pixels
    import cv2

    return cast("RgbPixels", cv2.resize(pixels, None, fx=factor, fy=factor))


def crop_tile_part(pixels: RgbPixels, tile: Tile, *, part: Tile) -> RgbPixels:
    """Give the pixels of a tile's part; boxes are page pixels, and one pixel of a coarse tile stands for several."""
    level, box = tile.id.level, part.box.shift(-tile.box.x0, -tile.box.y0)
    at = Box(box.x0 >> level, box.y0 >> level, -(-box.x1 >> level), -(-box.y1 >> level))
    return pixels[at.y0 : at.y1, at.x0 : at.x1].copy()


def _make_tile_result(
    engine: Engine, tile: Tile, found: EngineOutput, *, seconds: float, detector_scale: float, upscale: float
) -> TileResult:
    moved = tuple(_move_to_page(fragment, tile, upscale) for fragment in found.fragments)
    scale = detector_scale * upscale / (1 << tile.id.level)
    reading = TileResult(tile, moved, engine.model, seconds, found.overlong_lines, found.detector_overflow, scale)
    return replace(reading, input_columns=found.input_columns, padding_columns=found.padding_columns)


def _move_to_page(fragment: Fragment, tile: Tile, upscale: float) -> Fragment:
    return replace(fragment, quad=_to_page_quad(fragment.quad, tile, upscale))


def _to_page_quad(quad: Quad, tile: Tile, upscale: float) -> Quad:
    return quad.transform(tile.box.x0, tile.box.y0, 2.0**tile.id.level / upscale)
