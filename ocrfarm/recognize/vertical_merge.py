"""Boxes of a vertical line that the detector split at a gap between words -> one box.

The detectors were trained on few vertical lines and split them more often than horizontal ones. Cells of tables are
rarely end to end in this direction; side by side they are, so horizontal boxes are not merged.
"""

from collections.abc import Sequence

from ocrfarm.geometry import Quad

MAX_GAP, MAX_OVERLAP = 0.35, 0.6
"""Line heights: maximum gap between the ends of two boxes, and their maximum overlap. A box reaches a third of a line
height beyond its letters."""

MAX_AXIS_OFFSET = 0.25
"""Maximum distance between the axes of two boxes, in line heights."""

MIN_HEIGHT_RATIO = 0.6
"""Minimum ratio of the heights of two boxes: a word without ascenders and descenders has a lower box."""

MIN_STEEPNESS = 5.0
"""Minimum ratio of the vertical to the horizontal extent of a line that counts as vertical."""

ScoredBox = tuple[Quad, float]
"""A box and the detector's score, 0 to 1."""


def merge_vertical_boxes(regions: Sequence[ScoredBox]) -> list[ScoredBox]:
    """Merge vertical boxes that are end to end on one axis; a merged box gets the lower of the scores.

    Examples:
        >>> upper = Quad((20, 0), (20, 100), (0, 100), (0, 0)), 0.9
        >>> lower = Quad((20, 104), (20, 200), (0, 200), (0, 104)), 0.8
        >>> [(quad.bounds().height, score) for quad, score in merge_vertical_boxes([upper, lower])]
        [(200, 0.8)]
    """
    level = [region for region in regions if not _is_steep(region[0])]
    steep: list[ScoredBox] = []
    for region in sorted(filter(lambda region: _is_steep(region[0]), regions), key=lambda region: region[0].centre[1]):
        before = next((k for k, (quad, _) in enumerate(steep) if _is_continuation(quad, region[0])), None)
        if before is None:
            steep.append(region)
        else:
            (first, score), (last, other) = steep[before], region
            steep[before] = Quad(first.p0, last.p1, last.p2, first.p3), min(score, other)
    return level + steep


def _is_steep(quad: Quad) -> bool:
    (x0, y0), (x1, y1) = quad.p0, quad.p1
    return y1 - y0 > MIN_STEEPNESS * abs(x1 - x0)


def _is_continuation(one: Quad, two: Quad) -> bool:
    """Return whether the second box continues the first; both run downwards, as all of the detector's boxes do."""
    (x0, y0), (x1, y1) = one.segment(1, 1).centre, two.segment(0, 0).centre
    low, high = sorted((one.height, two.height))
    return (
        low >= MIN_HEIGHT_RATIO * high
        and abs(x1 - x0) <= MAX_AXIS_OFFSET * low
        and -MAX_OVERLAP * low <= y1 - y0 <= MAX_GAP * low
    )
