"""Lines of one angle -> groups that are read one after the other: columns, and what stands above or below them.

Bands and columns in turn, as in the recursive X-Y cut (Nagy and Seth, Hierarchical Representation of Optically Scanned
Documents, ICPR 1984); the columns of a table are told from those of running text, and stay together.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from statistics import median
from typing import NamedTuple

GUTTER = 1.0
"""Text heights of white between two columns at least; a space between words has a third of one."""

FEW = 0.25
"""Lines that may run across a gutter, for each line that begins right behind it: headings, notes, specks."""

TRIES = 64
"""Gutters to look at: the columns of the widest newspaper, four pages side by side."""

LEAST = 3
"""Lines that make a column: two beside two are as often a table."""

LEVEL = 0.25
"""Text heights between the middles of two cells of a row at most; lines of other columns come so close by chance."""

TABLE = 0.7
"""Share of the shorter column's lines that are level with one of the other column, from which on they are rows."""

LONG, ALIKE = 8.0, 0.8
"""Running text: half of its lines are this many heights long, and this share of what a tenth of them exceeds.

Cells of tables are short, or of every length.
"""


class Framed(NamedTuple):
    """A line as its block's direction sees it, in pixels: `start` and `end` along it, `middle` and `height` across."""

    start: float
    end: float
    middle: float
    height: float
    line: int


_Spans = list[tuple[float, float]]


def in_columns(lines: Sequence[Framed]) -> Iterator[Sequence[Framed]]:
    """Give groups of lines in reading order: each is read row by row."""
    waiting = [lines]
    while waiting:
        group = waiting.pop()
        parts = next((parts for parts in _partings(group) if len(parts) > 1), None)
        if parts:
            waiting += reversed(parts)
        else:
            yield group


def _partings(lines: Sequence[Framed]) -> Iterator[Sequence[Sequence[Framed]]]:
    """Part the lines in one way after the other, the surest first; a parting into one is none."""
    across = [found for gutter in _crossed_gutters(lines) if (found := _across(lines, *gutter))]
    yield _bands(lines, _alone({*chain.from_iterable(across)}, lines))
    yield _columns(lines)
    if across:
        yield _bands(lines, across[0])


def _across(lines: Sequence[Framed], x: float, gutter: float) -> list[Framed]:
    """Give the lines that run across the gutter, such as headings; none where it parts no columns."""
    left, right = ([line for line in lines if line.end <= x], [line for line in lines if line.start >= x + gutter])
    return [line for line in lines if line.start < x + gutter and line.end > x] if _are_columns(left, right) else []


def _alone(chosen: Iterable[Framed], lines: Sequence[Framed]) -> list[Framed]:
    """Give those of the lines that have nothing beside them: they belong to all columns."""
    middles = sorted(line.middle for line in lines)

    def beside(line: Framed) -> int:
        half = line.height / 2
        return bisect_right(middles, line.middle + half) - bisect_left(middles, line.middle - half)

    return [line for line in chosen if beside(line) == 1]


def _bands(lines: Sequence[Framed], across: Iterable[Framed]) -> list[list[Framed]]:
    """Part the lines above, beside and below each one of those that run across."""
    bands: dict[int, list[Framed]] = {}
    edges = sorted(edge for line in across for edge in (line.middle - line.height / 2, line.middle + line.height / 2))
    for line in lines:
        bands.setdefault(bisect_right(edges, line.middle), []).append(line)
    return [bands[at] for at in sorted(bands)]


def _crossed_gutters(lines: Sequence[Framed]) -> list[tuple[float, float]]:
    """Give where gutters may be that something crosses, and how wide they are: the least crossed ones first.

    Lines begin below one another behind them, and no place beside it is crossed by fewer.
    """
    gutter = _gutter(lines)
    starts, ends = (sorted(line.start for line in lines), sorted(line.end for line in lines))
    found = []
    for start in sorted(set(starts)):
        before, left = bisect_left(starts, start), bisect_right(ends, start - gutter)
        behind = bisect_right(starts, start + gutter / 2) - before
        if left >= LEAST <= behind and before - left <= FEW * behind:
            found.append((before - left, start - gutter))
    best: list[tuple[int, float]] = []
    for across, x in sorted(found):
        if len(best) < TRIES and all(abs(x - other) >= gutter for _, other in best):
            best.append((across, x))
    return [(x, gutter) for across, x in best if across]


def _columns(lines: Sequence[Framed]) -> list[list[Framed]]:
    """Part what stands beside one another, unless it belongs together; from the start of the rows to their end."""
    spans = _united(((line.start, line.end) for line in lines), _gutter(lines))
    starts = [start for start, _ in spans]
    strips: list[list[Framed]] = [[] for _ in spans]
    for line in lines:
        strips[bisect_right(starts, line.start) - 1].append(line)
    columns = strips[:1]
    for strip in strips[1:]:
        if _are_columns(columns[-1], strip):
            columns.append(strip)
        else:
            columns[-1] = columns[-1] + strip
    return columns


def _are_columns(left: Sequence[Framed], right: Sequence[Framed]) -> bool:
    fewer, more = sorted((left, right), key=len)
    if len(fewer) < LEAST:
        return False
    return (_is_text(left) and _is_text(right)) or _share_level(fewer, more) < TABLE


def _is_text(lines: Sequence[Framed]) -> bool:
    lengths = sorted(line.end - line.start for line in lines)
    least = max(LONG * median(line.height for line in lines), ALIKE * lengths[len(lengths) * 9 // 10])
    return median(lengths) >= least


def _share_level(lines: Sequence[Framed], others: Sequence[Framed]) -> float:
    """Give the share of the lines that have one of the others beside them."""
    middles = sorted(line.middle for line in others)
    level = 0
    for line in lines:
        at = bisect_left(middles, line.middle)
        level += any(abs(middle - line.middle) <= LEVEL * line.height for middle in middles[max(at - 1, 0) : at + 1])
    return level / len(lines)


def _gutter(lines: Sequence[Framed]) -> float:
    return GUTTER * median(line.height for line in lines)


def _united(spans: Iterable[tuple[float, float]], gutter: float) -> _Spans:
    """Unite the spans that overlap, or that less than a gutter parts."""
    united: _Spans = []
    for start, end in sorted(spans):
        if united and start - united[-1][1] < gutter:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((start, end))
    return united
