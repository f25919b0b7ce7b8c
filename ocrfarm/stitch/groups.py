"""Links -> groups of fragments that show one line, whatever the order of the links."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

from ocrfarm.stitch.fragment_table import FragmentTable
from ocrfarm.stitch.matching import Matches

MIN_CONFLICT_OVERLAP = 0.5
"""Share of the shorter of two fragments of one tile beside the longer one from where on they are two lines."""

IndexPair = tuple[int, int]
Neighbours = dict[int, list[int]]


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
