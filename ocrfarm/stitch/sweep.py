"""Drops what is no line of its own: halves and stumps that a border left of a line that another tile saw whole."""

from collections.abc import Sequence

import numpy as np

from ocrfarm.stitch.chains import Joined
from ocrfarm.stitch.cuts import DEEP, FREE, HARD, Cuts
from ocrfarm.stitch.nearby import Pairs
from ocrfarm.stitch.pieces import Flags, Floats, Ints, Pieces
from ocrfarm.stitch.rectangles import Rectangles, share_covered

COVERED = 0.6
"""Share of a line's area that a larger line of another tile covers from where on it is the same ink."""

SCRAP_COVERED, SCRAP_SLACK = 0.5, 0.25
"""The same for a slice or a stump, and the text heights by which a line is grown for it: its box is too small and too
crooked to lie well inside."""

STUMP = 2.0
"""Text heights; a cut fragment shorter than this is a letter or two, and not to be trusted alone."""

SLIVER = 1.0
"""Text heights; a fragment this narrow at a border is a part of a letter."""


def sweep(pieces: Pieces, cuts: Cuts, *, joined: Sequence[Joined], pairs: Pairs) -> list[Joined]:
    """Drop every line that others cover; `pairs` are the fragments of different tiles that touch.

    A larger line covers a smaller one; slices and stumps are covered by all others together.
    """
    lines = _rectangles(pieces, joined)
    is_scrap = _is_scrap(pieces, cuts, joined)
    area = lines.half[:, 0] * lines.half[:, 1]
    small, large = _rank(*_line_pairs(pieces, joined, pairs), area, is_scrap)
    scrap = is_scrap[small]
    share = share_covered(lines.take(small), lines.take(large), slack=np.where(scrap, SCRAP_SLACK, 0.0))
    hit = ~scrap & (share >= COVERED)
    covered = np.bincount(small[scrap], share[scrap], minlength=len(joined)) >= SCRAP_COVERED
    dropped = _drop(small[hit], large[hit], area)
    return [line for number, line in enumerate(joined) if not covered[number] and number not in dropped]


def _line_pairs(pieces: Pieces, joined: Sequence[Joined], pairs: Pairs) -> tuple[Ints, Ints]:
    """Give the pairs of lines of which parts touch, each pair once."""
    owner = np.full(len(pieces), -1, np.int64)
    for number, line in enumerate(joined):
        for part in line.parts:
            owner[part.piece] = number
    a, b = owner[pairs.a], owner[pairs.b]
    one, two = np.minimum(a, b), np.maximum(a, b)
    both = np.unique((one * len(joined) + two)[(one >= 0) & (one != two)])
    return both // max(len(joined), 1), both % max(len(joined), 1)


def _rank(one: Ints, two: Ints, area: Floats, scrap: Flags) -> tuple[Ints, Ints]:
    """Say of each pair which line may be covered by the other: scrap by what is none, else the smaller one."""
    first = np.where(scrap[one] == scrap[two], area[one] <= area[two], scrap[one])
    return np.where(first, one, two), np.where(first, two, one)


def _is_scrap(pieces: Pieces, cuts: Cuts, joined: Sequence[Joined]) -> Flags:
    """Say which lines are only a slice or a stump."""
    first = np.array([line.parts[0].piece for line in joined], np.int64)
    single = np.array([len(line.parts) == 1 for line in joined], np.bool_)
    scrap: Flags = (single & _is_stump(pieces, cuts)[first]) | cuts.sliced[first]
    return scrap


def _is_stump(pieces: Pieces, cuts: Cuts) -> Flags:
    """Say which fragments are a letter or two, cut through or narrower than a letter at a border."""
    short = pieces.length < STUMP * pieces.height
    narrow = pieces.length < SLIVER * pieces.height
    cut = cuts.grade.min(axis=1)
    stump: Flags = (short & (cut == HARD)) | (narrow & (cut < FREE))
    return stump


def _drop(small: Ints, large: Ints, area: Floats) -> set[int]:
    """Choose the small lines whose large ones stay, the largest decided first."""
    dropped: set[int] = set()
    order = np.lexsort((-small, -area[small]))
    for one, by in zip(small[order].tolist(), large[order].tolist(), strict=True):
        if by not in dropped:
            dropped.add(one)
    return dropped


def _rectangles(pieces: Pieces, joined: Sequence[Joined]) -> Rectangles:
    first = np.array([line.parts[0].piece for line in joined], np.int64)
    last = np.array([line.parts[-1].piece for line in joined], np.int64)
    start = (pieces.corners[first, 0] + pieces.corners[first, 3]) / 2
    end = (pieces.corners[last, 1] + pieces.corners[last, 2]) / 2
    return Rectangles.between(start, end, height=(pieces.height[first] + pieces.height[last]) / 2)


def find_ghosts(pieces: Pieces, cuts: Cuts, *, pairs: Pairs) -> Flags:
    """Find stumps of letters cut by a border, where another tile saw the place whole and found no text there.

    `pairs` are the fragments of different tiles that touch: what touches another tile's text is no ghost.
    """
    alone = np.ones(len(pieces), np.bool_)
    alone[pairs.a] = alone[pairs.b] = False
    ghosts: Flags = alone & (cuts.sliced | _is_stump(pieces, cuts))
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
