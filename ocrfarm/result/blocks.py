"""Lines in reading order -> blocks of lines that stand below one another, like a paragraph or the cells of a column."""

import math
from collections.abc import Sequence

from ocrfarm.document import Line
from ocrfarm.geometry import Quad

_MIN_COSINE = 0.98
"""Cosine of the angle between two lines of a block, at least: 11 degrees apart."""

_MAX_HEIGHT_RATIO = 1.5
"""How many times as high as the other one of two lines of a block may be."""

_MAX_LINE_GAP = 1.0
"""Heights of a line between it and the next one of its block, at most; a quarter is usual print."""


def group_blocks(lines: Sequence[Line]) -> list[list[Line]]:
    """Gather each line with the one before where it follows right below it; the order stays."""
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
    """Give the unit vector in reading direction, (0, 0) for a quad without length."""
    dx, dy = quad.p1[0] - quad.p0[0], quad.p1[1] - quad.p0[1]
    length = math.hypot(dx, dy) or 1.0
    return dx / length, dy / length


def _project(point: tuple[float, float], axis: tuple[float, float]) -> float:
    return point[0] * axis[0] + point[1] * axis[1]
