"""Lines of the first stitching -> which places are read a second time, each for a written reason; what of it counts.

Algorithm: a reject option (Chow, "On Optimum Recognition Error and Reject Tradeoff", IEEE Transactions on Information
Theory 1970): what the first reading proves is accepted, and only the rest costs a second one.

     kind            the first reading                       what is read again
     "seam"          |THE PUMP H(0USE| two letters agreed    the whole line, as it is
     "open_end"      |THE PUMP H)      and no tile goes on   a tile around the end; what continues the line counts
     "deferred"      left to a neighbour, which has it not   the line alone
     "low_confidence" |TI1E PLMP|      too likely wrong      the line, by the stronger model of the profile, if any

A line is in one kind at most of "seam" and "low_confidence". Invariant: the same readings give the same regions in the
same order, so a second pass can be asked for again after a crash and its results still fit. Cost: O(l + c) for l lines
of c characters; each tile with deferred lines is compared with the fragments of its neighbours.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.stitch.chain import JoinedLine, Segment, line_quad
from ocrfarm.stitch.fragment_table import Flags, Floats, FragmentTable, Ints
from ocrfarm.stitch.matching import MAX_AXIS_OFFSET_SAME_TEXT, MIN_HEIGHT_RATIO
from ocrfarm.stitch.suppression import OrientedBoxes, compute_covered_share
from ocrfarm.stitch.truncation import TRUNCATED, Truncation, find_truncation
from ocrfarm.tile import (
    DETECTOR_STRIDE,
    SECOND_PASS_QUADKEY,
    Fragment,
    SecondPassKind,
    SecondPassRegion,
    Tile,
    TileId,
    TileResult,
)

MIN_SEAM_AGREEMENT = 1.0
"""Share of the letters at a seam that both tiles must have read alike.
Calibrated: `scripts/bench calibrate --only MIN_SEAM_AGREEMENT`, see docs/calibration.md."""

MIN_SEAM_ANCHORS = 3
"""Letters that both must have read alike at the same place.
Calibrated: `scripts/bench calibrate --only MIN_SEAM_ANCHORS`, see docs/calibration.md."""

MIN_SEAM_CONFIDENCE, SEAM_CHARS = 0.6, 2
"""Least mean confidence of so many letters on each side of a seam.
Calibrated: `scripts/bench calibrate --only SEAM_C`, see docs/calibration.md."""

MIN_VIEW_CONFIDENCE = 0.6
"""Least confidence of every view that a line is made of.
Calibrated: `scripts/bench calibrate --only MIN_VIEW_CONFIDENCE`, see docs/calibration.md."""

MIN_SEARCH_SIDE = 512
"""Pixels of a side of the tile that is searched around an open end at least. The side is half that of a first tile if
that is more, so that the tile shows as much of the line's rest as the detector needs to find it.
Calibrated: `scripts/bench calibrate --only MIN_SEARCH_SIDE`, see docs/calibration.md."""

SEARCH_GRID_DIVISOR = 8
"""The places of searched tiles are multiples of this part of their side, so that ends near one another share one."""

LINE_MARGIN = 0.5
"""Heights of a line that are shown on each side of it.
Calibrated: `scripts/bench calibrate --only second_pass.LINE_MARGIN`, see docs/calibration.md."""

DEFERRED_LINE_MARGIN = 2.5
"""Heights of a deferred line that are shown on each side of it, so that no border of its tile seems to cut it.
Calibrated: `scripts/bench calibrate --only DEFERRED_LINE_MARGIN`, see docs/calibration.md."""

MAX_REGION_PIXELS = 32_000_000
"""Pixels of the box around a line that is read again; a slanted line across a very large page is left as it is."""

_RegionSpec = tuple[Box, tuple[Quad, ...], SecondPassKind]

MAX_DRIFT = 0.05
"""Pixels sideways that a line may drift for each pixel beyond its known part.
Calibrated: `scripts/bench calibrate --only MAX_DRIFT`, see docs/calibration.md."""

MIN_NEIGHBOUR_COVERED_SHARE, NEIGHBOUR_BOX_SLACK = 0.95, 0.25
"""Share of a line's area that fragments of other tiles cover together, grown by so many of their heights, from which on
they have the line: a neighbour that could be read in parts only may have a part of it. Boxes of one line in two tiles
differ by less than the slack. Calibrated: `scripts/bench calibrate --only NEIGHBOUR`, see docs/calibration.md."""


class SecondPassCriteria(NamedTuple):
    """Which lines a stronger model reads.

    These are the lines whose estimated probability of being right is below `min_confidence` (0: none), but no more than
    the fraction `max_fraction` of all lines, the least likely first.
    """

    min_confidence: float = 0.0
    max_fraction: float = 1.0


DEFAULT_CRITERIA = SecondPassCriteria()


def build_second_pass_regions(
    size: Size,
    table: FragmentTable,
    *,
    joined_lines: Sequence[JoinedLine],
    deferred: Sequence[Quad],
    criteria: SecondPassCriteria = DEFAULT_CRITERIA,
) -> tuple[SecondPassRegion, ...]:
    """Return the regions of a page that are read again, in a fixed order.

    Args:
        size: The page's size, pixels.
        table: The fragments of the page's native tiles; it has at least one reading.
        joined_lines: The lines made of them.
        deferred: Lines that tiles left to neighbours which do not have them.
        criteria: Which lines a stronger model reads.
    """
    truncation, page = find_truncation(table), table.readings[0].tile.id.page_index
    low_confidence = _find_low_confidence(table, joined_lines, criteria)
    open_ends = [end for line in joined_lines for end in _find_open_ends(table, truncation, line)]
    searches = _make_search_regions(size, table, open_ends)
    uncertain = {
        line_quad(table, line) for line in joined_lines if _has_uncertain_seam(table, truncation, line)
    }.difference(low_confidence)
    wanted = [
        *searches,
        *_make_line_regions(size, uncertain, "seam", LINE_MARGIN),
        *_make_line_regions(size, deferred, "deferred", DEFERRED_LINE_MARGIN),
        *_group_by_tile(size, table, low_confidence),
    ]
    return tuple(
        SecondPassRegion(Tile(TileId(page, 0, 0, index, SECOND_PASS_QUADKEY), box, size), quads, kind)
        for index, (box, quads, kind) in enumerate(wanted)
    )


def _find_low_confidence(
    table: FragmentTable, joined_lines: Sequence[JoinedLine], criteria: SecondPassCriteria
) -> dict[Quad, int]:
    """Return the lines that are too likely wrong somewhere, each with the one tile that shows it whole, or -1."""
    if not criteria.min_confidence:
        return {}
    found = sorted((_estimate_correctness(table, line), line_quad(table, line), line) for line in joined_lines)
    chosen = [(quad, line.segments) for chance, quad, line in found if chance < criteria.min_confidence]
    return {
        quad: int(table.tile_index[parts[0].row]) if len(parts) == 1 else -1
        for quad, parts in chosen[: math.ceil(criteria.max_fraction * len(found))]
    }


def _estimate_correctness(table: FragmentTable, line: JoinedLine) -> float:
    """Return the probability that every letter of a line is right, as far as the recognizer can tell."""
    runs = (table.fragment(part.row).chars[part.first : part.stop] for part in line.segments)
    return math.prod(char.confidence for run in runs for char in run if char.text != " ")


def _group_by_tile(size: Size, table: FragmentTable, low_confidence: Mapping[Quad, int]) -> list[_RegionSpec]:
    """Put the lines that one tile shows into one region, so that they are fetched and read together."""
    shown = defaultdict(list)
    for quad, tile in sorted(low_confidence.items()):
        shown[tile].append(quad)
    seams = _make_line_regions(size, shown.pop(-1, []), "low_confidence", LINE_MARGIN)
    return seams + [
        (table.readings[tile].tile.box, tuple(quads), "low_confidence") for tile, quads in sorted(shown.items())
    ]


def _make_line_regions(size: Size, quads: Iterable[Quad], kind: SecondPassKind, margin: float) -> list[_RegionSpec]:
    """Return the boxes around lines that are read as they are, with a margin of so many of their heights."""
    frame = Box(0, 0, size.width, size.height)
    boxes = [(_grow_bounds(quad, margin).intersection(frame), quad) for quad in quads]
    return sorted((box, (quad,), kind) for box, quad in boxes if box and box.area <= MAX_REGION_PIXELS)


def _has_uncertain_seam(table: FragmentTable, truncation: Truncation, line: JoinedLine) -> bool:
    """Return whether the seams of a line fail to prove its text."""
    if line.anchors is None:
        return False
    models = {table.reading(part.row).model for part in line.segments}
    weakest = min(table.fragment(part.row).confidence for part in line.segments)
    return (
        line.agreement < MIN_SEAM_AGREEMENT
        or line.anchors < MIN_SEAM_ANCHORS
        or line.has_turned_view
        or len(models) > 1
        or weakest < MIN_VIEW_CONFIDENCE
        or any(bool(truncation.cut_lengthwise[part.row]) for part in line.segments)
        or any(_measure_seam_confidence(table, one, two) < MIN_SEAM_CONFIDENCE for one, two in pairwise(line.segments))
    )


def _measure_seam_confidence(table: FragmentTable, one: Segment, two: Segment) -> float:
    before = table.fragment(one.row).chars[max(one.stop - SEAM_CHARS, one.first) : one.stop]
    after = table.fragment(two.row).chars[two.first : min(two.first + SEAM_CHARS, two.stop)]
    sure = [char.confidence for char in (*before, *after)]
    return sum(sure) / max(len(sure), 1)


def _find_open_ends(table: FragmentTable, truncation: Truncation, line: JoinedLine) -> Iterator[tuple[int, int]]:
    """Yield the fragments at whose start (0) or end (1) the line was cut through letters and not continued."""
    if line.has_turned_view:
        return
    first, last = line.segments[0].row, line.segments[-1].row
    for piece, end in ((first, 0), (last, 1)):
        if truncation.grade[piece, end] == TRUNCATED and not truncation.cut_lengthwise[piece]:
            yield piece, end


def _make_search_regions(size: Size, table: FragmentTable, ends: Sequence[tuple[int, int]]) -> list[_RegionSpec]:
    """Return the boxes to search and the lines that end in each."""
    found: dict[Box, list[Quad]] = {}
    for piece, end in ends:
        quad = table.quad(piece)
        x, y = quad.segment(end, end).centre
        box = table.reading(piece).tile.box
        side = max(MIN_SEARCH_SIDE, max(box.width, box.height) // (2 * DETECTOR_STRIDE) * DETECTOR_STRIDE)
        found.setdefault(_make_search_box(size, x, y, side), []).append(quad)
    return sorted((box, tuple(sorted(quads)), "open_end") for box, quads in found.items())


def _make_search_box(size: Size, x: float, y: float, side: int) -> Box:
    grid = side // SEARCH_GRID_DIVISOR
    across, down = (round((at - side / 2) / grid) * grid for at in (x, y))
    x0, y0 = (max(min(at, extent - side), 0) for at, extent in ((across, size.width), (down, size.height)))
    return Box(x0, y0, min(x0 + side, size.width), min(y0 + side, size.height))


def _grow_bounds(quad: Quad, heights: float) -> Box:
    box = quad.bounds()
    margin = round(quad.height * heights)
    return Box(box.x0 - margin, box.y0 - margin, box.x1 + margin, box.y1 + margin)


def keep_continuations(region: SecondPassRegion, reading: TileResult) -> TileResult:
    """Return of a searched tile only what lies on the axes of the lines that end in it: nothing else is to change.

    Args:
        region: The searched tile and the lines that end in it.
        reading: What was read in it.
    """
    kept = tuple(
        fragment for fragment in reading.fragments if any(_is_continuation(line, fragment) for line in region.lines)
    )
    return replace(reading, fragments=kept)


def _is_continuation(line: Quad, fragment: Fragment) -> bool:
    low, high = sorted((line.height, fragment.quad.height))
    (x, y), (cx, cy) = line.centre, fragment.quad.centre
    dx, dy = (line.p1[0] - line.p0[0]) / max(line.length, 1), (line.p1[1] - line.p0[1]) / max(line.length, 1)
    along, across = (cx - x) * dx + (cy - y) * dy, (cy - y) * dx - (cx - x) * dy
    beyond = max(abs(along) - line.length / 2, 0)
    return low >= MIN_HEIGHT_RATIO * high and abs(across) <= MAX_AXIS_OFFSET_SAME_TEXT * low + MAX_DRIFT * beyond


def find_missing_deferred_lines(table: FragmentTable, readings: Iterable[TileResult]) -> list[Quad]:
    """Return the lines that tiles left to their neighbours and that none of these has, in a fixed order.

    Args:
        table: The fragments of the page's native tiles.
        readings: The results of the same tiles, with the lines that each deferred.
    """
    lines = OrientedBoxes(table.centre, table.direction, np.stack([table.length, table.height], axis=1) / 2)
    low, high = table.corners.min(axis=1), table.corners.max(axis=1)
    missing = set()
    for tile, left in _iter_deferred_lines(readings):
        corners = np.array([quad.points for quad in left], np.float64)
        others = _select_neighbour_rows(table, tile)
        one, two = np.nonzero(_is_touching(corners, low[others], high[others]))
        share = compute_covered_share(
            _make_oriented_boxes(corners).take(one),
            lines.take(others[two]),
            slack=np.full(len(one), NEIGHBOUR_BOX_SLACK),
        )
        covered = np.bincount(one, share, minlength=len(left))
        missing |= {quad for quad, had in zip(left, covered.tolist(), strict=True) if had < MIN_NEIGHBOUR_COVERED_SHARE}
    return sorted(missing)


def _iter_deferred_lines(readings: Iterable[TileResult]) -> Iterator[tuple[Tile, list[Quad]]]:
    for reading in readings:
        if reading.deferred_lines:
            yield reading.tile, sorted(reading.deferred_lines)


def _select_neighbour_rows(table: FragmentTable, tile: Tile) -> Ints:
    """Return the rows of the fragments of the tiles that overlap this one, (r) int64."""
    boxes, box = table.tile_boxes(), tile.box
    beside = (boxes[:, :2] < (box.x1, box.y1)).all(axis=1) & (boxes[:, 2:] > (box.x0, box.y0)).all(axis=1)
    beside &= np.array([other.tile.id != tile.id for other in table.readings], np.bool_)
    numbers: Ints = np.flatnonzero(beside[table.tile_index])
    return numbers


def _is_touching(corners: Floats, low: Floats, high: Floats) -> Flags:
    """Return which upright boxes of deferred lines (rows) and of fragments (columns) touch, (d, r) bool."""
    first, last = corners.min(axis=1)[:, None], corners.max(axis=1)[:, None]
    meet: Flags = ((first <= high[None]) & (last >= low[None])).all(axis=2)
    return meet


def _make_oriented_boxes(corners: Floats) -> OrientedBoxes:
    start, end = (corners[:, 0] + corners[:, 3]) / 2, (corners[:, 1] + corners[:, 2]) / 2
    sides = corners[:, 3] - corners[:, 0] + corners[:, 2] - corners[:, 1]
    return OrientedBoxes.from_axes(start, end, height=np.hypot(sides[:, 0], sides[:, 1]) / 2)
