"""What a second pass may change, and what it may not."""

import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given

from ocrfarm.geometry import Size
from ocrfarm.stitch import select_second_pass, stitch
from ocrfarm.tile import Char, Fragment, SecondPassRegion, Tile, TileResult
from tests.support.line_strategies import GRIDS, PAGE, PAGES, SEEDS, count_texts, count_words, fewer_examples
from tests.support.synthetic_lines import (
    MODEL,
    NOISY_OCR,
    PERFECT_OCR,
    SimulatedOcr,
    SyntheticLine,
    make_grid,
    simulate_readings,
)

SecondPassResults = list[tuple[SecondPassRegion, TileResult]]


def read_regions(regions: Sequence[SecondPassRegion], lines: Sequence[SyntheticLine]) -> SecondPassResults:
    """Read every place again, without a mistake."""
    return [(region, _read_region(region, lines)) for region in regions]


def _read_region(region: SecondPassRegion, lines: Sequence[SyntheticLine]) -> TileResult:
    if region.kind == "open_end":
        (reading,) = simulate_readings(lines, [region.tile], PERFECT_OCR)
        return reading
    (quad,) = region.lines
    (x0, y0), (x1, y1) = quad.segment(0, 0).centre, quad.segment(1, 1).centre
    length = quad.length
    line = min(lines, key=lambda line: abs(_place(line, *quad.centre)[1]) / line.height)
    start, end = _place(line, x0, y0)[0], _place(line, x1, y1)[0]
    seen = [k for k in range(len(line.text)) if start <= line.centre(k) <= end]
    chars = tuple(Char(line.text[k], (line.centre(k) - start) / length, 0.99) for k in seen)
    return TileResult(region.tile, (Fragment(quad, chars, 0.99),), MODEL)


def _place(line: SyntheticLine, x: float, y: float) -> tuple[float, float]:
    (ux, uy), dx, dy = line.direction, x - line.x, y - line.y
    return dx * ux + dy * uy, dy * ux - dx * uy


@fewer_examples
@given(SEEDS)
def test_a_line_that_one_tile_missed_is_found_at_its_open_ends(seed: int) -> None:
    rng = random.Random(seed)
    size = Size(640 + 4 * 480, 640)
    line = SyntheticLine("".join(rng.choices("abcdefghkmnprstuvxyz0123456789", k=160)), 60.0, 300.0, 30.0)
    readings = simulate_readings([line], make_grid(size, 640, 160), PERFECT_OCR)
    lost = rng.choice(readings[1:-1])
    left = [replace(reading, fragments=()) if reading is lost else reading for reading in readings]
    assert count_texts(stitch(size, left)) != count_texts([line])
    regions = select_second_pass(size, left)
    assert [region.kind for region in regions] == ["open_end", "open_end"]
    assert count_texts(stitch(size, left, second_pass=read_regions(regions, [line]))) == count_texts([line])


@fewer_examples
@given(PAGES, GRIDS, SEEDS)
def test_a_good_second_pass_loses_and_doubles_nothing(lines: list[SyntheticLine], tiles: list[Tile], seed: int) -> None:
    readings = simulate_readings(lines, tiles, SimulatedOcr(0.1, 1.0, 0.3, 0.0, True), seed)
    first = stitch(PAGE, readings)
    second = stitch(PAGE, readings, second_pass=read_regions(select_second_pass(PAGE, readings), lines))
    right = count_texts(lines)
    assert (count_texts(first) & right).total() <= (count_texts(second) & right).total()
    assert len(second) <= len(first)


@fewer_examples
@given(PAGES, GRIDS, SEEDS)
def test_a_second_pass_that_sees_rubbish_changes_no_letter(
    lines: list[SyntheticLine], tiles: list[Tile], seed: int
) -> None:
    readings = simulate_readings(lines, tiles, NOISY_OCR, seed)
    rng = random.Random(seed)
    again: SecondPassResults = []
    for region in select_second_pass(PAGE, readings):
        chars = tuple(Char(rng.choice("-~_."), (k + 0.5) / 40, 0.99) for k in range(40))
        fragments = (Fragment(region.lines[0], chars, 0.99),) if region.kind != "open_end" else ()
        again.append((region, TileResult(region.tile, fragments, MODEL)))
    assert count_texts(stitch(PAGE, readings, second_pass=again)) == count_texts(stitch(PAGE, readings))


@fewer_examples
@given(PAGES, GRIDS, SEEDS)
def test_regions_depend_on_nothing_but_the_readings(lines: list[SyntheticLine], tiles: list[Tile], seed: int) -> None:
    rng = random.Random(seed)
    readings = simulate_readings(lines, tiles, SimulatedOcr(0.1, 1.0, 0.3, 0.1, True), seed)
    regions = select_second_pass(PAGE, readings)
    assert select_second_pass(PAGE, rng.sample(readings, len(readings)) + readings[:2]) == regions
    assert len({region.tile.id for region in regions}) == len(regions)
    again = read_regions(regions, lines)
    assert stitch(PAGE, readings, second_pass=rng.sample(again, len(again)) + again[:1]) == stitch(
        PAGE, readings, second_pass=again
    )


@fewer_examples
@given(PAGES, GRIDS, SEEDS)
def test_text_away_from_the_places_stays_as_it_was(lines: list[SyntheticLine], tiles: list[Tile], seed: int) -> None:
    readings = simulate_readings(lines, tiles, SimulatedOcr(0.1, 1.0, 0.3, 0.1, True), seed)
    regions = select_second_pass(PAGE, readings)
    boxes = [region.tile.box for region in regions]
    first = stitch(PAGE, readings)
    second = set(stitch(PAGE, readings, second_pass=read_regions(regions, lines)))
    away = [line for line in first if not any(line.quad.bounds().intersection(box) for box in boxes)]
    assert set(away) <= second
    assert count_words(away) <= count_words(second)
