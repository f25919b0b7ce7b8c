"""Which fragments of different tiles come near one another, without looking at every pair."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ocrfarm.stitch.fragment_table import Flags, Floats, FragmentTable, Ints

CANDIDATE_REACH = 0.8
"""Text heights by which a fragment reaches out at both ends."""

PAIRS_PER_CHUNK = 1 << 16
"""Pairs looked at in one go: bounds memory, some 100 bytes each."""


class CandidatePairs(NamedTuple):
    """Numbers of fragments, a < b, two by two."""

    a: Ints
    b: Ints


def find_candidate_pairs(table: FragmentTable) -> CandidatePairs:
    """Give all pairs of fragments of different tiles whose upright boxes touch, grown by REACH along the text.

    A pair is looked for only where the areas of its two tiles overlap, swept along the overlap's longer side.
    """
    boxes = _grow_boxes(table)
    extent = _measure_extents(table, boxes)
    group, piece, low, high = _list_overlap_entries(table, boxes, extent)
    found = [
        (piece[i], piece[j])
        for i, j in _sweep_intervals(group, low, high)
        for i, j in [_filter_touching(boxes, table.tile_index, piece, i, j)]
    ]
    if not found:
        return CandidatePairs(np.empty(0, np.int64), np.empty(0, np.int64))
    one, two = (np.concatenate(side) for side in zip(*found, strict=True))
    a, b = np.minimum(one, two), np.maximum(one, two)
    order = np.lexsort((b, a))
    return CandidatePairs(a[order], b[order])


def _grow_boxes(table: FragmentTable) -> Floats:
    """Give the upright box (x0, y0, x1, y1) of each fragment, grown along the text."""
    grow = (table.direction * (CANDIDATE_REACH * table.height)[:, None])[:, None, :]
    grow = grow * np.array([-1.0, 1.0, 1.0, -1.0])[None, :, None]
    corners = table.corners + grow
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _measure_extents(table: FragmentTable, boxes: Floats) -> Floats:
    """Give the area of each tile together with all that its fragments reach."""
    extent = table.tile_boxes()
    np.minimum.at(extent[:, :2], table.tile_index, boxes[:, :2])
    np.maximum.at(extent[:, 2:], table.tile_index, boxes[:, 2:])
    return extent


def _list_overlap_entries(table: FragmentTable, boxes: Floats, extent: Floats) -> tuple[Ints, Ints, Floats, Floats]:
    """List which fragments lie where two tiles overlap: number of the tile pair, fragment, and its span to sweep."""
    one, two = _find_tile_pairs(extent)
    zone = np.concatenate([np.maximum(extent[one], extent[two])[:, :2], np.minimum(extent[one], extent[two])[:, 2:]], 1)
    axis = (zone[:, 3] - zone[:, 1] > zone[:, 2] - zone[:, 0]).astype(np.int64)
    tile = np.concatenate([one, two])
    pair = np.concatenate([np.arange(len(one))] * 2)
    first = np.searchsorted(table.tile_index, np.arange(len(table.readings) + 1))
    kept_pair, kept_piece = [], []
    for k, piece in iter_ragged_ranges(first[tile], first[tile + 1]):
        inside = _boxes_intersect(boxes[piece], zone[pair[k]])
        kept_pair.append(pair[k][inside])
        kept_piece.append(piece[inside])
    group = np.concatenate([*kept_pair, np.empty(0, np.int64)])
    piece = np.concatenate([*kept_piece, np.empty(0, np.int64)])
    return group, piece, boxes[piece, axis[group]], boxes[piece, axis[group] + 2]


def _find_tile_pairs(extent: Floats) -> tuple[Ints, Ints]:
    """Give all pairs of tiles whose extents intersect."""
    same = np.zeros(len(extent), np.int64)
    ones, twos = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for i, j in _sweep_intervals(same, extent[:, 1], extent[:, 3]):
        hit = _boxes_intersect(extent[i], extent[j])
        ones.append(i[hit])
        twos.append(j[hit])
    return np.concatenate(ones), np.concatenate(twos)


def _sweep_intervals(group: Ints, low: Floats, high: Floats) -> Iterator[tuple[Ints, Ints]]:
    """Give all pairs of rows of one group whose spans low..high meet, in portions, and a few that just miss."""
    if not len(group):
        return
    order = np.lexsort((low, group))
    base = low.min()
    step = high.max() - base + 4.0
    key = group[order] * step + (low[order] - base)
    until = np.searchsorted(key, group[order] * step + (high[order] - base) + 1.0, side="right")
    for i, j in iter_ragged_ranges(np.arange(1, len(order) + 1), until):
        yield order[i], order[j]


def _filter_touching(boxes: Floats, tile_index: Ints, row: Ints, i: Ints, j: Ints) -> tuple[Ints, Ints]:
    hit = (tile_index[row[i]] != tile_index[row[j]]) & _boxes_intersect(boxes[row[i]], boxes[row[j]])
    return i[hit], j[hit]


def _boxes_intersect(one: Floats, two: Floats) -> Flags:
    meet = (one[:, :2] <= two[:, 2:]) & (two[:, :2] <= one[:, 2:])
    return meet[:, 0] & meet[:, 1]


def iter_ragged_ranges(start: Ints, stop: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Give (k, v) for every row k and every v in start[k]..stop[k]-1, in portions of about AT_ONCE."""
    count = np.maximum(stop - start, 0)
    total = np.cumsum(count)
    row = 0
    while row < len(count):
        before = total[row - 1] if row else 0
        last = max(int(np.searchsorted(total, before + PAIRS_PER_CHUNK, side="right")), row + 1)
        some = count[row:last]
        k = np.repeat(np.arange(row, last), some)
        within = np.arange(len(k)) - np.repeat(np.cumsum(some) - some, some)
        yield k, start[k] + within
        row = last
