"""Lines of one angle -> groups that are read one after the other: columns, and what stands above or below them.

Bands and columns in turn, as in the recursive X-Y cut (Nagy and Seth, Hierarchical Representation of Optically Scanned
Documents, ICPR 1984); the columns of a table are told from those of running text, and stay together.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from statistics import median
from typing import NamedTuple

MIN_GUTTER = 1.0
"""Text heights of white between two columns at least; a space between words has a third of one."""

MAX_CROSSING_RATIO = 0.25
"""Lines that may run across a gutter, for each line that begins right behind it: headings, notes, specks."""

MAX_GUTTERS = 64
"""Gutters to look at: the columns of the widest newspaper, four pages side by side."""

MIN_COLUMN_LINES = 3
"""Lines that make a column: two beside two are as often a table."""

MAX_CELL_OFFSET = 0.25
"""Text heights between the middles of two cells of a row at most; lines of other columns come so close by chance."""

MIN_TABLE_SHARE = 0.7
"""Share of the shorter column's lines that are level with one of the other column, from which on they are rows."""

MIN_RUNNING_TEXT_LENGTH, MIN_LENGTH_UNIFORMITY = 8.0, 0.8
"""Running text: half of its lines are this many heights long, and this share of what a tenth of them exceeds.

Cells of tables are short, or of every length.
"""


class ProjectedLine(NamedTuple):
    """A line as its block's direction sees it, in pixels: `start` and `end` along it, `middle` and `height` across."""

    start: float
    end: float
    middle: float
    height: float
    line_number: int


_Intervals = list[tuple[float, float]]


def xy_cut(lines: Sequence[ProjectedLine]) -> Iterator[Sequence[ProjectedLine]]:
    """Give groups of lines in reading order: each is read row by row."""
    waiting = [lines]
    while waiting:
        group = waiting.pop()
        parts = next((parts for parts in _iter_splits(group) if len(parts) > 1), None)
        if parts:
            waiting += reversed(parts)
        else:
            yield group


def _iter_splits(lines: Sequence[ProjectedLine]) -> Iterator[Sequence[Sequence[ProjectedLine]]]:
    """Part the lines in one way after the other, the surest first; a parting into one is none."""
    across = [found for gutter in _find_crossed_gutters(lines) if (found := _find_crossing_lines(lines, *gutter))]
    yield _split_bands(lines, _filter_isolated({*chain.from_iterable(across)}, lines))
    yield _split_columns(lines)
    if across:
        yield _split_bands(lines, across[0])


def _find_crossing_lines(lines: Sequence[ProjectedLine], x: float, gutter: float) -> list[ProjectedLine]:
    """Give the lines that run across the gutter, such as headings; none where it parts no columns."""
    left, right = ([line for line in lines if line.end <= x], [line for line in lines if line.start >= x + gutter])
    return [line for line in lines if line.start < x + gutter and line.end > x] if _are_columns(left, right) else []


def _filter_isolated(chosen: Iterable[ProjectedLine], lines: Sequence[ProjectedLine]) -> list[ProjectedLine]:
    """Give those of the lines that have nothing beside them: they belong to all columns."""
    middles = sorted(line.middle for line in lines)

    def beside(line: ProjectedLine) -> int:
        half = line.height / 2
        return bisect_right(middles, line.middle + half) - bisect_left(middles, line.middle - half)

    return [line for line in chosen if beside(line) == 1]


def _split_bands(lines: Sequence[ProjectedLine], crossing: Iterable[ProjectedLine]) -> list[list[ProjectedLine]]:
    """Part the lines above, beside and below each one of those that run across."""
    bands: dict[int, list[ProjectedLine]] = {}
    edges = sorted(edge for line in crossing for edge in (line.middle - line.height / 2, line.middle + line.height / 2))
    for line in lines:
        bands.setdefault(bisect_right(edges, line.middle), []).append(line)
    return [bands[at] for at in sorted(bands)]


def _find_crossed_gutters(lines: Sequence[ProjectedLine]) -> list[tuple[float, float]]:
    """Give where gutters may be that something crosses, and how wide they are: the least crossed ones first.

    Lines begin below one another behind them, and no place beside it is crossed by fewer.
    """
    gutter = _min_gutter_width(lines)
    starts, ends = (sorted(line.start for line in lines), sorted(line.end for line in lines))
    found = []
    for start in sorted(set(starts)):
        before, left = bisect_left(starts, start), bisect_right(ends, start - gutter)
        behind = bisect_right(starts, start + gutter / 2) - before
        if left >= MIN_COLUMN_LINES <= behind and before - left <= MAX_CROSSING_RATIO * behind:
            found.append((before - left, start - gutter))
    best: list[tuple[int, float]] = []
    for across, x in sorted(found):
        if len(best) < MAX_GUTTERS and all(abs(x - other) >= gutter for _, other in best):
            best.append((across, x))
    return [(x, gutter) for across, x in best if across]


def _split_columns(lines: Sequence[ProjectedLine]) -> list[list[ProjectedLine]]:
    """Part what stands beside one another, unless it belongs together; from the start of the rows to their end."""
    spans = _merge_intervals(((line.start, line.end) for line in lines), _min_gutter_width(lines))
    starts = [start for start, _ in spans]
    strips: list[list[ProjectedLine]] = [[] for _ in spans]
    for line in lines:
        strips[bisect_right(starts, line.start) - 1].append(line)
    columns = strips[:1]
    for strip in strips[1:]:
        if _are_columns(columns[-1], strip):
            columns.append(strip)
        else:
            columns[-1] = columns[-1] + strip
    return columns


def _are_columns(left: Sequence[ProjectedLine], right: Sequence[ProjectedLine]) -> bool:
    fewer, more = sorted((left, right), key=len)
    if len(fewer) < MIN_COLUMN_LINES:
        return False
    return (_is_running_text(left) and _is_running_text(right)) or _measure_aligned_share(fewer, more) < MIN_TABLE_SHARE


def _is_running_text(lines: Sequence[ProjectedLine]) -> bool:
    lengths = sorted(line.end - line.start for line in lines)
    least = max(
        MIN_RUNNING_TEXT_LENGTH * median(line.height for line in lines),
        MIN_LENGTH_UNIFORMITY * lengths[len(lengths) * 9 // 10],
    )
    return median(lengths) >= least


def _measure_aligned_share(lines: Sequence[ProjectedLine], others: Sequence[ProjectedLine]) -> float:
    """Give the share of the lines that have one of the others beside them."""
    middles = sorted(line.middle for line in others)
    level = 0
    for line in lines:
        at = bisect_left(middles, line.middle)
        level += any(
            abs(middle - line.middle) <= MAX_CELL_OFFSET * line.height for middle in middles[max(at - 1, 0) : at + 1]
        )
    return level / len(lines)


def _min_gutter_width(lines: Sequence[ProjectedLine]) -> float:
    return MIN_GUTTER * median(line.height for line in lines)


def _merge_intervals(intervals: Iterable[tuple[float, float]], gutter: float) -> _Intervals:
    """Unite the spans that overlap, or that less than a gutter parts."""
    united: _Intervals = []
    for start, end in sorted(intervals):
        if united and start - united[-1][1] < gutter:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((start, end))
    return united
