"""Stitching gives back what was written, whatever the grid, the order, the repeats and the models' mistakes."""

import random
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ocrfarm.document import Line
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.stitch import stitch
from ocrfarm.tile import Char, Fragment, Tile, TileId, TileResult
from tests.support.line_strategies import (
    ANGLES,
    GRIDS,
    PAGE,
    PAGES,
    SEEDS,
    SHIFTS,
    STYLES,
    count_texts,
    count_words,
    fewer_examples,
)
from tests.support.synthetic_lines import (
    NOISY_OCR,
    PERFECT_OCR,
    SimulatedOcr,
    SyntheticLine,
    make_grid,
    make_lines,
    random_text,
    simulate_readings,
)


@fewer_examples
@given(PAGES, GRIDS)
def test_no_character_is_lost_or_doubled(lines: list[SyntheticLine], tiles: list[Tile]) -> None:
    assert count_texts(stitch(PAGE, simulate_readings(lines, tiles, PERFECT_OCR))) == count_texts(lines)


@fewer_examples
@given(PAGES, GRIDS)
def test_slices_of_lines_leave_nothing_behind(lines: list[SyntheticLine], tiles: list[Tile]) -> None:
    assert count_texts(stitch(PAGE, simulate_readings(lines, tiles, SimulatedOcr(reads_slices=True)))) == count_texts(
        lines
    )


@fewer_examples
@given(PAGES, GRIDS, SEEDS)
def test_every_line_is_where_it_was_written(lines: list[SyntheticLine], tiles: list[Tile], seed: int) -> None:
    found = {line.text: line for line in stitch(PAGE, simulate_readings(lines, tiles, SimulatedOcr(jitter=0.02), seed))}
    once = [line for line in lines if count_texts(lines)[line.text] == 1]
    for line in once:
        corners = zip(found[line.text].quad.points, line.full_quad.points, strict=True)
        assert all(abs(x - a) + abs(y - b) < 0.3 * line.height for (x, y), (a, b) in corners)


@fewer_examples
@given(SEEDS, STYLES, ANGLES, GRIDS)
def test_letters_damaged_at_cut_ends_come_out_whole(seed: int, style: str, angle: float, tiles: list[Tile]) -> None:
    lines = [line for line in make_lines(PAGE, random.Random(seed), style, angle) if len(line.text) > 2]
    assert count_texts(stitch(PAGE, simulate_readings(lines, tiles, NOISY_OCR, seed))) == count_texts(lines)


@fewer_examples
@given(SEEDS, GRIDS)
def test_no_word_is_lost_or_doubled_where_tiles_group_them_differently(seed: int, tiles: list[Tile]) -> None:
    lines = [line for line in make_lines(PAGE, random.Random(seed)) if all(len(word) > 2 for word in line.text.split())]
    assert count_words(
        stitch(PAGE, simulate_readings(lines, tiles, SimulatedOcr(split_rate=0.3), seed))
    ) == count_words(lines)


@fewer_examples
@given(SEEDS)
def test_very_long_lines_are_one(seed: int) -> None:
    rng = random.Random(seed)
    size, angle = Size(8400, 1000), rng.uniform(-1.0, 1.0)
    text = " ".join(random_text("numbers", rng) for _ in range(40))[: 8000 // 14].strip()
    lines = [SyntheticLine(text, 100.0, 180.0 + 110 * row, 28.0, angle) for row in range(6)]
    tiles = make_grid(size, rng.choice([640, 1000]), 160)
    assert count_texts(stitch(size, simulate_readings(lines, tiles, NOISY_OCR, seed))) == count_texts(lines)


@fewer_examples
@given(SEEDS, ANGLES, st.sampled_from([14.0, 48.0, 80.0, 120.0]))
def test_letters_of_all_sizes(seed: int, angle: float, height: float) -> None:
    rng = random.Random(seed)
    size = Size(5000, 5000)
    lines = [SyntheticLine(random_text("words", rng), 2500.0, 2500.0, height, angle)]
    tiles = make_grid(size, 2048, 512, (rng.randrange(0, 1024, 32), rng.randrange(0, 1024, 32)))
    assume(all(0 < x < 5000 and 0 < y < 5000 for x, y in lines[0].full_quad.points))
    assert count_texts(stitch(size, simulate_readings(lines, tiles, PERFECT_OCR, seed))) == count_texts(lines)


@fewer_examples
@given(PAGES, GRIDS, SEEDS)
def test_order_and_repeats_do_not_matter(lines: list[SyntheticLine], tiles: list[Tile], seed: int) -> None:
    rng = random.Random(seed)
    readings = simulate_readings(lines, tiles, SimulatedOcr(0.1, 1.0, 0.13, 0.2, True), seed)
    shuffled = [
        TileResult(r.tile, tuple(rng.sample(r.fragments, len(r.fragments))), r.model, seconds=rng.random())
        for r in rng.sample(readings, len(readings)) + rng.sample(readings, 2)
    ]
    assert repr(stitch(PAGE, shuffled)) == repr(stitch(PAGE, readings))


@fewer_examples
@given(PAGES, GRIDS, SEEDS)
def test_a_missing_tile_changes_nothing_outside_it(lines: list[SyntheticLine], tiles: list[Tile], seed: int) -> None:
    readings = simulate_readings(lines, tiles, NOISY_OCR, seed)
    lost = random.Random(seed).choice(readings).tile
    far = Box(lost.box.x0 - 60, lost.box.y0 - 60, lost.box.x1 + 60, lost.box.y1 + 60)

    def outside(found: Iterable[Line]) -> set[Line]:
        return {line for line in found if line.quad.bounds().intersection(far) is None}

    without = stitch(PAGE, [reading for reading in readings if reading.tile != lost])
    assert outside(stitch(PAGE, readings)) <= set(without)


@fewer_examples
@given(PAGES, SHIFTS, SHIFTS)
def test_shifting_the_grid_gives_the_same_texts(
    lines: list[SyntheticLine], one: tuple[int, int], two: tuple[int, int]
) -> None:
    first, second = (
        stitch(PAGE, simulate_readings(lines, make_grid(PAGE, 640, 160, shift), PERFECT_OCR)) for shift in (one, two)
    )
    assert count_texts(first) == count_texts(second)


@fewer_examples
@given(PAGES, SEEDS)
def test_a_single_tile_comes_out_as_it_is(lines: list[SyntheticLine], seed: int) -> None:
    [reading] = simulate_readings(lines, make_grid(PAGE, 4096, 192), NOISY_OCR, seed)
    found = {(line.text, line.quad) for line in stitch(PAGE, [reading])}
    assert found == {(fragment.text, fragment.quad) for fragment in reading.fragments}


@fewer_examples
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 34)), min_size=1, max_size=30, unique=True), GRIDS)
def test_cells_of_a_table_are_never_joined(cells: list[tuple[int, int]], tiles: list[Tile]) -> None:
    lines = [SyntheticLine(f"{col}{row:02d}.00", 20.0 + col * 110, 20.0 + row * 30, 32.0, 0.0) for col, row in cells]
    lines = [line for line in lines if (line.y - 20) % 60 == 0]  # rows 1.9 heights apart, cells in them 0.3 or more
    assert count_texts(stitch(PAGE, simulate_readings(lines, tiles, PERFECT_OCR))) == count_texts(lines)


@fewer_examples
@given(st.lists(st.tuples(st.integers(1, 1400), st.integers(1, 1000), st.integers(10, 400)), max_size=40), GRIDS)
def test_whatever_the_fragments_are_no_text_from_afar_is_joined(
    places: list[tuple[int, int, int]], tiles: list[Tile]
) -> None:
    readings = [
        TileResult(tiles[k % len(tiles)], (_fragment(x, y, length, chr(0x100 + k)),), "m")
        for k, (x, y, length) in enumerate(places)
    ]
    merged = [
        TileResult(tile, tuple(f for r in readings if r.tile == tile for f in r.fragments), "m")
        for tile in {reading.tile for reading in readings}
    ]
    place = {chr(0x100 + k): (x, y, length) for k, (x, y, length) in enumerate(places)}
    for line in stitch(PAGE, merged):
        spans = sorted((place[char][0], place[char][0] + place[char][2]) for char in set(line.text) - {" "})
        rows = [place[char][1] for char in set(line.text) - {" "}]
        assert max(rows) - min(rows) <= 20
        assert all(start - end <= 20 for (_, end), (start, _) in pairwise(spans))


def _fragment(x: int, y: int, length: int, char: str) -> Fragment:
    chars = tuple(Char(char, (k + 0.5) / 4, 0.9) for k in range(4))
    return Fragment(Quad.from_bounds(x, y, x + length, y + 20), chars, 0.9)


@pytest.mark.parametrize("readings", [[], [TileResult(Tile(TileId(0, 0, 0, 0), Box(0, 0, 9, 9), Size(9, 9)), (), "m")]])
def test_a_page_without_text_has_no_lines(readings: list[TileResult]) -> None:
    assert stitch(Size(9, 9), readings) == ()
