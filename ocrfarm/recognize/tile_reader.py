"""Pixels of one tile -> tile results, with errors of the engine translated.

    read the tile --> too much text for the detector  --> read its quarters
                  +-> mostly very small text          --> read its quarters at twice the size
                  +-> otherwise                       --> one result

Parts are split again under the same conditions. Invariant: the parts of a tile cover it, so no text is skipped. Cost:
each split reads the area of the tile once more, plus the overlap of the parts.
"""

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
"""Splits a tile into smaller, overlapping tiles; into none if it is too small (`split.tiling.split_tile`)."""

SMALL_TEXT_HEIGHT = 9.0
"""Detector pixels: the height of a box (a third more than its letters) below which lines are merged or missed. If the
median height of a tile's boxes is lower, its quarters are read enlarged."""

MIN_COARSE_TEXT_HEIGHT = 16.0
"""Pixels of a coarse tile: minimum height of a box; lower text is read at a finer level."""

MAX_DETECTOR_SCALE = 2.0
"""Maximum number of detector pixels per pixel of the image; more would not add detail."""


def read_tile(
    engine: Engine, tile: Tile, *, pixels: RgbPixels, split_tile: TileSplitter, detector_scale: float = 1.0
) -> tuple[TileResult, ...]:
    """Recognize a tile; if it holds too much text for the detector, or very small text, recognize its parts instead.

    Coarse tiles are small and hold letters that hardly fit into native tiles, so the detector sees them at full size.

    Args:
        engine: The engine.
        tile: The tile.
        pixels: Its pixels, height x width x 3, RGB, uint8.
        split_tile: Splits a tile into parts.
        detector_scale: The engine's detector pixels per image pixel.

    Returns:
        One result for the tile, or one for each part of it; quads are in page pixels.

    Raises:
        EngineFailed: The engine raised an exception.
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
        output = engine.read(_upscale_pixels(pixels, upscale), accept=line_filter)
    seconds = time.perf_counter() - started
    small = (
        not tile.id.level and _is_small_text(output, detector_scale) and detector_scale * upscale < MAX_DETECTOR_SCALE
    )
    parts = split_tile(tile) if output.detector_overflow or small else ()
    if not parts:
        result = _make_tile_result(
            engine, tile, output, seconds=seconds, detector_scale=detector_scale, upscale=upscale
        )
        return (replace(result, deferred_lines=tuple(line_filter.deferred_lines)),)
    larger = upscale * 2 if small else upscale
    results = [
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
    return tuple(result for each in results for result in each)


def read_region(
    engine: Engine, region: SecondPassRegion, *, pixels: RgbPixels, detector_scale: float = 1.0
) -> TileResult:
    """Recognize a region a second time.

    In an "open_end" region the detector searches the whole tile at full resolution; in any other region the known lines
    are recognized without detection.

    Args:
        engine: The engine.
        region: The region.
        pixels: Pixels of the region's tile, height x width x 3, RGB, uint8.
        detector_scale: The engine's detector pixels per image pixel.

    Returns:
        The result; quads are in page pixels.

    Raises:
        EngineFailed: The engine raised an exception.
    """
    if region.kind == "open_end":
        enlarge = 1.0 / min(detector_scale, 1.0)
        (result,) = _read_with_scale(
            engine, region.tile, pixels=pixels, split_tile=lambda _: (), detector_scale=detector_scale, upscale=enlarge
        )
        return result
    box, started = region.tile.box, time.perf_counter()
    with _translate_engine_errors(engine, region.tile):
        unplaced = engine.read_lines(pixels, [line.transform(-box.x0, -box.y0) for line in region.lines])
    fragments = tuple(replace(fragment, quad=line) for fragment, line in zip(unplaced, region.lines, strict=True))
    return TileResult(region.tile, fragments, engine.model, time.perf_counter() - started)


class _TileLineFilter:
    """`LineFilter` of a tile: refuses lines that a neighbour reads, and text too low for a coarse tile."""

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


def _is_small_text(output: EngineOutput, detector_scale: float) -> bool:
    heights = [fragment.quad.height * detector_scale for fragment in output.fragments]
    return bool(heights) and statistics.median(heights) < SMALL_TEXT_HEIGHT


@contextmanager
def _translate_engine_errors(engine: Engine, tile: Tile) -> Iterator[None]:
    """Translate every exception of an engine into `EngineFailed`."""
    try:
        yield
    except (Exception, SystemExit) as error:  # PaddleX calls sys.exit() if cv2.resize fails
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise EngineFailed(f"tile {tile.id}: {engine.model} failed ({reason})") from error


def _upscale_pixels(pixels: RgbPixels, factor: float) -> RgbPixels:
    if factor == 1.0:
        return pixels
    import cv2

    return cast("RgbPixels", cv2.resize(pixels, None, fx=factor, fy=factor))


def crop_tile_part(pixels: RgbPixels, tile: Tile, *, part: Tile) -> RgbPixels:
    """Return a copy of the pixels of a part of a tile.

    Args:
        pixels: Pixels of the tile, height x width x 3.
        tile: The tile.
        part: A tile inside it, at the same level.
    """
    level, box = tile.id.level, part.box.shift(-tile.box.x0, -tile.box.y0)
    crop = Box(box.x0 >> level, box.y0 >> level, -(-box.x1 >> level), -(-box.y1 >> level))
    return pixels[crop.y0 : crop.y1, crop.x0 : crop.x1].copy()


def _make_tile_result(
    engine: Engine, tile: Tile, output: EngineOutput, *, seconds: float, detector_scale: float, upscale: float
) -> TileResult:
    moved = tuple(_move_to_page(fragment, tile, upscale) for fragment in output.fragments)
    scale = detector_scale * upscale / (1 << tile.id.level)
    result = TileResult(tile, moved, engine.model, seconds, output.overlong_lines, output.detector_overflow, scale)
    return replace(result, input_columns=output.input_columns, padding_columns=output.padding_columns)


def _move_to_page(fragment: Fragment, tile: Tile, upscale: float) -> Fragment:
    return replace(fragment, quad=_to_page_quad(fragment.quad, tile, upscale))


def _to_page_quad(quad: Quad, tile: Tile, upscale: float) -> Quad:
    return quad.transform(tile.box.x0, tile.box.y0, 2.0**tile.id.level / upscale)
