"""What a second look may change, and what it may not."""

import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given

from ocrfarm.geometry import Size
from ocrfarm.stitch import look_again, stitch
from ocrfarm.tile import Char, Fragment, Look, Reading, Tile
from tests.properties.test_stitch import GRIDS, PAGE, PAGES, SEEDS, few, texts, words
from tests.properties.truelines import MODEL, REAL, SHARP, Eye, TrueLine, grid, see

Again = list[tuple[Look, Reading]]


def answers(looks: Sequence[Look], lines: Sequence[TrueLine]) -> Again:
    """Read every place again, without a mistake."""
    return [(look, _read(look, lines)) for look in looks]


def _read(look: Look, lines: Sequence[TrueLine]) -> Reading:
    if look.kind == "open":
        (reading,) = see(lines, [look.tile], SHARP)
        return reading
    (quad,) = look.lines
    (x0, y0), (x1, y1) = quad.part(0, 0).centre, quad.part(1, 1).centre
    length = quad.length
    line = min(lines, key=lambda line: abs(_place(line, *quad.centre)[1]) / line.height)
    start, end = _place(line, x0, y0)[0], _place(line, x1, y1)[0]
    seen = [k for k in range(len(line.text)) if start <= line.centre(k) <= end]
    chars = tuple(Char(line.text[k], (line.centre(k) - start) / length, 0.99) for k in seen)
    return Reading(look.tile, (Fragment(quad, chars, 0.99),), MODEL)


def _place(line: TrueLine, x: float, y: float) -> tuple[float, float]:
    (ux, uy), dx, dy = line.along, x - line.x, y - line.y
    return dx * ux + dy * uy, dy * ux - dx * uy


@few
@given(SEEDS)
def test_a_line_that_one_tile_missed_is_found_at_its_open_ends(seed: int) -> None:
    rng = random.Random(seed)
    size = Size(640 + 4 * 480, 640)
    line = TrueLine("".join(rng.choices("abcdefghkmnprstuvxyz0123456789", k=160)), 60.0, 300.0, 30.0)
    readings = see([line], grid(size, 640, 160), SHARP)
    lost = rng.choice(readings[1:-1])
    left = [replace(reading, fragments=()) if reading is lost else reading for reading in readings]
    assert texts(stitch(size, left)) != texts([line])
    looks = look_again(size, left)
    assert [look.kind for look in looks] == ["open", "open"]
    assert texts(stitch(size, left, again=answers(looks, [line]))) == texts([line])


@few
@given(PAGES, GRIDS, SEEDS)
def test_a_good_second_look_loses_and_doubles_nothing(lines: list[TrueLine], tiles: list[Tile], seed: int) -> None:
    readings = see(lines, tiles, Eye(0.1, 1.0, 0.3, 0.0, True), seed)
    first = stitch(PAGE, readings)
    second = stitch(PAGE, readings, again=answers(look_again(PAGE, readings), lines))
    right = texts(lines)
    assert (texts(first) & right).total() <= (texts(second) & right).total()
    assert len(second) <= len(first)


@few
@given(PAGES, GRIDS, SEEDS)
def test_a_second_look_that_sees_rubbish_changes_no_letter(lines: list[TrueLine], tiles: list[Tile], seed: int) -> None:
    readings = see(lines, tiles, REAL, seed)
    rng = random.Random(seed)
    again: Again = []
    for look in look_again(PAGE, readings):
        chars = tuple(Char(rng.choice("-~_."), (k + 0.5) / 40, 0.99) for k in range(40))
        fragments = (Fragment(look.lines[0], chars, 0.99),) if look.kind != "open" else ()
        again.append((look, Reading(look.tile, fragments, MODEL)))
    assert texts(stitch(PAGE, readings, again=again)) == texts(stitch(PAGE, readings))


@few
@given(PAGES, GRIDS, SEEDS)
def test_looks_depend_on_nothing_but_the_readings(lines: list[TrueLine], tiles: list[Tile], seed: int) -> None:
    rng = random.Random(seed)
    readings = see(lines, tiles, Eye(0.1, 1.0, 0.3, 0.1, True), seed)
    looks = look_again(PAGE, readings)
    assert look_again(PAGE, rng.sample(readings, len(readings)) + readings[:2]) == looks
    assert len({look.tile.id for look in looks}) == len(looks)
    again = answers(looks, lines)
    assert stitch(PAGE, readings, again=rng.sample(again, len(again)) + again[:1]) == stitch(
        PAGE, readings, again=again
    )


@few
@given(PAGES, GRIDS, SEEDS)
def test_text_away_from_the_places_stays_as_it_was(lines: list[TrueLine], tiles: list[Tile], seed: int) -> None:
    readings = see(lines, tiles, Eye(0.1, 1.0, 0.3, 0.1, True), seed)
    looks = look_again(PAGE, readings)
    boxes = [look.tile.box for look in looks]
    first = stitch(PAGE, readings)
    second = set(stitch(PAGE, readings, again=answers(looks, lines)))
    away = [line for line in first if not any(line.quad.bounds().intersection(box) for box in boxes)]
    assert set(away) <= second
    assert words(away) <= words(second)
