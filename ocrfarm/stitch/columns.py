"""Lines of one angle -> groups that are read one after the other: columns, and what stands above or below them.

Bands and columns in turn, as in the recursive X-Y cut (Nagy and Seth, Hierarchical Representation of Optically Scanned
Documents, ICPR 1984); the columns of a table are told from those of running text, and stay together.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import nsmallest
from statistics import median
from typing import NamedTuple

GUTTER = 1.0
"""Text heights of white between two columns at least; a space between words has a third of one."""

FEW = 0.25
"""Lines that may run across a gutter, for each line of the side that has fewer: headings, notes, specks."""

TRIES = 8
"""Gutters to look at before the lines count as one column."""

LEAST = 3
"""Lines that make a column: two beside two are as often a table."""

LEVEL = 0.25
"""Text heights between the middles of two cells of a row at most; lines of other columns come so close by chance."""

TABLE = 0.7
"""Share of the shorter column's lines that are level with one of the other column, from which on they are rows."""

LONG, FULL = 12.0, 0.6
"""A column of running text has lines this many heights long that fill this share of its width: half of them do."""


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
        parts = _columns(group)
        if len(parts) == 1:
            parts = _bands(group)
        if len(parts) == 1:
            yield group
        else:
            waiting += reversed(parts)


def _bands(lines: Sequence[Framed]) -> list[list[Framed]]:
    """Part columns from what runs across the gutter between them, such as a heading; from top to bottom."""
    for x, gutter in _crossed_gutters(lines):
        across = [line for line in lines if line.start < x + gutter and line.end > x]
        left, right = ([line for line in lines if line.end <= x], [line for line in lines if line.start >= x + gutter])
        if _are_columns(left, right):
            return _parted(lines, across)
    return [list(lines)]


def _crossed_gutters(lines: Sequence[Framed]) -> Iterator[tuple[float, float]]:
    """Give where gutters may be, and how wide they are: at the end of a line, the least crossed ones first."""
    gutter = _gutter(lines)
    starts, ends = (sorted(line.start for line in lines), sorted(line.end for line in lines))
    found = []
    for x in sorted(set(ends)):
        left, right = bisect_right(ends, x), len(lines) - bisect_left(starts, x + gutter)
        across = len(lines) - left - right
        if min(left, right) >= LEAST and 0 < across <= FEW * min(left, right):
            found.append((across, x))
    return ((x, gutter) for _, x in nsmallest(TRIES, found))


def _parted(lines: Sequence[Framed], across: Sequence[Framed]) -> list[list[Framed]]:
    """Part the lines above, beside and below each one of those that run across."""
    bands: dict[int, list[Framed]] = {}
    edges = sorted(edge for line in across for edge in (line.middle - line.height / 2, line.middle + line.height / 2))
    for line in lines:
        bands.setdefault(bisect_right(edges, line.middle), []).append(line)
    return [bands[at] for at in sorted(bands)]


def _columns(run: Sequence[Framed]) -> list[list[Framed]]:
    """Part what stands beside one another, unless it belongs together; from the start of the rows to their end."""
    spans = _united(((line.start, line.end) for line in run), _gutter(run))
    starts = [start for start, _ in spans]
    strips: list[list[Framed]] = [[] for _ in spans]
    for line in run:
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


def _is_text(column: Sequence[Framed]) -> bool:
    width = max(line.end for line in column) - min(line.start for line in column)
    length = median(line.end - line.start for line in column)
    return length >= max(LONG * median(line.height for line in column), FULL * width)


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
