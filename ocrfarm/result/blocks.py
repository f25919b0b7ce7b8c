"""Lines in reading order -> blocks: lines directly below one another, such as a paragraph or the cells of a column.

    |<- above ------------>|          Two lines are in one block if they
       gap <= 1 line height           - run in the same direction (within 11 degrees),
    |<- below ------->|               - have similar heights (at most 1.5 : 1),
                                      - overlap in reading direction, and
                                      - have at most one line height between them.

Invariant: the blocks, joined, are the lines in their order. Cost: O(n), since each line is compared with the previous
one.
"""

import math
from collections.abc import Sequence

from ocrfarm.document import Line
from ocrfarm.geometry import Quad

_MIN_COSINE = 0.98
"""Smallest cosine of the angle between two lines of a block: 11 degrees."""

_MAX_HEIGHT_RATIO = 1.5
"""Largest ratio of the heights of two lines of a block."""

_MAX_LINE_GAP = 1.0
"""Largest gap between two lines of a block, in heights of the higher one; body text has about a quarter."""


def group_blocks(lines: Sequence[Line]) -> list[list[Line]]:
    """Group each line with the previous one if it follows directly below it; the order does not change.

    Examples:
        >>> from ocrfarm.geometry import Quad
        >>> lines = [Line(f"line {y}", Quad.from_bounds(0, y, 200, y + 20), 1.0) for y in (0, 25, 200)]
        >>> [[line.text for line in block] for block in group_blocks(lines)]
        [['line 0', 'line 25'], ['line 200']]
    """
    found: list[list[Line]] = []
    for line in lines:
        if found and _continues_block(found[-1][-1].quad, line.quad):
            found[-1].append(line)
        else:
            found.append([line])
    return found


def _continues_block(above: Quad, below: Quad) -> bool:
    along, other = _unit_direction(above), _unit_direction(below)
    low, high = sorted((above.height, below.height))
    if along[0] * other[0] + along[1] * other[1] < _MIN_COSINE or high > _MAX_HEIGHT_RATIO * low:
        return False
    down = (-along[1], along[0])
    gap = (
        _project(below.p0, down) + _project(below.p1, down) - _project(above.p3, down) - _project(above.p2, down)
    ) / 2
    beside = _project(below.p0, along) >= _project(above.p1, along) or _project(above.p0, along) >= _project(
        below.p1, along
    )
    return not beside and -high / 2 <= gap <= _MAX_LINE_GAP * high


def _unit_direction(quad: Quad) -> tuple[float, float]:
    """Return the unit vector in reading direction, or (0, 0) for a quad without length."""
    dx, dy = quad.p1[0] - quad.p0[0], quad.p1[1] - quad.p0[1]
    length = math.hypot(dx, dy) or 1.0
    return dx / length, dy / length


def _project(point: tuple[float, float], axis: tuple[float, float]) -> float:
    return point[0] * axis[0] + point[1] * axis[1]
