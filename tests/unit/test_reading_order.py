"""Which lines are read one after the other: down a column of text, along a row of a table."""

import random
from collections.abc import Iterable

import pytest

from ocrfarm.document import Line
from ocrfarm.geometry import Box, Quad
from ocrfarm.stitch.reading_order import sort_in_reading_order

HEIGHT = 20


def line(text: str, x: int, y: int, *, width: int) -> Line:
    quad = Quad((x, y), (x + width, y), (x + width, y + HEIGHT), (x, y + HEIGHT))
    return Line(text, quad, 1.0, model="none")


def column(name: str, x: int, top: int, *, rows: int, step: int = 26, width: int = 400) -> list[Line]:
    """Draw a column of running text; its last line is half as long."""
    return [line(f"{name}{k}", x, top + k * step, width=width // (2 if k == rows - 1 else 1)) for k in range(rows)]


def read(lines: Iterable[Line]) -> list[str]:
    shuffled = list(lines)
    random.Random(7).shuffle(shuffled)
    return [line.text for line in sort_in_reading_order(shuffled)]


def texts(*parts: Iterable[Line]) -> list[str]:
    return [line.text for part in parts for line in part]


LEFT, RIGHT = column("a", 0, 100, rows=12), column("b", 430, 100, rows=9)


@pytest.mark.parametrize("step", [26, 31])
def test_running_text_is_read_down_its_columns(step: int) -> None:
    right = column("b", 430, 103, rows=9, step=step)
    assert read(LEFT + right) == texts(LEFT, right)


def test_a_heading_parts_what_is_above_it_from_what_is_below() -> None:
    title, heading = [line("title", 0, 60, width=830)], [line("heading", 100, 420, width=600)]
    below = column("c", 0, 460, rows=6), column("d", 430, 460, rows=6)
    page = (title, LEFT, RIGHT, heading, *below)
    assert read(each for part in page for each in part) == texts(*page)


def test_a_headline_with_white_beside_it_belongs_to_all_columns() -> None:
    first = [column(name, x, 100, rows=9) for name, x in (("a", 0), ("b", 430), ("c", 860))]
    headline = [line("headline", 0, 380, width=700)]
    second = [column(name, x, 440, rows=7) for name, x in (("d", 0), ("e", 430), ("f", 860))]
    page = (*first, headline, *second)
    assert read(each for part in page for each in part) == texts(*page)


def test_a_headline_with_a_column_beside_it_belongs_to_those_below_it() -> None:
    headline = [line("headline", 0, 380, width=700)]
    first, second = [column(name, 0, y, rows=9) for name, y in (("a", 100), ("d", 420))]
    third, fourth = [column(name, 430, y, rows=9) for name, y in (("b", 100), ("e", 420))]
    beside = column("c", 860, 100, rows=22)
    page = (first, third, headline, second, fourth, beside)
    assert read(each for part in page for each in part) == texts(*page)


def test_a_table_is_read_along_its_rows() -> None:
    tops = range(0, 360, 40)
    rows = [(line(f"what{y}", 0, y, width=150 + y // 2), line(f"price{y}", 500, y, width=60)) for y in tops]
    assert read(cell for row in rows for cell in row) == texts(*rows)


def test_the_rows_of_a_table_whose_cells_are_now_and_then_empty_stay_together() -> None:
    kept = [[x for x in range(4) if (k + x) % 3 or not x] for k in range(12)]
    rows = [[line(f"{k}.{x}", 300 * x, 40 * k, width=90) for x in row] for k, row in enumerate(kept)]
    assert read(cell for row in rows for cell in row) == texts(*rows)


def test_tables_beside_one_another_are_read_one_after_the_other() -> None:
    def bill(name: str, x: int, top: int) -> list[Line]:
        rows = ((f"{name}{k}", f"{name}{k}.00", top + 35 * k) for k in range(10))
        return [line(text, x + at, y, width=80) for what, sum_, y in rows for text, at in ((what, 0), (sum_, 300))]

    first, second = bill("a", 0, 0), bill("b", 450, 13)
    assert read(first + second) == texts(first, second)


def test_columns_that_run_downwards_are_read_in_tiers_from_the_right() -> None:
    """As in a Chinese newspaper: lines run down, the next one stands to the left, and tiers stand below one another."""

    def tier(name: str, top: int) -> list[Line]:
        boxes = [Box(900 - 30 * k, top, 920 - 30 * k, top + 300) for k in range(12)]
        quads = [Quad((b.x1, b.y0), (b.x1, b.y1), (b.x0, b.y1), (b.x0, b.y0)) for b in boxes]
        return [Line(f"{name}{k}", quad, 1.0, model="none") for k, quad in enumerate(quads)]

    upper, lower = tier("a", 0), tier("b", 330)
    assert read(upper + lower) == texts(upper, lower)


def test_two_lines_beside_two_are_no_columns() -> None:
    first, second = column("a", 0, 0, rows=2), column("b", 430, 0, rows=2)
    assert read(first + second) == ["a0", "b0", "a1", "b1"]
