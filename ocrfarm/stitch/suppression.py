"""Lines of one page -> the lines without those that others cover, and without parts of letters that are no text.

Algorithm: non-maximum suppression (Rosenfeld and Thurston, "Edge and Curve Detection for Visual Scene Analysis", IEEE
Transactions on Computers 1971; Neubeck and Van Gool, "Efficient Non-Maximum Suppression", ICPR 2006). It differs from
the suppression of object detectors in two points. The larger line stays, not the one with the higher score, because a
cut line and a whole line are detected with similar scores. The measure is intersection over the smaller area, not
intersection over union, because half a line covers little of the union with the whole line.

        tile A                   | border of A
     |---- THE PUMP HOUSE ---------|         <- tile B shows the line whole: it stays
     |---- THE PUMP HOU|         |           <- tile A joined nothing to it: covered, dropped
                                 ||          <- a partial line, the first stroke of E: all others cover it together
     |-- ... .. .... --|                     <- a slice of the line at the lower border of a third tile: partial too

Invariant: a whole line is dropped only for a line that stays, so no text that was read is lost. Lines are decided by
area, and then by number, which the fragment table fixes, so the outcome does not depend on the order of the tiles.
Cost: O(p log p) for the p pairs of lines with fragments that touch; the pairs are those of the broad phase.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ocrfarm.stitch.chain import JoinedLine
from ocrfarm.stitch.fragment_table import MIN_EXTENT, CandidatePairs, Flags, Floats, FragmentTable, Ints, row_norms
from ocrfarm.stitch.truncation import RELIABLE_DEPTH, TRUNCATED, WHOLE, Truncation

MAX_COVERED_SHARE = 0.6
"""If a larger line of another tile covers at least this share of a line's area, both show the same text.
Calibrated: `scripts/bench calibrate --only MAX_COVERED_SHARE`, see docs/calibration.md."""

MAX_PARTIAL_COVERED_SHARE, PARTIAL_BOX_SLACK = 0.5, 0.25
"""The same share for a partial line (see `_is_partial_line`), and the margin, in text heights, by which the other lines
are grown before it is measured: the box of a partial line is small and crooked, and rarely lies inside.
Calibrated: `scripts/bench calibrate --only PARTIAL`, see docs/calibration.md."""

MIN_TRUNCATED_LENGTH = 2.0
"""Text heights. A cut fragment shorter than this is a letter or two, and is not reliable by itself.
Calibrated: `scripts/bench calibrate --only MIN_TRUNCATED_LENGTH`, see docs/calibration.md."""

MIN_NEAR_BORDER_LENGTH = 1.0
"""Text heights. A fragment at a border that is narrower than this is a part of a letter.
Calibrated: `scripts/bench calibrate --only MIN_NEAR_BORDER_LENGTH`, see docs/calibration.md."""


class OrientedBoxes(NamedTuple):
    """Rectangles around n lines.

    `centre` (n, 2) float64 is in page pixels, `direction` (n, 2) float64 is the unit vector along the text, and
    `half_extents` (n, 2) float64 are half the length and half the height, in pixels.
    """

    centre: Floats
    direction: Floats
    half_extents: Floats

    @classmethod
    def from_axes(cls, start: Floats, end: Floats, *, height: Floats) -> Self:
        """Return the rectangles around axes.

        Args:
            start: (n, 2) float64, where the axes begin, page pixels.
            end: (n, 2) float64, where they end.
            height: (n) float64, pixels across the axes.
        """
        length = np.maximum(row_norms(end - start), MIN_EXTENT)
        return cls((start + end) / 2, (end - start) / length[:, None], np.stack([length, height], axis=1) / 2)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return the rectangles of some rows."""
        return type(self)(*(column[rows] for column in self))


def suppress_covered_lines(
    table: FragmentTable, truncation: Truncation, *, joined_lines: Sequence[JoinedLine], pairs: CandidatePairs
) -> list[JoinedLine]:
    """Drop every line that others cover.

    A larger line covers a smaller one; a partial line is covered by all the others together.

    Args:
        table: The fragments of the page.
        truncation: Which of their ends and sides are cut.
        joined_lines: The lines made of them.
        pairs: The fragments of different tiles that touch.
    """
    lines = _make_line_boxes(table, joined_lines)
    is_partial = _is_partial_line(table, truncation, joined_lines)
    area = lines.half_extents[:, 0] * lines.half_extents[:, 1]
    small, large = _rank_pairs(*_find_line_pairs(table, joined_lines, pairs), area, is_partial)
    partial = is_partial[small]
    share = compute_covered_share(lines.take(small), lines.take(large), slack=np.where(partial, PARTIAL_BOX_SLACK, 0.0))
    suppressed = ~partial & (share >= MAX_COVERED_SHARE)
    covered = np.bincount(small[partial], share[partial], minlength=len(joined_lines)) >= MAX_PARTIAL_COVERED_SHARE
    dropped = _select_suppressed(small[suppressed], large[suppressed], area)
    return [line for number, line in enumerate(joined_lines) if not covered[number] and number not in dropped]


def _find_line_pairs(
    table: FragmentTable, joined_lines: Sequence[JoinedLine], pairs: CandidatePairs
) -> tuple[Ints, Ints]:
    """Return each pair of lines with fragments that touch, once, as two arrays (p,) int64."""
    owner = np.full(len(table), -1, np.int64)
    for number, line in enumerate(joined_lines):
        for part in line.segments:
            owner[part.row] = number
    a, b = owner[pairs.a], owner[pairs.b]
    one, two = np.minimum(a, b), np.maximum(a, b)
    both = np.unique((one * len(joined_lines) + two)[(one >= 0) & (one != two)])
    return both // max(len(joined_lines), 1), both % max(len(joined_lines), 1)


def _rank_pairs(one: Ints, two: Ints, area: Floats, is_partial: Flags) -> tuple[Ints, Ints]:
    """Return, for each pair, the line that may be covered and the line that may cover it, (p,) int64 each.

    If only one line is partial, it is the one that may be covered; otherwise the smaller one is.
    """
    first = np.where(is_partial[one] == is_partial[two], area[one] <= area[two], is_partial[one])
    return np.where(first, one, two), np.where(first, two, one)


def _is_partial_line(table: FragmentTable, truncation: Truncation, joined_lines: Sequence[JoinedLine]) -> Flags:
    """Find the lines that are a single fragment of a letter or two, or that a border cuts lengthwise, (l,) bool."""
    first = np.array([line.segments[0].row for line in joined_lines], np.int64)
    single = np.array([len(line.segments) == 1 for line in joined_lines], np.bool_)
    partial: Flags = (single & _is_partial_letter(table, truncation)[first]) | truncation.cut_lengthwise[first]
    return partial


def _is_partial_letter(table: FragmentTable, truncation: Truncation) -> Flags:
    """Find truncated fragments of a letter or two, and fragments at a border narrower than a letter, (n,) bool."""
    short = table.length < MIN_TRUNCATED_LENGTH * table.height
    narrow = table.length < MIN_NEAR_BORDER_LENGTH * table.height
    cut = truncation.grade.min(axis=1)
    partial: Flags = (short & (cut == TRUNCATED)) | (narrow & (cut < WHOLE))
    return partial


def _select_suppressed(small: Ints, large: Ints, area: Floats) -> set[int]:
    """Select the small lines whose large line stays.

    The largest lines are decided first, so a line that is dropped cannot drop another one.
    """
    dropped: set[int] = set()
    order = np.lexsort((-small, -area[small]))
    for one, by in zip(small[order].tolist(), large[order].tolist(), strict=True):
        if by not in dropped:
            dropped.add(one)
    return dropped


def _make_line_boxes(table: FragmentTable, joined_lines: Sequence[JoinedLine]) -> OrientedBoxes:
    first = np.array([line.segments[0].row for line in joined_lines], np.int64)
    last = np.array([line.segments[-1].row for line in joined_lines], np.int64)
    start = (table.corners[first, 0] + table.corners[first, 3]) / 2
    end = (table.corners[last, 1] + table.corners[last, 2]) / 2
    return OrientedBoxes.from_axes(start, end, height=(table.height[first] + table.height[last]) / 2)


def find_false_detections(table: FragmentTable, truncation: Truncation, *, pairs: CandidatePairs) -> Flags:
    """Find parts of letters at a border where another tile, which shows them completely, found no text, (n,) bool.

    Args:
        table: The fragments of the page.
        truncation: Which of their ends and sides are cut.
        pairs: The fragments of different tiles that touch. A fragment that touches text of another tile is kept.
    """
    alone = np.ones(len(table), np.bool_)
    alone[pairs.a] = alone[pairs.b] = False
    false_detections: Flags = alone & (truncation.cut_lengthwise | _is_partial_letter(table, truncation))
    boxes, interior = table.tile_boxes(), table.inner_edges()
    for index in np.flatnonzero(false_detections).tolist():
        depth = _measure_depth(boxes, interior, table.centre[index])
        false_detections[index] = (np.delete(depth, table.tile_index[index]) >= RELIABLE_DEPTH).any()
    return false_detections


def _measure_depth(boxes: Floats, inner_edges: Flags, point: Floats) -> Floats:
    """Return the distance of a point (2,) from the nearest interior border of each tile, negative outside the tile."""
    distance = np.concatenate([point - boxes[:, :2], boxes[:, 2:] - point], axis=1)
    depth: Floats = np.where(inner_edges | (distance < 0), distance, np.inf).min(axis=1)
    return depth


def compute_covered_share(small: OrientedBoxes, large: OrientedBoxes, *, slack: Floats) -> Floats:
    """Return the share (0..1) of each small rectangle inside the large one of the same row.

    In the large one's frame the small one is replaced by its upright bounding box, so the share is exact for parallel
    lines and the product of two projections (as in the separating axis test) otherwise.

    Args:
        small: n rectangles.
        large: n rectangles.
        slack: (n,) float64, by how many of its own heights each large rectangle is grown on all sides.

    >>> points = np.array([[0.0, 0.0], [8.0, 0.0]]), np.array([[10.0, 0.0], [30.0, 0.0]])
    >>> boxes = OrientedBoxes.from_axes(*points, height=np.array([4.0, 4.0]))
    >>> compute_covered_share(boxes.take(np.array([0])), boxes.take(np.array([1])), slack=np.zeros(1)).tolist()
    [0.2]
    """
    along = large.direction
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    offset = small.centre - large.centre
    cosine = np.abs((small.direction * along).sum(axis=1))
    sine = np.abs((small.direction * across).sum(axis=1))
    long, tall = small.half_extents.T
    limits = large.half_extents + (2 * slack * large.half_extents[:, 1])[:, None]
    share = np.ones(len(offset))
    for axis, (vector, half) in enumerate(
        ((along, long * cosine + tall * sine), (across, long * sine + tall * cosine))
    ):
        centre, limit = (offset * vector).sum(axis=1), limits[:, axis]
        inside = np.minimum(centre + half, limit) - np.maximum(centre - half, -limit)
        share *= np.clip(inside / np.maximum(2 * half, MIN_EXTENT), 0.0, 1.0)
    return share
