"""Candidate pairs of fragments -> groups of fragments that are views of one line.

Algorithm: after the broad phase (`fragment_table.find_candidate_pairs`) a narrow phase measures every candidate pair in
one frame and decides by the table below; then a disjoint set, or union-find (Galler and Fischer, "An Improved
Equivalence Algorithm", CACM 1964), makes connected components of the pairs that match.

The frame of a pair is that of its longer fragment, so every angle is alike and every threshold is in text heights: a
number of pixels that suits one text size glues the cells of a table of another size.

             -half        0         +half
               |----------+-----------|      the long view
     - - - - - - - - - - - - - - - - - - - - - - its axis
                             |----+--------|   the short view, from `low` to `high`; its axis is `offset` away
                             low           high
                             '--------'  overlap = min(high, half) - max(low, -half); negative: the gap between them

Two fragments may match if they are alike: one angle or its reverse, one height, nearly one axis, and both of them or
neither sliced lengthwise. Alike fragments on one axis are views of one line in three cases:

     1 continued    |----PUMP HOU)        they overlap, and at one end at least they either end at the same place or
                         (MP HOUSE----|   the view that stops short is cut there

     2 contained    |----PUMP HOUSE----|  nearly all of the shorter one lies in the longer one: the same words,
                       |-MP HOUSE-|       grouped in another way

     3 abutting     |----PUMP)            they do not overlap, the gap is small, and the two ends that face one
                              (HOUSE---|  another are both cut: a border fell between two words

     `)` and `(` are cut ends, `|` are whole ones.

What overlaps, but fits no case, is decided by its text: it may be one line that two tiles part at different words, or
two lines of one row whose quads overlap by a letter. Only such pairs are, because an alignment costs a hundred times
what the geometry does, and letters near cut ends are misread, so text alone is worse evidence.

Invariant: the outcome depends on neither the order of the fragments nor that of the pairs; no group holds two fragments
of one tile that lie beside one another, for a tile shows each line once. Cost: O(k) array operations for k candidate
pairs, in chunks, and O(m log m) for m matches; a component of c fragments with a conflict costs O(c^2).
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
"""Sine of 8 degrees, the most that two views of one line differ.
Calibrated: `scripts/bench calibrate --only MAX_ANGLE_SINE`, see docs/calibration.md."""

MIN_ANGLE_LENGTH = 2.0
"""Text heights; the angle of a shorter fragment tells nothing.
Calibrated: `scripts/bench calibrate --only MIN_ANGLE_LENGTH`, see docs/calibration.md."""

MIN_HEIGHT_RATIO = 0.55
"""Least ratio of the heights of two views of one line.
Calibrated: `scripts/bench calibrate --only MIN_HEIGHT_RATIO`, see docs/calibration.md."""

MAX_AXIS_OFFSET, MAX_AXIS_OFFSET_SAME_TEXT = 0.4, 0.55
"""Text heights between the axes of two views at most, and at most if they read the same text; rows of dense text are
1.0 apart. Calibrated: `scripts/bench calibrate --only MAX_AXIS_OFFSET`, see docs/calibration.md."""

MIN_VIEW_OVERLAP = 0.35
"""Text heights from which on two views overlap: less than a letter is the inexactness of quads.
Calibrated: `scripts/bench calibrate --only MIN_VIEW_OVERLAP`, see docs/calibration.md."""

MIN_LETTER_OVERLAP = 0.1
"""Text heights of overlap from which on two views may share a letter; whether they do, their text says.
Calibrated: `scripts/bench calibrate --only MIN_LETTER_OVERLAP`, see docs/calibration.md."""

MATCH_END_TOLERANCE = 0.9
"""Text heights; if ends lie further apart one view stops short, and that end must be a cut one.
Calibrated: `scripts/bench calibrate --only MATCH_END_TOLERANCE`, see docs/calibration.md."""

MIN_CONTAINED_SHARE = 0.7
"""Share of the shorter view inside the longer one from which on they are the same words, grouped differently.
Calibrated: `scripts/bench calibrate --only MIN_CONTAINED_SHARE`, see docs/calibration.md."""

MAX_CUT_END_GAP = 0.8
"""Text heights between two cut ends at most; a wider gap parts two cells of a table.
Calibrated: `scripts/bench calibrate --only MAX_CUT_END_GAP`, see docs/calibration.md."""

MIN_CONFLICT_OVERLAP = 0.5
"""Share of the shorter of two fragments of one tile beside the longer one from which on they are two lines.
Calibrated: `scripts/bench calibrate --only MIN_CONFLICT_OVERLAP`, see docs/calibration.md."""

_IndexPair = tuple[int, int]

Neighbours = dict[int, list[int]]
"""Rows of fragments -> the rows that match them, the best match first."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Pairs of fragments that are views of one line.

    `a` and `b` (m) int64 are rows of the table, a < b; `offset` (m) float64 is how far apart their axes are, in text
    heights: the best matches have the least.
    """

    a: Ints
    b: Ints
    offset: Floats


@dataclass(frozen=True, slots=True)
class _PairGeometry:
    """Pairs in the frame of the longer fragment; every array is (k), and lengths are pixels. See the figure above.

    `long` and `short` are rows of the table; `cosine` is that of the angle between them; `min_length` is the shorter
    length; `height` the mean height and `min_height` the smaller one.
    """

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
    """Return the pairs that show the same line.

    Args:
        table: The fragments of one page.
        truncation: Which of their ends are cut.
        pairs: The pairs of fragments of different tiles to decide on.
    """
    a, b = pairs
    parts = [
        _match_chunk(table, truncation, a[at : at + PAIRS_PER_CHUNK], b[at : at + PAIRS_PER_CHUNK])
        for at in range(0, len(a), PAIRS_PER_CHUNK)
    ]
    keep = np.concatenate([part[0] for part in parts]) if parts else np.empty(0, np.bool_)
    offset = np.concatenate([part[1] for part in parts]) if parts else np.empty(0)
    return Matches(a[keep], b[keep], offset[keep])


def _match_chunk(table: FragmentTable, truncation: Truncation, a: Ints, b: Ints) -> tuple[Flags, Floats]:
    """Decide on each pair (k) by the table of cases; return also how far apart the axes are (k), text heights."""
    views = _measure_pairs(table, a, b)
    alike = _is_alike(table, views)
    alike &= truncation.cut_lengthwise[a] == truncation.cut_lengthwise[b]  # half letters agree with no whole ones
    start_agrees, start_faces = _compare_ends(truncation, views, end=0)
    end_agrees, end_faces = _compare_ends(truncation, views, end=1)

    overlapping = views.overlap >= MIN_VIEW_OVERLAP * views.height
    continued = overlapping & (start_agrees | end_agrees)
    contained = views.overlap >= MIN_CONTAINED_SHARE * views.min_length
    close = views.overlap >= -MAX_CUT_END_GAP * views.height
    abutting = ~overlapping & close & (start_faces | end_faces)

    on_one_axis = np.abs(views.offset) <= MAX_AXIS_OFFSET * views.min_height
    matched = alike & on_one_axis & (continued | contained | abutting)
    by_text = alike & ~matched & (views.overlap >= MIN_LETTER_OVERLAP * views.height)
    for index in np.flatnonzero(by_text).tolist():
        matched[index] = _has_same_words(table, views, index)
    return matched, np.abs(views.offset) / views.height


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
    """Find the pairs with one angle (or its reverse), one height and nearly one axis, (k) bool."""
    sine = np.sqrt(np.maximum(1.0 - geometry.cosine**2, 0.0))
    is_short = table.length[geometry.short] < MIN_ANGLE_LENGTH * table.height[geometry.short]
    alike: Flags = (
        ((sine <= MAX_ANGLE_SINE) | is_short)
        & (geometry.height_ratio >= MIN_HEIGHT_RATIO)
        & (np.abs(geometry.offset) <= MAX_AXIS_OFFSET_SAME_TEXT * geometry.min_height)
    )
    return alike


def _compare_ends(truncation: Truncation, geometry: _PairGeometry, *, end: int) -> tuple[Flags, Flags]:
    """Compare the low (0) or high (1) ends of all pairs.

    The first flags say that the two ends agree, or that the view which stops short is cut there. The second ones say
    that the short view lies beyond this end of the long one, and that the two ends which face one another are cut.
    """
    sign = 1.0 if end else -1.0
    out_long, out_short = geometry.half_length, geometry.high if end else -geometry.low
    cut_long = truncation.grade[geometry.long, end] < WHOLE
    cut_short, cut_short_far = (_is_short_view_cut(truncation, geometry, at) for at in (end, 1 - end))
    agree = np.abs(out_long - out_short) <= MATCH_END_TOLERANCE * geometry.height
    beyond = sign * (geometry.low + geometry.high) > 0
    return agree | np.where(out_short < out_long, cut_short, cut_long), beyond & cut_long & cut_short_far


def _is_short_view_cut(truncation: Truncation, geometry: _PairGeometry, end: int) -> Flags:
    """Find the pairs whose short view is cut at the low (0) or high (1) end of the pair's frame, (k) bool."""
    cut = truncation.grade[geometry.short] < WHOLE
    upright = np.where(geometry.cosine > 0, cut[:, end], cut[:, 1 - end])
    return np.where(np.abs(geometry.cosine) >= np.sqrt(0.5), upright, cut.any(axis=1))


def _has_same_words(table: FragmentTable, geometry: _PairGeometry, index: int) -> bool:
    if geometry.cosine[index] <= 0:
        return False
    half = float(geometry.half_length[index])
    low, high = float(geometry.low[index]), float(geometry.high[index])
    long = LineView(table.fragment(geometry.long[index]).chars, -half, half)
    short = LineView(table.fragment(geometry.short[index]).chars, low, high)
    first, second = sorted((long, short), key=lambda view: (view.start, view.end))
    return has_same_text(first, second, height=float(geometry.height[index]))


class DisjointSet:
    """Sets of integers that can be united; the root of a set is its smallest member.

    >>> sets = DisjointSet()
    >>> sets.union(4, 7)
    >>> sets.union(7, 2)
    >>> sets.find(4), sets.find(5)
    (2, 5)
    """

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def find(self, item: int) -> int:
        """Return the smallest member of the item's set."""
        up = self._parent
        while (above := up.setdefault(item, item)) != item:
            up[item] = item = up[above]  # path halving: the next search has half as far to go
        return item

    def union(self, one: int, two: int) -> None:
        """Make one set of the sets of two items.

        Args:
            one: An item of the one set; an unknown item is a set of its own.
            two: An item of the other set.
        """
        one, two = self.find(one), self.find(two)
        self._parent[max(one, two)] = min(one, two)


def group_fragments(table: FragmentTable, matches: Matches) -> tuple[list[list[int]], Neighbours]:
    """Return the groups of more than one fragment, sorted, and which of their members match one another.

    Args:
        table: The fragments of the page.
        matches: The pairs of them that are views of one line.
    """
    best_first = sorted(zip(matches.offset.tolist(), matches.a.tolist(), matches.b.tolist(), strict=True))
    pairs = [(a, b) for _, a, b in best_first]
    by_component: dict[int, list[_IndexPair]] = defaultdict(list)
    components = DisjointSet()
    for a, b in pairs:
        components.union(a, b)
    for a, b in pairs:
        by_component[components.find(a)].append((a, b))
    groups = [group for own in by_component.values() for group in _split_component(table, own)]
    return sorted(groups), _build_neighbours(groups, pairs)


def _split_component(table: FragmentTable, pairs: Sequence[_IndexPair]) -> list[list[int]]:
    """Part a component that holds two lines of one tile.

    Its pairs are united again, the best first, except those that would put two such fragments into one set: Kruskal's
    spanning forest (1956) with forbidden pairs.
    """
    members = sorted({end for pair in pairs for end in pair})
    conflicts = _find_conflicts(table, members)
    if not conflicts:
        return [members]
    components = DisjointSet()
    sets = {member: {member} for member in members}
    for a, b in pairs:
        one, two = sorted((components.find(a), components.find(b)))
        if one != two and not any((x, y) in conflicts or (y, x) in conflicts for x in sets[one] for y in sets[two]):
            components.union(one, two)
            sets[one] |= sets.pop(two)
    return [sorted(group) for group in sets.values() if len(group) > 1]


def _find_conflicts(table: FragmentTable, members: Sequence[int]) -> set[_IndexPair]:
    """Return the pairs of fragments of one tile that lie beside one another, so that they cannot be one line."""
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


def _build_neighbours(groups: Sequence[Sequence[int]], pairs: Iterable[_IndexPair]) -> Neighbours:
    group_of = {member: number for number, group in enumerate(groups) for member in group}
    neighbours: Neighbours = defaultdict(list)
    for a, b in pairs:
        if group_of.get(a, -1) == group_of.get(b, -2):
            neighbours[a].append(b)
            neighbours[b].append(a)
    return neighbours
