"""Which fragments of different tiles come near one another, without looking at every pair."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ocrfarm.stitch.pieces import Flags, Floats, Ints, Pieces

REACH = 0.8
"""Text heights by which a fragment reaches out at both ends."""

AT_ONCE = 1 << 16
"""Pairs looked at in one go: bounds memory, some 100 bytes each."""


class Pairs(NamedTuple):
    """Numbers of fragments, a < b, two by two."""

    a: Ints
    b: Ints


def nearby(pieces: Pieces) -> Pairs:
    """Give all pairs of fragments of different tiles whose upright boxes touch, grown by REACH along the text.

    A pair is looked for only where the areas of its two tiles overlap, swept along the overlap's longer side.
    """
    boxes = _reach(pieces)
    extent = _extents(pieces, boxes)
    group, piece, low, high = _entries(pieces, boxes, extent)
    found = [
        (piece[i], piece[j])
        for i, j in _sweep(group, low, high)
        for i, j in [_touching(boxes, pieces.tile, piece, i, j)]
    ]
    if not found:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64))
    one, two = (np.concatenate(side) for side in zip(*found, strict=True))
    a, b = np.minimum(one, two), np.maximum(one, two)
    order = np.lexsort((b, a))
    return Pairs(a[order], b[order])


def _reach(pieces: Pieces) -> Floats:
    """Give the upright box (x0, y0, x1, y1) of each fragment, grown along the text."""
    grow = (pieces.along * (REACH * pieces.height)[:, None])[:, None, :]
    grow = grow * np.array([-1.0, 1.0, 1.0, -1.0])[None, :, None]
    corners = pieces.corners + grow
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _extents(pieces: Pieces, boxes: Floats) -> Floats:
    """Give the area of each tile together with all that its fragments reach."""
    extent = pieces.tile_boxes()
    np.minimum.at(extent[:, :2], pieces.tile, boxes[:, :2])
    np.maximum.at(extent[:, 2:], pieces.tile, boxes[:, 2:])
    return extent


def _entries(pieces: Pieces, boxes: Floats, extent: Floats) -> tuple[Ints, Ints, Floats, Floats]:
    """List which fragments lie where two tiles overlap: number of the tile pair, fragment, and its span to sweep."""
    one, two = _tile_pairs(extent)
    zone = np.concatenate([np.maximum(extent[one], extent[two])[:, :2], np.minimum(extent[one], extent[two])[:, 2:]], 1)
    axis = (zone[:, 3] - zone[:, 1] > zone[:, 2] - zone[:, 0]).astype(np.int64)
    tile = np.concatenate([one, two])
    pair = np.concatenate([np.arange(len(one))] * 2)
    first = np.searchsorted(pieces.tile, np.arange(len(pieces.readings) + 1))
    kept_pair, kept_piece = [], []
    for k, piece in ragged(first[tile], first[tile + 1]):
        inside = _intersect(boxes[piece], zone[pair[k]])
        kept_pair.append(pair[k][inside])
        kept_piece.append(piece[inside])
    group = np.concatenate([*kept_pair, np.empty(0, np.int64)])
    piece = np.concatenate([*kept_piece, np.empty(0, np.int64)])
    return group, piece, boxes[piece, axis[group]], boxes[piece, axis[group] + 2]


def _tile_pairs(extent: Floats) -> tuple[Ints, Ints]:
    """Give all pairs of tiles whose extents intersect."""
    same = np.zeros(len(extent), np.int64)
    ones, twos = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for i, j in _sweep(same, extent[:, 1], extent[:, 3]):
        hit = _intersect(extent[i], extent[j])
        ones.append(i[hit])
        twos.append(j[hit])
    return np.concatenate(ones), np.concatenate(twos)


def _sweep(group: Ints, low: Floats, high: Floats) -> Iterator[tuple[Ints, Ints]]:
    """Give all pairs of rows of one group whose spans low..high meet, in portions, and a few that just miss."""
    if not len(group):
        return
    order = np.lexsort((low, group))
    base = low.min()
    step = high.max() - base + 4.0
    key = group[order] * step + (low[order] - base)
    until = np.searchsorted(key, group[order] * step + (high[order] - base) + 1.0, side="right")
    for i, j in ragged(np.arange(1, len(order) + 1), until):
        yield order[i], order[j]


def _touching(boxes: Floats, tile: Ints, piece: Ints, i: Ints, j: Ints) -> tuple[Ints, Ints]:
    hit = (tile[piece[i]] != tile[piece[j]]) & _intersect(boxes[piece[i]], boxes[piece[j]])
    return i[hit], j[hit]


def _intersect(one: Floats, two: Floats) -> Flags:
    meet = (one[:, :2] <= two[:, 2:]) & (two[:, :2] <= one[:, 2:])
    return meet[:, 0] & meet[:, 1]


def ragged(start: Ints, stop: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Give (k, v) for every row k and every v in start[k]..stop[k]-1, in portions of about AT_ONCE."""
    count = np.maximum(stop - start, 0)
    total = np.cumsum(count)
    row = 0
    while row < len(count):
        before = total[row - 1] if row else 0
        last = max(int(np.searchsorted(total, before + AT_ONCE, side="right")), row + 1)
        some = count[row:last]
        k = np.repeat(np.arange(row, last), some)
        within = np.arange(len(k)) - np.repeat(np.cumsum(some) - some, some)
        yield k, start[k] + within
        row = last
