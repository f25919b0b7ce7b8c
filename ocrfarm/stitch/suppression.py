"""Drops what is no line of its own: halves and stumps that a border left of a line that another tile saw whole."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ocrfarm.stitch.chain import JoinedLine
from ocrfarm.stitch.fragment_table import MIN_EXTENT, CandidatePairs, Flags, Floats, FragmentTable, Ints, row_norms
from ocrfarm.stitch.truncation import RELIABLE_DEPTH, TRUNCATED, WHOLE, Truncation

MAX_COVERED_SHARE = 0.6
"""Share of a line's area that a larger line of another tile covers from where on it is the same ink."""

MAX_PARTIAL_COVERED_SHARE, PARTIAL_BOX_SLACK = 0.5, 0.25
"""The same for a slice or a stump, and the text heights by which a line is grown for it: its box is too small and too
crooked to lie well inside."""

MIN_TRUNCATED_LENGTH = 2.0
"""Text heights; a cut fragment shorter than this is a letter or two, and not to be trusted alone."""

MIN_NEAR_BORDER_LENGTH = 1.0
"""Text heights; a fragment this narrow at a border is a part of a letter."""


class OrientedBoxes(NamedTuple):
    """Of n lines: centre (n, 2), unit vector along the text (n, 2), and half extents along and across it (n, 2)."""

    centre: Floats
    direction: Floats
    half_extents: Floats

    @classmethod
    def from_axes(cls, start: Floats, end: Floats, *, height: Floats) -> Self:
        """Give the rectangles whose axes run from `start` to `end` (n, 2)."""
        length = np.maximum(row_norms(end - start), MIN_EXTENT)
        return cls((start + end) / 2, (end - start) / length[:, None], np.stack([length, height], axis=1) / 2)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Give some of them."""
        return type(self)(*(column[rows] for column in self))


def suppress_covered_lines(
    table: FragmentTable, truncation: Truncation, *, joined_lines: Sequence[JoinedLine], pairs: CandidatePairs
) -> list[JoinedLine]:
    """Drop every line that others cover; `pairs` are the fragments of different tiles that touch.

    A larger line covers a smaller one; slices and stumps are covered by all others together.
    """
    lines = _make_line_boxes(table, joined_lines)
    is_scrap = _is_partial_line(table, truncation, joined_lines)
    area = lines.half_extents[:, 0] * lines.half_extents[:, 1]
    small, large = _rank_pairs(*_find_line_pairs(table, joined_lines, pairs), area, is_scrap)
    scrap = is_scrap[small]
    share = compute_covered_share(lines.take(small), lines.take(large), slack=np.where(scrap, PARTIAL_BOX_SLACK, 0.0))
    hit = ~scrap & (share >= MAX_COVERED_SHARE)
    covered = np.bincount(small[scrap], share[scrap], minlength=len(joined_lines)) >= MAX_PARTIAL_COVERED_SHARE
    dropped = _select_suppressed(small[hit], large[hit], area)
    return [line for number, line in enumerate(joined_lines) if not covered[number] and number not in dropped]


def _find_line_pairs(
    table: FragmentTable, joined_lines: Sequence[JoinedLine], pairs: CandidatePairs
) -> tuple[Ints, Ints]:
    """Give the pairs of lines of which parts touch, each pair once."""
    owner = np.full(len(table), -1, np.int64)
    for number, line in enumerate(joined_lines):
        for part in line.segments:
            owner[part.row] = number
    a, b = owner[pairs.a], owner[pairs.b]
    one, two = np.minimum(a, b), np.maximum(a, b)
    both = np.unique((one * len(joined_lines) + two)[(one >= 0) & (one != two)])
    return both // max(len(joined_lines), 1), both % max(len(joined_lines), 1)


def _rank_pairs(one: Ints, two: Ints, area: Floats, is_partial: Flags) -> tuple[Ints, Ints]:
    """Say of each pair which line may be covered by the other: scrap by what is none, else the smaller one."""
    first = np.where(is_partial[one] == is_partial[two], area[one] <= area[two], is_partial[one])
    return np.where(first, one, two), np.where(first, two, one)


def _is_partial_line(table: FragmentTable, truncation: Truncation, joined_lines: Sequence[JoinedLine]) -> Flags:
    """Say which lines are only a slice or a stump."""
    first = np.array([line.segments[0].row for line in joined_lines], np.int64)
    single = np.array([len(line.segments) == 1 for line in joined_lines], np.bool_)
    scrap: Flags = (single & _is_partial_letter(table, truncation)[first]) | truncation.cut_lengthwise[first]
    return scrap


def _is_partial_letter(table: FragmentTable, truncation: Truncation) -> Flags:
    """Say which fragments are a letter or two, cut through or narrower than a letter at a border."""
    short = table.length < MIN_TRUNCATED_LENGTH * table.height
    narrow = table.length < MIN_NEAR_BORDER_LENGTH * table.height
    cut = truncation.grade.min(axis=1)
    stump: Flags = (short & (cut == TRUNCATED)) | (narrow & (cut < WHOLE))
    return stump


def _select_suppressed(small: Ints, large: Ints, area: Floats) -> set[int]:
    """Choose the small lines whose large ones stay, the largest decided first."""
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
    """Find stumps of letters cut by a border, where another tile saw the place whole and found no text there.

    `pairs` are the fragments of different tiles that touch: what touches another tile's text is no false detection.
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
    """Give the distance of a point from the nearest interior border of each tile, negative outside the tile."""
    room = np.concatenate([point - boxes[:, :2], boxes[:, 2:] - point], axis=1)
    depth: Floats = np.where(inner_edges | (room < 0), room, np.inf).min(axis=1)
    return depth


def compute_covered_share(small: OrientedBoxes, large: OrientedBoxes, *, slack: Floats) -> Floats:
    """Give the share of each small rectangle inside the large one of its row, grown by so many of its heights."""
    along = large.direction
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    away = small.centre - large.centre
    cosine = np.abs((small.direction * along).sum(axis=1))
    sine = np.abs((small.direction * across).sum(axis=1))
    long, tall = small.half_extents.T
    room = large.half_extents + (2 * slack * large.half_extents[:, 1])[:, None]
    share = np.ones(len(away))
    for axis, (vector, half) in enumerate(
        ((along, long * cosine + tall * sine), (across, long * sine + tall * cosine))
    ):
        centre, limit = (away * vector).sum(axis=1), room[:, axis]
        inside = np.minimum(centre + half, limit) - np.maximum(centre - half, -limit)
        share *= np.clip(inside / np.maximum(2 * half, MIN_EXTENT), 0.0, 1.0)
    return share
