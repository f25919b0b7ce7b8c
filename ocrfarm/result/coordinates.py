"""The position of a line in whole pixels and as an angle, as hOCR, ALTO and PAGE need it."""

import math
from collections.abc import Sequence

from ocrfarm.document import Line
from ocrfarm.geometry import Box, Quad, Size

_MIN_ANGLE = 0.05
"""Degrees; a line that is less inclined counts as horizontal."""

Corners = list[tuple[int, int]]
"""Corners (x, y) in whole pixels, all of them on the page."""


def pixel_corners(quad: Quad, page: Size) -> Corners:
    """Return the corners of a quad in order, rounded and moved onto the page.

    Args:
        quad: A place in page pixels.
        page: Width and height of the page, in pixels.

    Examples:
        >>> pixel_corners(Quad.from_bounds(-3, 10.4, 50.6, 30), Size(40, 100))
        [(0, 10), (40, 10), (40, 30), (0, 30)]
    """
    return [(min(max(round(x), 0), page.width), min(max(round(y), 0), page.height)) for x, y in quad.points]


def bounding_box(points: Sequence[tuple[int, int]]) -> Box:
    """Return the smallest upright box around the points.

    Examples:
        >>> bounding_box([(10, 5), (4, 30), (12, 8)])
        Box(x0=4, y0=5, x1=12, y1=30)
    """
    xs, ys = zip(*points, strict=True)
    return Box(min(xs), min(ys), max(xs), max(ys))


def lines_bounding_box(lines: Sequence[Line], page: Size) -> Box:
    """Return the smallest upright box around the lines.

    Args:
        lines: At least one line.
        page: Width and height of the page, in pixels.

    Examples:
        >>> lines = [Line("a", Quad.from_bounds(10, 10, 90, 30), 1.0), Line("b", Quad.from_bounds(5, 40, 60, 60), 1.0)]
        >>> lines_bounding_box(lines, Size(100, 100))
        Box(x0=5, y0=10, x1=90, y1=60)
    """
    return bounding_box([point for line in lines for point in pixel_corners(line.quad, page)])


def angle_degrees(quad: Quad) -> float:
    """Return the angle of the reading direction in degrees, counter-clockwise as seen: 0 <= angle < 360.

    Examples:
        >>> angle_degrees(Quad.from_bounds(0, 0, 100, 20))
        0.0
        >>> upwards = Quad((0, 100), (0, 0), (20, 0), (20, 100))
        >>> angle_degrees(upwards)
        90.0
    """
    (x0, y0), (x1, y1) = quad.p0, quad.p1
    turned = math.degrees(math.atan2(y0 - y1, x1 - x0))
    return turned % 360 if abs(turned) >= _MIN_ANGLE else 0.0
