import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from ocrfarm.errors import EngineFailed
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.recognize import EngineOutput, RgbPixels, read_tile
from ocrfarm.recognize.engine import LineFilter, accept_all
from ocrfarm.tile import Char, Fragment, Tile, TileId, TileResult

FAR = 3_000_000
TILE = Tile(TileId(0, 0, 0, 0), Box(FAR, 40_000, FAR + 64, 40_064), Size(4_000_000, 50_000))
SEEN = Fragment(Quad.from_bounds(1, 2, 31, 12), (Char("a", 0.5, 0.9),), 0.9)


class StubEngine:
    """Answers with what it is given."""

    model = "stub"

    def __init__(self, answer: Callable[[RgbPixels], EngineOutput]) -> None:
        self._answer = answer

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        return self._answer(pixels)

    def read_lines(self, pixels: RgbPixels, lines: Sequence[Quad]) -> list[Fragment]:
        (fragment,) = self._answer(pixels).fragments
        return [replace(fragment, quad=line) for line in lines]


def read(answer: Callable[[RgbPixels], EngineOutput]) -> tuple[TileResult, ...]:
    def halves(tile: Tile) -> tuple[Tile, ...]:
        box = tile.box
        if box.width < 64:
            return ()
        left, right = Box(box.x0, box.y0, box.x0 + 40, box.y1), Box(box.x0 + 24, box.y0, box.x1, box.y1)
        return tuple(Tile(TileId(0, 0, 0, 0, part), half, tile.page_size) for part, half in (("0", left), ("1", right)))

    return read_tile(StubEngine(answer), TILE, pixels=np.zeros((64, 64, 3), np.uint8), split_tile=halves)


def test_quads_move_to_the_page_however_far_away_it_is() -> None:
    """PaddleX counts in int16, which ends at 32,767."""
    (reading,) = read_tile(
        StubEngine(lambda _: EngineOutput((SEEN,))),
        TILE,
        pixels=np.zeros((64, 64, 3), np.uint8),
        split_tile=lambda _: (),
    )
    assert reading.fragments[0].quad == Quad.from_bounds(FAR + 1, 40_002, FAR + 31, 40_012)
    assert reading.model == "stub"


def test_a_saturated_tile_gives_its_parts() -> None:
    readings = read(lambda pixels: EngineOutput((SEEN,), detector_overflow=pixels.shape[1] == 64))
    assert [str(reading.tile.id) for reading in readings] == ["p0000-l0-r0000-c0000-q0", "p0000-l0-r0000-c0000-q1"]
    assert readings[1].fragments[0].quad.p0 == (FAR + 25, 40_002)


def test_what_cannot_be_cut_further_stays_saturated() -> None:
    assert all(reading.detector_overflow for reading in read(lambda _: EngineOutput((), detector_overflow=True)))


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: sys.exit(0),  # PaddleX does this where cv2.resize fails
        lambda _: [][0],
        lambda _: bytes(-1),
    ],
)
def test_an_engine_that_breaks_is_one_typed_error(answer: Callable[[RgbPixels], EngineOutput]) -> None:
    with pytest.raises(EngineFailed, match="p0000-l0-r0000-c0000: stub failed"):
        read(answer)
