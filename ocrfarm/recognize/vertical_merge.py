"""Boxes of one line that runs down or up, parted by the detector at a gap between words -> one box.

The detectors have seen few such lines and part them where level ones hold together. Cells of tables do not stand end to
end in this direction; side by side they do, so level boxes are left as they are.
"""

from collections.abc import Sequence

from ocrfarm.geometry import Quad

MAX_GAP, MAX_OVERLAP = 0.35, 0.6
"""Line heights between the ends of two boxes at most, and by which they overlap at most: a box reaches a third of a
height beyond its letters."""

MAX_AXIS_OFFSET = 0.25
"""Line heights between their axes at most."""

MIN_HEIGHT_RATIO = 0.6
"""Least ratio of their heights: a word without letters that reach up or down has a lower box."""

MIN_STEEPNESS = 5.0
"""How much further down than across a line runs at least."""

ScoredBox = tuple[Quad, float]
"""A box and its score."""


def merge_vertical_boxes(regions: Sequence[ScoredBox]) -> list[ScoredBox]:
    """Join the boxes that stand end to end on one steep axis; a joined box has the lower of the scores."""
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
    """Say whether the second box goes on where the first one ends; both run down, as the detector's boxes do."""
    (x0, y0), (x1, y1) = one.segment(1, 1).centre, two.segment(0, 0).centre
    low, high = sorted((one.height, two.height))
    return (
        low >= MIN_HEIGHT_RATIO * high
        and abs(x1 - x0) <= MAX_AXIS_OFFSET * low
        and -MAX_OVERLAP * low <= y1 - y0 <= MAX_GAP * low
    )
