"""How long stitching takes and how much memory, by the number of fragments."""

import random
import resource
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ocrfarm.geometry import Size
from ocrfarm.stitch import stitch
from ocrfarm.tile import Fragment, Tile, TileResult
from tests.support.synthetic_lines import NOISY_OCR, make_grid, make_lines, simulate_readings

BLOCK, MARGIN = 3904, 64  # pixels
LETTERS = 16  # a line at most; on scanned receipts they have 12 on average


def many_readings(fragments: int) -> tuple[Size, list[TileResult]]:
    """Make a page of at least so many fragments: one block of dense text, 2048-pixel tiles, repeated side by side."""
    inner = Size(BLOCK - 2 * MARGIN, BLOCK - 2 * MARGIN)
    lines = [
        replace(line, text=line.text[:LETTERS].strip(), x=line.x + MARGIN, y=line.y + MARGIN)
        for line in make_lines(inner, random.Random(1), angle=0.7)
    ]
    block = simulate_readings(lines, make_grid(Size(BLOCK, BLOCK), 2048, 192), NOISY_OCR)
    side = next(n for n in range(1, 1000) if n * n * sum(len(r.fragments) for r in block) >= fragments)
    size = Size(side * BLOCK, side * BLOCK)
    return size, [moved for number in range(side * side) for moved in _moved(block, number, side, size)]


def _moved(block: list[TileResult], number: int, side: int, size: Size) -> Iterator[TileResult]:
    dx, dy = number % side * BLOCK, number // side * BLOCK
    for reading in block:
        tile = reading.tile
        name = replace(tile.id, row=tile.id.row + 100 * (number // side), col=tile.id.col + 100 * (number % side))
        fragments = tuple(
            Fragment(fragment.quad.transform(dx, dy), fragment.chars, fragment.confidence)
            for fragment in reading.fragments
        )
        yield TileResult(Tile(name, tile.box.shift(dx, dy), size), fragments, reading.model)


@pytest.mark.benchmark
@pytest.mark.parametrize(("fragments", "seconds"), [(20_000, 1.25), (80_000, 5.0)])
def test_stitching_is_linear_in_the_fragments(
    fragments: int, seconds: float, capsys: pytest.CaptureFixture[str]
) -> None:
    size, readings = many_readings(fragments)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    lines = stitch(size, readings)
    taken = time.process_time() - started
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    count = sum(len(reading.fragments) for reading in readings)
    with capsys.disabled():
        print(f"\n{count} fragments -> {len(lines)} lines: {taken:.2f} s, {memory:.0f} MB more")  # noqa: T201
    assert taken <= seconds * count / fragments
