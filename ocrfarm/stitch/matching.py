"""Which fragments of different tiles are views of the same line.

Two fragments are compared in the frame of the longer one, so every angle is alike and every threshold is in text
heights: a number of pixels that suits one text size glues the cells of a table of another size.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ocrfarm.stitch.alignment import LineView, has_same_text
from ocrfarm.stitch.fragment_table import (
    MIN_EXTENT,
    PAIRS_PER_CHUNK,
    CandidatePairs,
    Flags,
    Floats,
    FragmentTable,
    Ints,
)
from ocrfarm.stitch.truncation import WHOLE, Truncation

MAX_ANGLE_SINE = 0.139
"""Sine of 8 degrees, the most that two views of one line differ."""

MIN_ANGLE_LENGTH = 2.0
"""Text heights; the angle of a shorter fragment tells nothing."""

MIN_HEIGHT_RATIO = 0.55
"""Least ratio of the heights of two views of one line."""

MAX_AXIS_OFFSET, MAX_AXIS_OFFSET_SAME_TEXT = 0.4, 0.55
"""Text heights between the axes of two views at most, and at most where they read the same text; rows of dense text are
1.0 apart."""

MIN_VIEW_OVERLAP = 0.35
"""Text heights that two views share at least."""

MIN_LETTER_OVERLAP = 0.1
"""Text heights of overlap from where on two views may share a letter; whether they do, its text says."""

MATCH_END_TOLERANCE = 0.9
"""Text heights; where ends lie further apart one view stops short, and that end must be a cut one."""

MIN_CONTAINED_SHARE = 0.7
"""Share of the shorter view inside the longer one from where on they are the same words, grouped differently."""

MAX_CUT_END_GAP = 0.8
"""Text heights between two cut ends at most; a wider gap parts two cells of a table."""

MIN_CONFLICT_OVERLAP = 0.5
"""Share of the shorter of two fragments of one tile beside the longer one from where on they are two lines."""

IndexPair = tuple[int, int]

Neighbours = dict[int, list[int]]


@dataclass(frozen=True, slots=True)
class Matches:
    """Pairs a < b of fragments that are views of one line; `offset` is how far apart their axes are, text heights."""

    a: Ints
    b: Ints
    offset: Floats


@dataclass(frozen=True, slots=True)
class _PairGeometry:
    """Pairs seen in the frame of the longer one, which spans -half..half, the short one low..high."""

    long: Ints
    short: Ints
    half_length: Floats
    low: Floats
    high: Floats
    cosine: Floats
    overlap: Floats
    min_length: Floats
    height: Floats
    min_height: Floats
    height_ratio: Floats
    offset: Floats


def match_fragments(table: FragmentTable, truncation: Truncation, *, pairs: CandidatePairs) -> Matches:
    """Choose from pairs of fragments of different tiles those that show the same line."""
    a, b = pairs
    parts = [
        _match_chunk(table, truncation, a[at : at + PAIRS_PER_CHUNK], b[at : at + PAIRS_PER_CHUNK])
        for at in range(0, len(a), PAIRS_PER_CHUNK)
    ]
    keep = np.concatenate([part[0] for part in parts]) if parts else np.empty(0, np.bool_)
    offset = np.concatenate([part[1] for part in parts]) if parts else np.empty(0)
    return Matches(a[keep], b[keep], offset[keep])


def _match_chunk(table: FragmentTable, truncation: Truncation, a: Ints, b: Ints) -> tuple[Flags, Floats]:
    views = _measure_pairs(table, a, b)
    alike = _is_alike(table, views)
    low_ok, low_facing = _compare_ends(truncation, views, end=0)
    high_ok, high_facing = _compare_ends(truncation, views, end=1)
    shared = views.overlap >= MIN_VIEW_OVERLAP * views.height
    alike &= truncation.cut_lengthwise[a] == truncation.cut_lengthwise[b]  # half letters agree with no whole ones
    linked = (alike & (np.abs(views.offset) <= MAX_AXIS_OFFSET * views.min_height)) & (
        (shared & (low_ok | high_ok))
        | (views.overlap >= MIN_CONTAINED_SHARE * views.min_length)
        | (~shared & (views.overlap >= -MAX_CUT_END_GAP * views.height) & (low_facing | high_facing))
    )
    regrouped = alike & ~linked & (views.overlap >= MIN_LETTER_OVERLAP * views.height)
    for index in np.flatnonzero(regrouped).tolist():
        linked[index] = _has_same_words(table, views, index)
    return linked, np.abs(views.offset) / views.height


def _measure_pairs(table: FragmentTable, a: Ints, b: Ints) -> _PairGeometry:
    swap = table.length[b] > table.length[a]
    long, short = np.where(swap, b, a), np.where(swap, a, b)
    along = table.direction[long]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    corners = table.corners[short] - table.centre[long][:, None, :]
    s = np.sort(_dot(corners, along[:, None, :]), axis=1)
    t = np.sort(_dot(corners, across[:, None, :]), axis=1)
    low, high = (s[:, 0] + s[:, 1]) / 2, (s[:, 2] + s[:, 3]) / 2
    half = table.length[long] / 2
    tall, other = table.height[long], (t[:, 2] + t[:, 3] - t[:, 0] - t[:, 1]) / 2
    cosine, sine = _dot(table.direction[short], along), _dot(table.direction[short], across)
    # Both axes are compared in the middle of the overlap: the angle of a long view, a little off, matters least there.
    middle = (np.maximum(low, -half) + np.minimum(high, half)) / 2
    slope = np.where(np.abs(sine) <= MAX_ANGLE_SINE, sine / np.where(cosine == 0, 1.0, cosine), 0.0)
    away = table.centre[short] - table.centre[long]
    return _PairGeometry(
        long=long,
        short=short,
        half_length=half,
        low=low,
        high=high,
        cosine=cosine,
        overlap=np.minimum(high, half) - np.maximum(low, -half),
        min_length=np.minimum(table.length[long], high - low),
        height=(tall + other) / 2,
        min_height=np.minimum(tall, other),
        height_ratio=np.minimum(tall, other) / np.maximum(np.maximum(tall, other), MIN_EXTENT),
        offset=_dot(away, across) + slope * (middle - _dot(away, along)),
    )


def _dot(one: Floats, two: Floats) -> Floats:
    """Multiply vectors, x and y in the last axis."""
    product: Floats = one[..., 0] * two[..., 0] + one[..., 1] * two[..., 1]
    return product


def _is_alike(table: FragmentTable, geometry: _PairGeometry) -> Flags:
    """Say which pairs have one angle (or its reverse), one height and nearly one axis."""
    sine = np.sqrt(np.maximum(1.0 - geometry.cosine**2, 0.0))
    stub = table.length[geometry.short] < MIN_ANGLE_LENGTH * table.height[geometry.short]
    alike: Flags = (
        ((sine <= MAX_ANGLE_SINE) | stub)
        & (geometry.height_ratio >= MIN_HEIGHT_RATIO)
        & (np.abs(geometry.offset) <= MAX_AXIS_OFFSET_SAME_TEXT * geometry.min_height)
    )
    return alike


def _compare_ends(truncation: Truncation, geometry: _PairGeometry, *, end: int) -> tuple[Flags, Flags]:
    """Look at the low (0) or high (1) end of all pairs.

    Gives where the two agree or the one that stops short is cut there; and where the short one lies beyond this end of
    the long one and the two ends that face one another are cut.
    """
    sign = 1.0 if end else -1.0
    out_long, out_short = geometry.half_length, geometry.high if end else -geometry.low
    cut_long = truncation.grade[geometry.long, end] < WHOLE
    cut_short, cut_short_far = (
        _is_short_view_cut(truncation, geometry, end),
        _is_short_view_cut(truncation, geometry, 1 - end),
    )
    agree = np.abs(out_long - out_short) <= MATCH_END_TOLERANCE * geometry.height
    beyond = sign * (geometry.low + geometry.high) > 0
    return agree | np.where(out_short < out_long, cut_short, cut_long), beyond & cut_long & cut_short_far


def _is_short_view_cut(truncation: Truncation, geometry: _PairGeometry, end: int) -> Flags:
    """Say whether the short view is cut at the low (0) or high (1) end of the pair's frame."""
    cut = truncation.grade[geometry.short] < WHOLE
    upright = np.where(geometry.cosine > 0, cut[:, end], cut[:, 1 - end])
    return np.where(np.abs(geometry.cosine) >= np.sqrt(0.5), upright, cut.any(axis=1))


def _has_same_words(table: FragmentTable, geometry: _PairGeometry, index: int) -> bool:
    if geometry.cosine[index] <= 0:
        return False
    half = float(geometry.half_length[index])
    long = LineView(table.fragment(geometry.long[index]).chars, -half, half)
    short = LineView(
        table.fragment(geometry.short[index]).chars, float(geometry.low[index]), float(geometry.high[index])
    )
    first, second = sorted((long, short), key=lambda span: (span.start, span.end))
    return has_same_text(first, second, height=float(geometry.height[index]))


def group_fragments(table: FragmentTable, matches: Matches) -> tuple[list[list[int]], Neighbours]:
    """Give the groups of more than one fragment, sorted, and who is linked to whom inside them."""
    best_first = sorted(zip(matches.offset.tolist(), matches.a.tolist(), matches.b.tolist(), strict=True))
    pairs = [(a, b) for _, a, b in best_first]
    inside: dict[int, list[IndexPair]] = defaultdict(list)
    forest = DisjointSet()
    for a, b in pairs:
        forest.union(a, b)
    for a, b in pairs:
        inside[forest.find(a)].append((a, b))
    groups = [group for own in inside.values() for group in _split_component(table, own)]
    return sorted(groups), _build_neighbours(groups, pairs)


class DisjointSet:
    """Union-find over integers; the root of a set is its smallest member."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def find(self, item: int) -> int:
        """Give the set's smallest member."""
        up = self._parent
        while (above := up.setdefault(item, item)) != item:
            up[item] = item = up[above]  # halves the path for the next time
        return item

    def union(self, one: int, two: int) -> None:
        """Make one set of two."""
        one, two = self.find(one), self.find(two)
        self._parent[max(one, two)] = min(one, two)


def _split_component(table: FragmentTable, pairs: Sequence[IndexPair]) -> list[list[int]]:
    """Part a component that holds two lines of one tile: the best links first, none that would join such two."""
    members = sorted({end for pair in pairs for end in pair})
    rivals = _find_conflicts(table, members)
    if not rivals:
        return [members]
    forest = DisjointSet()
    sets = {member: {member} for member in members}
    for a, b in pairs:
        one, two = sorted((forest.find(a), forest.find(b)))
        if one != two and not any((x, y) in rivals or (y, x) in rivals for x in sets[one] for y in sets[two]):
            forest.union(one, two)
            sets[one] |= sets.pop(two)
    return [sorted(group) for group in sets.values() if len(group) > 1]


def _find_conflicts(table: FragmentTable, members: Sequence[int]) -> set[IndexPair]:
    """Give the pairs of one tile that lie beside one another, so that they cannot be one line."""
    by_tile: dict[int, list[int]] = defaultdict(list)
    for member, tile in zip(members, table.tile_index[members].tolist(), strict=True):
        by_tile[tile].append(member)
    return {pair for own in by_tile.values() for pair in combinations(own, 2) if _is_conflict(table, *pair)}


def _is_conflict(table: FragmentTable, one: int, two: int) -> bool:
    long, short = (one, two) if table.length[one] >= table.length[two] else (two, one)
    (ux, uy), (cx, cy) = table.direction[long].tolist(), table.centre[long].tolist()
    spans = sorted((x - cx) * ux + (y - cy) * uy for x, y in table.corners[short].tolist())
    low, high = (spans[0] + spans[1]) / 2, (spans[2] + spans[3]) / 2
    half = float(table.length[long]) / 2
    beside: bool = min(high, half) - max(low, -half) > MIN_CONFLICT_OVERLAP * (high - low)
    return beside


def _build_neighbours(groups: Sequence[Sequence[int]], pairs: Iterable[IndexPair]) -> Neighbours:
    group_of = {member: number for number, group in enumerate(groups) for member in group}
    neighbours: Neighbours = defaultdict(list)
    for a, b in pairs:
        if group_of.get(a, -1) == group_of.get(b, -2):
            neighbours[a].append(b)
            neighbours[b].append(a)
    return neighbours
