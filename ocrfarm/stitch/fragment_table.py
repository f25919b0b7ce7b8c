"""Readings of many tiles -> fragments in arrays, in one fixed order, and which of them come near one another.

The table is a structure of arrays: a page of 32,768 pixels a side has 35,000 fragments, and numpy measures them all in
milliseconds. The fixed order is what makes stitching independent of the order in which tiles arrive.

Algorithm of the candidate pairs, the broad phase of matching and of suppression: sweep and prune (Baraff, "Dynamic
Simulation of Non-Penetrating Rigid Bodies", 1992; Cohen, Lin, Manocha and Ponamgi, "I-COLLIDE", 1995) in each overlap
of two tiles.

            tile A                   Boxes that reach into the overlap are sorted by their low end and swept along
     .-----------------.             its longer side, here downwards:
     |            .----|----------.
     |            |====|          |    ==== of A     each box is compared with those that begin before it ends
     |            |   =|===       |    ==== of B
     |            |    |          |    ==   of A     not compared: it begins after both have ended
     |            |==  |          |
     '------------|----'          |    Pairs of one tile are dropped, and those whose boxes do not touch.
                  '---------------'
                        tile B

Invariant: two fragments whose grown boxes touch are a candidate pair exactly once if their tiles differ. Cost:
O(t log t) for t tiles, O(n log n + k) for n fragments in overlaps and k pairs whose spans meet; k grows with the
fragments, because overlaps are narrow.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocrfarm.geometry import Quad, Size
from ocrfarm.tile import Char, Fragment, Tile, TileId, TileResult

Floats = NDArray[np.float64]

Ints = NDArray[np.int64]

Flags = NDArray[np.bool_]

_Content = tuple[tuple[tuple[float, float], ...], tuple[Char, ...], float, float]

MIN_EXTENT = 1e-3
"""Pixels; keeps a quad without any length or height from dividing by zero."""

CANDIDATE_REACH = 0.8
"""Text heights by which a fragment reaches out at both ends; at least half of `matching.MAX_CUT_END_GAP`, or matches
would be missed. Calibrated: `scripts/bench calibrate --only CANDIDATE_REACH`, see docs/calibration.md."""

PAIRS_PER_CHUNK = 1 << 16
"""Pairs that are measured at once, some 100 bytes each: it bounds the memory."""


@dataclass(frozen=True, slots=True)
class FragmentTable:
    """The n fragments of a page, sorted by tile and then by content; row i of every array is that of `fragment(i)`.

    Attributes:
        readings: One result of each tile, sorted by tile.
        tile_index: (n) int64, which of the readings a fragment is part of; it ascends.
        fragment_index: (n) int64, its number in that reading.
        corners: (n, 4, 2) float64, page pixels, clockwise from the start of the text.
        centre: (n, 2) float64, page pixels.
        direction: (n, 2) float64, the unit vector of the reading direction.
        length: (n) float64, pixels along the reading direction.
        height: (n) float64, pixels across it.

    """

    readings: list[TileResult]
    tile_index: Ints
    fragment_index: Ints
    corners: Floats
    centre: Floats
    direction: Floats
    length: Floats
    height: Floats

    def __len__(self) -> int:
        return len(self.fragment_index)

    def fragment(self, row: int) -> Fragment:
        """Return a fragment; readings that keep theirs in columns make it each time."""
        return self.reading(row).fragments[int(self.fragment_index[row])]

    def quad(self, row: int) -> Quad:
        """Return the place of a fragment, page pixels."""
        return Quad(*self.corners[row].tolist())

    def reading(self, row: int) -> TileResult:
        """Return the reading that a fragment is part of."""
        return self.readings[int(self.tile_index[row])]

    def tile_boxes(self) -> Floats:
        """Return x0, y0, x1, y1 of the tile of each reading, (readings, 4) float64, page pixels."""
        boxes = [(tile.box.x0, tile.box.y0, tile.box.x1, tile.box.y1) for tile in self._tiles()]
        return np.array(boxes, np.float64).reshape(-1, 4)

    def inner_edges(self) -> Flags:
        """Return which of the left, top, right and bottom border of each tile cut through the page, (readings, 4)."""
        return np.array([tile.inner_edges for tile in self._tiles()], np.bool_).reshape(-1, 4)

    def _tiles(self) -> Iterator[Tile]:
        return (reading.tile for reading in self.readings)


def build_fragment_table(size: Size, readings: Iterable[TileResult]) -> FragmentTable:
    """Put the fragments in arrays.

    Fragments without text or with their middle off the page are left out.

    Args:
        size: The page's size, pixels.
        readings: What the tiles read, in any order; of several results of one tile one is taken.
    """
    chosen = sorted(_select_one_per_tile(readings).values(), key=lambda reading: reading.tile.id)
    sizes, numbers, corners = [], [], [np.empty((0, 4, 2))]
    for reading in chosen:
        contents = sorted((_content_key(fragment), number) for number, fragment in _iter_fragments_with_text(reading))
        sizes.append(len(contents))
        numbers += [number for _, number in contents]
        corners.append(np.array([content[0] for content, _ in contents], np.float64).reshape(-1, 4, 2))
    tile = np.repeat(np.arange(len(chosen)), sizes)
    return _measure_fragments(size, chosen, tile, np.array(numbers, np.int64), np.concatenate(corners))


def _select_one_per_tile(readings: Iterable[TileResult]) -> dict[TileId, TileResult]:
    """Keep one reading of each tile; which one does not depend on their order."""
    found: dict[TileId, TileResult] = {}
    for reading in readings:
        other = found.setdefault(reading.tile.id, reading)
        if other is not reading and other != reading:
            found[reading.tile.id] = min(other, reading, key=_preference_key)
    return found


def _preference_key(reading: TileResult) -> tuple[bool, str, list[_Content]]:
    return reading.detector_overflow, reading.model, sorted(map(_content_key, reading.fragments))


def _content_key(fragment: Fragment) -> _Content:
    return fragment.quad.points, fragment.chars, fragment.confidence, fragment.detection


def _iter_fragments_with_text(reading: TileResult) -> Iterator[tuple[int, Fragment]]:
    """Yield the fragments that have any text, with their numbers."""
    for number, fragment in enumerate(reading.fragments):
        if fragment.text.strip():
            yield number, fragment


def _measure_fragments(
    size: Size, readings: list[TileResult], tile_index: Ints, fragment_index: Ints, corners: Floats
) -> FragmentTable:
    """Measure the fragments that have their middle on the page: what lies in a tile's padding is noise."""
    middle = corners.mean(axis=1)
    on_page = ((middle >= 0) & (middle <= (size.width, size.height))).all(axis=1)
    corners = corners[on_page]
    start = (corners[:, 0] + corners[:, 3]) / 2
    end = (corners[:, 1] + corners[:, 2]) / 2
    length = np.maximum(row_norms(end - start), MIN_EXTENT)
    height = (row_norms(corners[:, 3] - corners[:, 0]) + row_norms(corners[:, 2] - corners[:, 1])) / 2
    return FragmentTable(
        readings,
        tile_index=tile_index[on_page],
        fragment_index=fragment_index[on_page],
        corners=corners,
        centre=(start + end) / 2,
        direction=(end - start) / length[:, None],
        length=length,
        height=np.maximum(height, MIN_EXTENT),
    )


def row_norms(vectors: Floats) -> Floats:
    """Return the length of each (x, y) row, (n) float64."""
    return np.sqrt(vectors[:, 0] ** 2 + vectors[:, 1] ** 2)


class CandidatePairs(NamedTuple):
    """Rows of fragments of different tiles, (k) int64 each, a < b, sorted."""

    a: Ints
    b: Ints


def find_candidate_pairs(table: FragmentTable) -> CandidatePairs:
    """Return all pairs of fragments of different tiles whose upright boxes touch, grown by CANDIDATE_REACH."""
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
    """Return the upright box (x0, y0, x1, y1) of each fragment, grown along the text, (n, 4) float64."""
    grow = (table.direction * (CANDIDATE_REACH * table.height)[:, None])[:, None, :]
    grow = grow * np.array([-1.0, 1.0, 1.0, -1.0])[None, :, None]
    corners = table.corners + grow
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _measure_extents(table: FragmentTable, boxes: Floats) -> Floats:
    """Return the box of each tile together with the boxes of its fragments, (readings, 4) float64."""
    extent = table.tile_boxes()
    np.minimum.at(extent[:, :2], table.tile_index, boxes[:, :2])
    np.maximum.at(extent[:, 2:], table.tile_index, boxes[:, 2:])
    return extent


def _list_overlap_entries(table: FragmentTable, boxes: Floats, extent: Floats) -> tuple[Ints, Ints, Floats, Floats]:
    """List which fragments lie where two tiles overlap: number of the tile pair, row, and the span to sweep, (e) each.

    The span is that along the longer side of the overlap.
    """
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
    """Return all pairs of tiles whose extents intersect, as numbers of readings, (z) int64 each."""
    same = np.zeros(len(extent), np.int64)
    ones, twos = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for i, j in _sweep_intervals(same, extent[:, 1], extent[:, 3]):
        hit = _boxes_intersect(extent[i], extent[j])
        ones.append(i[hit])
        twos.append(j[hit])
    return np.concatenate(ones), np.concatenate(twos)


def _sweep_intervals(group: Ints, low: Floats, high: Floats) -> Iterator[tuple[Ints, Ints]]:
    """Yield all pairs of entries of one group whose spans low..high meet, in chunks, and a few that just miss.

    Groups are laid out one behind the other on one axis, so that a single sorted array serves them all.
    """
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
    """Yield (k, v) for every row k and every v in start[k]..stop[k]-1, in chunks of about PAIRS_PER_CHUNK.

    Args:
        start: (n) int64, the first value of each row.
        stop: (n) int64, the end of each row's values.

    >>> [(k.tolist(), v.tolist()) for k, v in iter_ragged_ranges(np.array([0, 5, 2]), np.array([2, 5, 4]))]
    [([0, 0, 2, 2], [0, 1, 2, 3])]
    """
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
