"""Lines that tiles left to their neighbours -> those that no neighbour has."""

from collections.abc import Iterable, Iterator

import numpy as np

from ocrfarm.geometry import Quad
from ocrfarm.stitch.fragment_table import Flags, Floats, FragmentTable, Ints
from ocrfarm.stitch.rectangles import OrientedBoxes, compute_covered_share
from ocrfarm.tile import Tile, TileResult

MIN_NEIGHBOUR_COVERED_SHARE, NEIGHBOUR_BOX_SLACK = 0.95, 0.25
"""Share of a line's area that fragments of other tiles cover together, grown by so many of their heights, from where on
they have the line: a neighbour that could be read in parts only may have a part of it. Boxes of one line in two tiles
differ by less than the slack."""


def find_missing_deferred_lines(table: FragmentTable, readings: Iterable[TileResult]) -> list[Quad]:
    """Give the lines that were left to neighbours and that none has, in a fixed order."""
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
    """Give the numbers of the fragments of the tiles that overlap this one."""
    boxes, box = table.tile_boxes(), tile.box
    beside = (boxes[:, :2] < (box.x1, box.y1)).all(axis=1) & (boxes[:, 2:] > (box.x0, box.y0)).all(axis=1)
    beside &= np.array([other.tile.id != tile.id for other in table.readings], np.bool_)
    numbers: Ints = np.flatnonzero(beside[table.tile_index])
    return numbers


def _is_touching(corners: Floats, low: Floats, high: Floats) -> Flags:
    """Say which upright boxes of lefts (rows) and of fragments (columns) touch."""
    first, last = corners.min(axis=1)[:, None], corners.max(axis=1)[:, None]
    meet: Flags = ((first <= high[None]) & (last >= low[None])).all(axis=2)
    return meet


def _make_oriented_boxes(corners: Floats) -> OrientedBoxes:
    start, end = (corners[:, 0] + corners[:, 3]) / 2, (corners[:, 1] + corners[:, 2]) / 2
    sides = corners[:, 3] - corners[:, 0] + corners[:, 2] - corners[:, 1]
    return OrientedBoxes.from_axes(start, end, height=np.hypot(sides[:, 0], sides[:, 1]) / 2)
