"""Which found line is which true one, by the overlap of their quads; every line is used once."""

import math
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from ocrfarm.geometry import Quad

MIN_IOU = 0.5
MARGINS = (0.0, 0.2, 0.4)
"""Text heights. Detectors leave a margin around the ink: next to none around long lines, much around short small ones.
A true quad is taken with the one that fits best, or one line in thirty would be missed by the size of its box alone."""

Pair = tuple[int, int, float, float]
"""Index of a line, index of another one, their IoU, and their IoS: the common share of the smaller quad."""


def with_margin(quad: Quad, margin: float) -> Quad:
    """Grow a quad by so many text heights on all sides, in its own frame."""
    reach = margin * quad.height
    (ux, uy), (vx, vy) = _unit(quad.p0, quad.p1, reach), _unit(quad.p0, quad.p3, reach)
    steps = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return Quad.from_points(
        [(x + a * ux + b * vx, y + a * uy + b * vy) for (x, y), (a, b) in zip(quad.points, steps, strict=True)]
    )


def overlaps_with_truth(true: Sequence[Quad], found: Sequence[Quad]) -> list[Pair]:
    """List the pairs of a true quad of ink and a found one that overlap, at the margin that fits them best."""
    best: dict[tuple[int, int], Pair] = {}
    for margin in MARGINS:
        for pair in overlaps([with_margin(quad, margin) for quad in true], found):
            if pair[:2] not in best or best[pair[:2]][2] < pair[2]:
                best[pair[:2]] = pair
    return sorted(best.values())


def overlaps(one: Sequence[Quad], other: Sequence[Quad]) -> list[Pair]:
    """List the pairs that overlap."""
    a, b = _shapes(one), _shapes(other)
    first, second = shapely.STRtree(b).query(a, predicate="intersects")
    common = shapely.area(shapely.intersection(a[first], b[second]))
    one_area, other_area = shapely.area(a[first]), shapely.area(b[second])
    iou = common / np.maximum(one_area + other_area - common, 1e-9)
    ios = common / np.maximum(np.minimum(one_area, other_area), 1e-9)
    return list(zip(first.tolist(), second.tolist(), iou.tolist(), ios.tolist(), strict=True))


def match(pairs: Sequence[Pair]) -> dict[int, int]:
    """Give for each first index its partner: the pairs of at least `MIN_IOU`, best first, each index once."""
    best = sorted((-iou, a, b) for a, b, iou, _ in pairs if iou >= MIN_IOU)
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, a, b in best:
        if a not in partner and b not in taken:
            partner[a] = b
            taken.add(b)
    return partner


def distance(one: str, other: str) -> int:
    """Count the insertions, deletions and replacements that make one text of the other."""
    if one == other:
        return 0
    row = list(range(len(other) + 1))
    for count, char in enumerate(one, 1):
        before, row[0] = row[0], count
        for index, against in enumerate(other, 1):
            before, row[index] = row[index], min(row[index] + 1, row[index - 1] + 1, before + (char != against))
    return row[-1]


def _shapes(quads: Sequence[Quad]) -> NDArray[np.object_]:
    if not quads:
        return np.empty(0, np.object_)
    return np.asarray(shapely.convex_hull(shapely.polygons([quad.points for quad in quads])), np.object_)


def _unit(start: tuple[float, float], end: tuple[float, float], length: float) -> tuple[float, float]:
    whole = math.dist(start, end) or 1.0
    return (end[0] - start[0]) / whole * length, (end[1] - start[1]) / whole * length
