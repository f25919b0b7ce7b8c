"""Lines -> reading order: lines of one angle together, column by column, row by row, each row from its start.

Algorithm: blocks of one angle are found by the widest gaps on the circle of angles, then each is turned level and cut
by the recursive X-Y cut (Nagy and Seth, "Hierarchical Representation of Optically Scanned Documents", ICPR 1984) over
the boxes of its lines (Ha, Haralick and Phillips, "Recursive X-Y Cut Using Bounding Boxes of Connected Components",
ICDAR 1995): into bands at the lines that run across the gutters, and into columns at the gutters.

     |H E A D L I N E  across both |      <- crosses the gutter: a band of its own
     |- - - - - - - - - - - - - - -|
     |  1 ------   :   4 ------    |         bands are read downwards, columns from the start of the rows to their end
     |  2 ------   :   5 ------    |
     |  3 ---      :   6 ------    |      what is left uncut is read row by row, as the cells of a table are
                   ^ gutter, at least MIN_GUTTER wide

Columns of running text are told from those of a table, which stay together: cells of a table are level with one another
and short, or of every length. Invariant: the result is a permutation of the lines that does not depend on their order.
Cost: O(d n log n) for n lines and cuts nested d deep; a group looks at MAX_GUTTERS gutters at most.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from statistics import median
from typing import NamedTuple

import numpy as np

from ocrfarm.document import Line
from ocrfarm.stitch.fragment_table import Floats

MIN_BLOCK_ANGLE_GAP = math.radians(10)
"""Angles with a gap this wide between them belong to different blocks of text."""

MAX_ROW_OFFSET = 0.5
"""Text heights between the middles of two lines of one row at most.
Calibrated: `scripts/bench calibrate --only MAX_ROW_OFFSET`, see docs/calibration.md."""

MIN_GUTTER = 1.0
"""Text heights of white between two columns at least; a space between words has a third of one.
Calibrated: `scripts/bench calibrate --only MIN_GUTTER`, see docs/calibration.md."""

MAX_CROSSING_RATIO = 0.25
"""Lines that may run across a gutter, for each line that begins right behind it: headings, notes, specks.
Calibrated: `scripts/bench calibrate --only MAX_CROSSING_RATIO`, see docs/calibration.md."""

MAX_GUTTERS = 64
"""Gutters to try; the widest newspaper has fewer columns on four pages side by side. It bounds the work."""

MIN_COLUMN_LINES = 3
"""Lines that make a column: two beside two are as often a table.
Calibrated: `scripts/bench calibrate --only MIN_COLUMN_LINES`, see docs/calibration.md."""

MAX_CELL_OFFSET = 0.25
"""Text heights between the middles of two cells of a row at most; lines of other columns come so close by chance.
Calibrated: `scripts/bench calibrate --only MAX_CELL_OFFSET`, see docs/calibration.md."""

MIN_TABLE_SHARE = 0.7
"""Share of the shorter column's lines that are level with one of the other column, from which on they are rows.
Calibrated: `scripts/bench calibrate --only MIN_TABLE_SHARE`, see docs/calibration.md."""

MIN_RUNNING_TEXT_LENGTH, MIN_LENGTH_UNIFORMITY = 8.0, 0.8
"""Running text: half of its lines are this many heights long, and this share of what a tenth of them exceeds.

Cells of tables are short, or of every length.
Calibrated: `scripts/bench calibrate --only reading_order.MIN_`, see docs/calibration.md."""

_Intervals = list[tuple[float, float]]


class ProjectedLine(NamedTuple):
    """A line as its block's direction sees it, in pixels: `start` and `end` along it, `middle` and `height` across."""

    start: float
    end: float
    middle: float
    height: float
    line_number: int


def sort_in_reading_order(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines in reading order; the block with the most text comes first.

    >>> from ocrfarm.geometry import Quad
    >>> def row(text, x, y):
    ...     return Line(text, Quad.from_bounds(x, y, x + 300, y + 20), 1.0)
    >>> columns = [row(f"{name}{k}", x, 30 * k) for k in range(3) for name, x in (("left", 0), ("right", 330))]
    >>> [line.text for line in sort_in_reading_order(columns)]
    ['left0', 'left1', 'left2', 'right0', 'right1', 'right2']
    """
    start, end, height = _measure_lines(lines)
    vectors = end - start
    blocks = _split_blocks(vectors)
    longest_first = sorted(blocks, key=lambda block: (-sum(math.hypot(*vectors[k].tolist()) for k in block), block))
    framed = (_project_block(block, start, vectors, height) for block in longest_first)
    return tuple(lines[k] for block in framed for group in xy_cut(block) for k in _sort_rows(group))


def _measure_lines(lines: Sequence[Line]) -> tuple[Floats, Floats, Floats]:
    """Return the middles of the lines' starts and ends, (m, 2) float64, and their heights, (m) float64, in pixels."""
    corners = np.array([line.quad.points for line in lines], np.float64).reshape(-1, 4, 2)
    height = np.array([line.quad.height for line in lines], np.float64)
    return (corners[:, 0] + corners[:, 3]) / 2, (corners[:, 1] + corners[:, 2]) / 2, height


def _split_blocks(vectors: Floats) -> list[list[int]]:
    """Split the lines where their angles, sorted around the circle, leave a wide gap."""
    angles = sorted((math.atan2(y, x), k) for k, (x, y) in enumerate(vectors.tolist()))
    blocks: list[list[int]] = []
    before = -math.inf
    for angle, k in angles:
        if angle - before > MIN_BLOCK_ANGLE_GAP:
            blocks.append([])
        blocks[-1].append(k)
        before = angle
    if len(blocks) > 1 and angles[0][0] + math.tau - before <= MIN_BLOCK_ANGLE_GAP:
        blocks[0] += blocks.pop()  # the circle closes
    return [sorted(block) for block in blocks]


def _project_block(block: Sequence[int], start: Floats, vectors: Floats, height: Floats) -> list[ProjectedLine]:
    """Turn the lines of one block so that they run along the first axis."""
    x, y = vectors[block].sum(axis=0).tolist()
    norm = math.hypot(x, y) or 1.0
    along, down = np.array([x, y]) / norm, np.array([-y, x]) / norm
    begin, middle = start[block] @ along, (start[block] + vectors[block] / 2) @ down
    measures = (each.tolist() for each in (begin, begin + vectors[block] @ along, middle, height[block]))
    return [ProjectedLine(*measured) for measured in zip(*measures, block, strict=True)]


def _sort_rows(group: Sequence[ProjectedLine]) -> list[int]:
    """Sort the lines of one column by row, then along the row."""
    rows: list[list[tuple[float, float, int]]] = []
    row_at, row_height = -math.inf, 0.0
    for line in sorted(group, key=lambda line: (line.middle, line.start, line.line_number)):
        if line.middle - row_at > MAX_ROW_OFFSET * min(row_height, line.height):
            rows.append([])
            row_at, row_height = line.middle, line.height
        rows[-1].append((line.start, line.middle, line.line_number))
    return [k for row in rows for _, _, k in sorted(row)]


def xy_cut(lines: Sequence[ProjectedLine]) -> Iterator[Sequence[ProjectedLine]]:
    """Yield groups of lines in reading order; each is read row by row.

    >>> def line(number, x, y):
    ...     return ProjectedLine(x, x + 300.0, y, 20.0, number)
    >>> columns = [line(k, 330.0 * (k % 2), 30.0 * k) for k in range(6)]
    >>> [[line.line_number for line in group] for group in xy_cut(columns)]
    [[0, 2, 4], [1, 3, 5]]
    """
    waiting = [lines]
    while waiting:
        group = waiting.pop()
        parts = next((parts for parts in _iter_splits(group) if len(parts) > 1), None)
        if parts:
            waiting += reversed(parts)
        else:
            yield group


def _iter_splits(lines: Sequence[ProjectedLine]) -> Iterator[Sequence[Sequence[ProjectedLine]]]:
    """Split the lines in one way after the other, the surest first; a split into a single part is none."""
    across = [found for gutter in _find_crossed_gutters(lines) if (found := _find_crossing_lines(lines, *gutter))]
    yield _split_bands(lines, _filter_isolated({*chain.from_iterable(across)}, lines))
    yield _split_columns(lines)
    if across:
        yield _split_bands(lines, across[0])


def _find_crossing_lines(lines: Sequence[ProjectedLine], x: float, gutter: float) -> list[ProjectedLine]:
    """Return the lines that run across the gutter, such as headings; none if it parts no columns."""
    left, right = ([line for line in lines if line.end <= x], [line for line in lines if line.start >= x + gutter])
    return [line for line in lines if line.start < x + gutter and line.end > x] if _are_columns(left, right) else []


def _filter_isolated(chosen: Iterable[ProjectedLine], lines: Sequence[ProjectedLine]) -> list[ProjectedLine]:
    """Return those of the lines that have nothing beside them: they belong to all columns."""
    middles = sorted(line.middle for line in lines)

    def beside(line: ProjectedLine) -> int:
        half = line.height / 2
        return bisect_right(middles, line.middle + half) - bisect_left(middles, line.middle - half)

    return [line for line in chosen if beside(line) == 1]


def _split_bands(lines: Sequence[ProjectedLine], crossing: Iterable[ProjectedLine]) -> list[list[ProjectedLine]]:
    """Split the lines into those above, beside and below each line that runs across."""
    bands: dict[int, list[ProjectedLine]] = {}
    edges = sorted(edge for line in crossing for edge in (line.middle - line.height / 2, line.middle + line.height / 2))
    for line in lines:
        bands.setdefault(bisect_right(edges, line.middle), []).append(line)
    return [bands[at] for at in sorted(bands)]


def _find_crossed_gutters(lines: Sequence[ProjectedLine]) -> list[tuple[float, float]]:
    """Return where gutters may be that something crosses, and how wide they are: the least crossed ones first.

    Lines begin below one another behind a gutter, and no place beside it is crossed by fewer lines.
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
    """Split what stands side by side, unless it belongs together; from the start of the rows to their end."""
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
    """Return the share of the lines that have one of the others beside them."""
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
    """Unite the intervals that overlap, or that less than a gutter parts.

    >>> _merge_intervals([(330, 630), (0, 300), (10, 310)], 20.0)
    [(0, 310), (330, 630)]
    """
    united: _Intervals = []
    for start, end in sorted(intervals):
        if united and start - united[-1][1] < gutter:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((start, end))
    return united
