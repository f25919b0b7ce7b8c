"""Where a line stands, in the forms in which hOCR, ALTO and PAGE say it."""

import math
from collections.abc import Sequence

from ocrfarm.document import Line
from ocrfarm.geometry import Box, Quad, Size

_MIN_ANGLE = 0.05
"""Degrees below which a line counts as level."""

Corners = list[tuple[int, int]]
"""Whole pixels, none of them off the page."""


def pixel_corners(quad: Quad, page: Size) -> Corners:
    """Give the quad's corners in order."""
    return [(min(max(round(x), 0), page.width), min(max(round(y), 0), page.height)) for x, y in quad.points]


def bounding_box(points: Sequence[tuple[int, int]]) -> Box:
    """Give the smallest upright box around the points."""
    xs, ys = zip(*points, strict=True)
    return Box(min(xs), min(ys), max(xs), max(ys))


def lines_bounding_box(lines: Sequence[Line], page: Size) -> Box:
    """Give the smallest upright box around the lines."""
    return bounding_box([point for line in lines for point in pixel_corners(line.quad, page)])


def angle_degrees(quad: Quad) -> float:
    """Give degrees from level, counter-clockwise as seen, 0 <= angle < 360."""
    (x0, y0), (x1, y1) = quad.p0, quad.p1
    turned = math.degrees(math.atan2(y0 - y1, x1 - x0))
    return turned % 360 if abs(turned) >= _MIN_ANGLE else 0.0
