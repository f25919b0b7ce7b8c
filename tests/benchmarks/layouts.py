"""Layouts of text without any images, whose reading order is known; the same seed gives the same layouts."""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise

from ocrfarm.document import Line
from ocrfarm.geometry import Quad
from ocrfarm.stitch.reading_order import sort_in_reading_order

_JITTER = 0.12
"""Text heights by which a line is off its place, at most."""

_Layout = list[Line]


def make_layouts(count: int, seed: int) -> list[_Layout]:
    """Make so many pages of each kind, with their lines in reading order."""
    rng = random.Random(seed)
    return [kind(rng) for kind in _KINDS for _ in range(count)]


def order_share(layouts: Sequence[_Layout]) -> float:
    """Return the share (0..1) of the lines that are followed by the line that should follow."""
    right, total = 0, 0
    for layout in layouts:
        found = sort_in_reading_order(sorted(layout, key=_key))
        follower = {line.quad: following.quad for line, following in pairwise(found)}
        right += sum(follower.get(line.quad) == following.quad for line, following in pairwise(layout))
        total += len(layout) - 1
    return right / total


def _key(line: Line) -> Quad:
    return line.quad


def _line(rng: random.Random, x: float, y: float, width: float, height: float) -> Line:
    """Draw a line whose top left corner is at (x, y), a little off."""
    dx, dy = (rng.uniform(-_JITTER, _JITTER) * height for _ in range(2))
    return Line("x", Quad.from_bounds(x + dx, y + dy, x + dx + width, y + dy + height), 1.0)


def _column(rng: random.Random, x: float, y: float, *, width: float, bottom: float) -> Iterator[Line]:
    """Draw paragraphs of running text down to `bottom`; the last line of each is shorter."""
    height, left = 20.0, rng.randint(3, 8)
    while y + height <= bottom:
        left -= 1
        yield _line(rng, x, y, width * (rng.uniform(0.2, 0.9) if not left else rng.uniform(0.93, 1.0)), height)
        y += 26 if left else 40
        left = left or rng.randint(3, 8)


def _band(rng: random.Random, grid: Sequence[float], top: float, bottom: float, *, gutter: float) -> Iterator[Line]:
    """Draw columns beside one another that begin at the places of the grid and need not be equally long."""
    for x, following in pairwise(grid):
        yield from _column(rng, x, top, width=following - x - gutter, bottom=bottom - rng.uniform(0, 60))


def _newspaper(rng: random.Random, bands: int = 3) -> _Layout:
    """Make bands of columns 1.1 to 3 text heights apart, each under a heading that runs across some of them."""
    gutter, width, columns = rng.uniform(22, 60), rng.uniform(250, 450), rng.randint(2, 4)
    grid = [number * width for number in range(columns + 1)]
    lines: list[Line] = []
    top = 0.0
    for _ in range(rng.randint(1, bands)):
        bottom = top + rng.uniform(400, 900)
        lines.append(_line(rng, 0, top, rng.uniform(0.55, 1.0) * (grid[-1] - gutter), 36))
        lines += _band(rng, grid, top + 70, bottom, gutter=gutter)
        top = bottom + 60
    return lines


def _table(rng: random.Random, x: float = 0.0, columns: int = 0) -> _Layout:
    """Make rows of cells, some of them empty."""
    widths = [rng.uniform(80, 260) for _ in range(columns or rng.randint(2, 6))]
    gap, step, rows = rng.uniform(25, 120), rng.uniform(26, 44), rng.randint(6, 24)
    lines = []
    for row in range(rows):
        at = x
        for column, width in enumerate(widths):
            if not column or rng.random() < 0.9:
                lines.append(_line(rng, at, row * step, width * rng.uniform(0.3, 1.0), 20))
            at += width + gap
    return lines


def _two_bills(rng: random.Random) -> _Layout:
    """Put two tables beside one another whose rows are not level."""
    first, second = _table(rng, columns=2), _table(rng, columns=2)
    reach = max(line.quad.p1[0] for line in first) + rng.uniform(40, 90)
    dy = rng.uniform(9, 17)
    return first + [Line(line.text, line.quad.transform(reach, dy), 1.0) for line in second]


def _text_and_table(rng: random.Random) -> _Layout:
    """Put a table with a caption below columns of running text."""
    text, table = _newspaper(rng, bands=1), _table(rng)
    low, wide = max(line.quad.p2[1] for line in text) + 40, max(line.quad.p1[0] for line in text)
    moved = (Line(line.text, line.quad.transform(0, low + 45), 1.0) for line in table)
    return [*text, _line(rng, 0, low, rng.uniform(0.55, 1.0) * wide, 24), *moved]


def _slanted(rng: random.Random) -> _Layout:
    """Turn a page of another kind by up to three degrees."""
    slope = rng.uniform(-0.05, 0.05)
    return [
        Line(line.text, Quad.from_points([(x - slope * y, y + slope * x) for x, y in line.quad.points]), 1.0)
        for line in rng.choice((_newspaper, _table))(rng)
    ]


def _vertical(rng: random.Random) -> _Layout:
    """Make tiers of Han text whose lines run down, each to the left of the one before."""
    tiers = ((top, top + rng.uniform(280, 360)) for top in (0, 400, 800))
    return list(chain.from_iterable(_tier(rng, top, bottom) for top, bottom in tiers))


def _tier(rng: random.Random, top: float, bottom: float) -> Iterator[Line]:
    for number in range(rng.randint(8, 16)):
        x0, x1, y = 900 - 30 * number, 920 - 30 * number, top + rng.uniform(-2, 2)
        end = bottom if number % 5 else bottom - rng.uniform(0, 200)
        yield Line("x", Quad((x1, y), (x1, end), (x0, end), (x0, y)), 1.0)


_KINDS: tuple[Callable[[random.Random], _Layout], ...] = (
    _newspaper,
    _table,
    _two_bills,
    _text_and_table,
    _slanted,
    _vertical,
)
