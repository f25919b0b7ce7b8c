"""Lines that tiles left to their neighbours -> those that no neighbour has."""

from collections.abc import Iterable, Iterator

import numpy as np

from ocrfarm.geometry import Quad
from ocrfarm.stitch.pieces import Flags, Floats, Ints, Pieces
from ocrfarm.stitch.rectangles import Rectangles, share_covered
from ocrfarm.tile import Reading, Tile

HAD, SLACK = 0.95, 0.25
"""Share of a line's area that fragments of other tiles cover together, grown by so many of their heights, from where on
they have the line: a neighbour that could be read in parts only may have a part of it. Boxes of one line in two tiles
differ by less than the slack."""


def unread(pieces: Pieces, readings: Iterable[Reading]) -> list[Quad]:
    """Give the lines that were left to neighbours and that none has, in a fixed order."""
    lines = Rectangles(pieces.centre, pieces.along, np.stack([pieces.length, pieces.height], axis=1) / 2)
    low, high = pieces.corners.min(axis=1), pieces.corners.max(axis=1)
    missing = set()
    for tile, left in _left(readings):
        corners = np.array([quad.points for quad in left], np.float64)
        others = _of_other_tiles(pieces, tile)
        one, two = np.nonzero(_meet(corners, low[others], high[others]))
        share = share_covered(_around(corners).take(one), lines.take(others[two]), slack=np.full(len(one), SLACK))
        covered = np.bincount(one, share, minlength=len(left))
        missing |= {quad for quad, had in zip(left, covered.tolist(), strict=True) if had < HAD}
    return sorted(missing)


def _left(readings: Iterable[Reading]) -> Iterator[tuple[Tile, list[Quad]]]:
    for reading in readings:
        if reading.left:
            yield reading.tile, sorted(reading.left)


def _of_other_tiles(pieces: Pieces, tile: Tile) -> Ints:
    """Give the numbers of the fragments of the tiles that overlap this one."""
    boxes, box = pieces.tile_boxes(), tile.box
    beside = (boxes[:, :2] < (box.x1, box.y1)).all(axis=1) & (boxes[:, 2:] > (box.x0, box.y0)).all(axis=1)
    beside &= np.array([other.tile.id != tile.id for other in pieces.readings], np.bool_)
    numbers: Ints = np.flatnonzero(beside[pieces.tile])
    return numbers


def _meet(corners: Floats, low: Floats, high: Floats) -> Flags:
    """Say which upright boxes of lefts (rows) and of fragments (columns) touch."""
    first, last = corners.min(axis=1)[:, None], corners.max(axis=1)[:, None]
    meet: Flags = ((first <= high[None]) & (last >= low[None])).all(axis=2)
    return meet


def _around(corners: Floats) -> Rectangles:
    start, end = (corners[:, 0] + corners[:, 3]) / 2, (corners[:, 1] + corners[:, 2]) / 2
    sides = corners[:, 3] - corners[:, 0] + corners[:, 2] - corners[:, 1]
    return Rectangles.between(start, end, height=np.hypot(sides[:, 0], sides[:, 1]) / 2)
