"""Drops what is no line of its own: halves and stumps that a border left of a line that another tile saw whole."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocrfarm.stitch.chains import Joined
from ocrfarm.stitch.cuts import DEEP, FREE, HARD, Cuts
from ocrfarm.stitch.pieces import Flags, Floats, Ints, Pieces, distance

COVERED = 0.6
"""Share of a line's area that a larger line of another tile covers from where on it is the same ink."""

STUMP = 2.0
"""Text heights; a cut fragment shorter than this is a letter or two, and not to be trusted alone."""

SLIVER = 1.0
"""Text heights; a fragment this narrow at a border is a part of a letter."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """Rectangles around m lines: centre, unit vector along the text, and half extents along and across it."""

    centre: Floats
    along: Floats
    half: Floats


def sweep(pieces: Pieces, joined: Sequence[Joined], a: Ints, b: Ints) -> list[Joined]:
    """Drop every line that a larger one covers; a, b are the pairs of fragments of different tiles that touch."""
    owner = np.full(len(pieces), -1, np.int64)
    for number, line in enumerate(joined):
        for part in line.parts:
            owner[part.piece] = number
    lines = _rectangles(pieces, joined)
    area = lines.half[:, 0] * lines.half[:, 1]
    one, two = owner[a], owner[b]
    two_lines = (one != two) & (one >= 0) & (two >= 0)
    one, two = one[two_lines], two[two_lines]
    swap = (area[one] > area[two]) | ((area[one] == area[two]) & (one < two))
    small, large = np.where(swap, two, one), np.where(swap, one, two)
    hit = _share_covered(lines, small, large) >= COVERED
    return _without(joined, area, small[hit], large[hit])


def _without(joined: Sequence[Joined], area: Floats, small: Ints, large: Ints) -> list[Joined]:
    """Leave out each small line whose large one stays, the largest decided first."""
    dropped: set[int] = set()
    order = np.lexsort((small, -area[large], -area[small]))
    for one, by in zip(small[order].tolist(), large[order].tolist(), strict=True):
        if by not in dropped:
            dropped.add(one)
    return [line for number, line in enumerate(joined) if number not in dropped]


def _rectangles(pieces: Pieces, joined: Sequence[Joined]) -> _Lines:
    first = np.array([line.parts[0].piece for line in joined], np.int64)
    last = np.array([line.parts[-1].piece for line in joined], np.int64)
    start = (pieces.corners[first, 0] + pieces.corners[first, 3]) / 2
    end = (pieces.corners[last, 1] + pieces.corners[last, 2]) / 2
    length = np.maximum(distance(end - start), 1e-9)
    height = (pieces.height[first] + pieces.height[last]) / 2
    return _Lines((start + end) / 2, (end - start) / length[:, None], np.stack([length, height], axis=1) / 2)


def _share_covered(lines: _Lines, small: Ints, large: Ints) -> Floats:
    """Give the share of each small line inside the large one, both as rectangles in the large one's frame."""
    along = lines.along[large]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    away = lines.centre[small] - lines.centre[large]
    cosine = np.abs((lines.along[small] * along).sum(axis=1))
    sine = np.abs((lines.along[small] * across).sum(axis=1))
    long, tall = lines.half[small].T
    share = np.ones(len(small))
    for axis, (vector, half) in enumerate(
        ((along, long * cosine + tall * sine), (across, long * sine + tall * cosine))
    ):
        centre, limit = (away * vector).sum(axis=1), lines.half[large, axis]
        inside = np.minimum(centre + half, limit) - np.maximum(centre - half, -limit)
        share *= np.clip(inside / np.maximum(2 * half, 1e-9), 0.0, 1.0)
    return share


def find_ghosts(pieces: Pieces, cuts: Cuts, a: Ints, b: Ints) -> Flags:
    """Find stumps of letters cut by a border, where another tile saw the place whole and found no text there.

    a, b are the pairs of fragments of different tiles that touch: what touches another tile's text is no ghost.
    """
    alone = np.ones(len(pieces), np.bool_)
    alone[a] = alone[b] = False
    short = pieces.length < STUMP * pieces.height
    narrow = pieces.length < SLIVER * pieces.height
    cut = cuts.grade.min(axis=1)
    ghosts: Flags = alone & (cuts.sliced | (short & (cut == HARD)) | (narrow & (cut < FREE)))
    boxes, interior = pieces.tile_boxes(), pieces.interior()
    for index in np.flatnonzero(ghosts).tolist():
        depth = _depth(boxes, interior, pieces.centre[index])
        ghosts[index] = (np.delete(depth, pieces.tile[index]) >= DEEP).any()
    return ghosts


def _depth(boxes: Floats, interior: Flags, point: Floats) -> Floats:
    """Give the distance of a point from the nearest interior border of each tile, negative outside the tile."""
    room = np.concatenate([point - boxes[:, :2], boxes[:, 2:] - point], axis=1)
    depth: Floats = np.where(interior | (room < 0), room, np.inf).min(axis=1)
    return depth
