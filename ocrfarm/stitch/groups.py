"""Links -> groups of fragments that show one line, whatever the order of the links."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

from ocrfarm.stitch.links import Links
from ocrfarm.stitch.pieces import Pieces

BESIDE = 0.5
"""Share of the shorter of two fragments of one tile beside the longer one from where on they are two lines."""

Pair = tuple[int, int]
Neighbours = dict[int, list[int]]


def find_groups(pieces: Pieces, links: Links) -> tuple[list[list[int]], Neighbours]:
    """Give the groups of more than one fragment, sorted, and who is linked to whom inside them."""
    best_first = sorted(zip(links.offset.tolist(), links.a.tolist(), links.b.tolist(), strict=True))
    pairs = [(a, b) for _, a, b in best_first]
    inside: dict[int, list[Pair]] = defaultdict(list)
    forest = Forest()
    for a, b in pairs:
        forest.join(a, b)
    for a, b in pairs:
        inside[forest.root(a)].append((a, b))
    groups = [group for own in inside.values() for group in _split(pieces, own)]
    return sorted(groups), _neighbours(groups, pairs)


class Forest:
    """Union-find over integers; the root of a set is its smallest member."""

    def __init__(self) -> None:
        self._up: dict[int, int] = {}

    def root(self, item: int) -> int:
        """Give the set's smallest member."""
        up = self._up
        while (above := up.setdefault(item, item)) != item:
            up[item] = item = up[above]  # halves the path for the next time
        return item

    def join(self, one: int, two: int) -> None:
        """Make one set of two."""
        one, two = self.root(one), self.root(two)
        self._up[max(one, two)] = min(one, two)


def _split(pieces: Pieces, pairs: Sequence[Pair]) -> list[list[int]]:
    """Part a component that holds two lines of one tile: the best links first, none that would join such two."""
    members = sorted({end for pair in pairs for end in pair})
    rivals = _rivals(pieces, members)
    if not rivals:
        return [members]
    forest = Forest()
    sets = {member: {member} for member in members}
    for a, b in pairs:
        one, two = sorted((forest.root(a), forest.root(b)))
        if one != two and not any((x, y) in rivals or (y, x) in rivals for x in sets[one] for y in sets[two]):
            forest.join(one, two)
            sets[one] |= sets.pop(two)
    return [sorted(group) for group in sets.values() if len(group) > 1]


def _rivals(pieces: Pieces, members: Sequence[int]) -> set[Pair]:
    """Give the pairs of one tile that lie beside one another, so that they cannot be one line."""
    by_tile: dict[int, list[int]] = defaultdict(list)
    for member, tile in zip(members, pieces.tile[members].tolist(), strict=True):
        by_tile[tile].append(member)
    return {pair for own in by_tile.values() for pair in combinations(own, 2) if _beside(pieces, *pair)}


def _beside(pieces: Pieces, one: int, two: int) -> bool:
    long, short = (one, two) if pieces.length[one] >= pieces.length[two] else (two, one)
    (ux, uy), (cx, cy) = pieces.along[long].tolist(), pieces.centre[long].tolist()
    spans = sorted((x - cx) * ux + (y - cy) * uy for x, y in pieces.corners[short].tolist())
    low, high = (spans[0] + spans[1]) / 2, (spans[2] + spans[3]) / 2
    half = float(pieces.length[long]) / 2
    beside: bool = min(high, half) - max(low, -half) > BESIDE * (high - low)
    return beside


def _neighbours(groups: Sequence[Sequence[int]], pairs: Iterable[Pair]) -> Neighbours:
    group_of = {member: number for number, group in enumerate(groups) for member in group}
    neighbours: Neighbours = defaultdict(list)
    for a, b in pairs:
        if group_of.get(a, -1) == group_of.get(b, -2):
            neighbours[a].append(b)
            neighbours[b].append(a)
    return neighbours
