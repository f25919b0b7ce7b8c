"""What a second look found -> what of it counts."""

import math
from dataclasses import replace

from ocrfarm.document import Line
from ocrfarm.geometry import Quad
from ocrfarm.stitch.links import NEAR_ROW, SAME_HEIGHT
from ocrfarm.tile import Fragment, Look, Reading

LOST_CONFIDENCE = 0.05
"""What a second reading may be less sure of than the joined text, and still be taken."""

MOST_EDITS = 0.3
"""Share of the characters in which it may differ: a crop that shows something else differs in more."""

BEND = 0.05
"""Pixels sideways that a line may drift for each pixel beyond its known part."""


def continuing(look: Look, reading: Reading) -> Reading:
    """Leave of a searched tile only what lies on the axes of the lines that end in it: nothing else is to change."""
    kept = tuple(fragment for fragment in reading.fragments if any(_goes_on(line, fragment) for line in look.lines))
    return replace(reading, fragments=kept)


def _goes_on(line: Quad, fragment: Fragment) -> bool:
    low, high = sorted((line.height, fragment.quad.height))
    (x, y), (cx, cy) = line.centre, fragment.quad.centre
    dx, dy = (line.p1[0] - line.p0[0]) / max(line.length, 1), (line.p1[1] - line.p0[1]) / max(line.length, 1)
    along, across = (cx - x) * dx + (cy - y) * dy, (cy - y) * dx - (cx - x) * dy
    beyond = max(abs(along) - line.length / 2, 0)
    return low >= SAME_HEIGHT * high and abs(across) <= NEAR_ROW * low + BEND * beyond


def settled(line: Line, again: Line) -> Line:
    """Take the second reading of a whole line where it is as sure as the first and says nearly the same.

    Where both read the same letters the first one stands, so that no space is moved for nothing.
    """
    if line.text.replace(" ", "") == again.text.replace(" ", ""):
        return replace(line, look="confirmed")
    length = max(len(line.text), len(again.text), 1)
    sure = again.confidence >= line.confidence - LOST_CONFIDENCE
    if sure and _edits(line.text, again.text, most=math.floor(MOST_EDITS * length)) <= MOST_EDITS * length:
        return replace(again, quad=line.quad, look="corrected")
    return replace(line, look="uncertain")


def _edits(one: str, two: str, *, most: int) -> int:
    """Give the edit distance of two texts; any number above `most` where it is more."""
    if abs(len(one) - len(two)) > most:
        return most + 1
    row = list(range(len(two) + 1))
    for at, char in enumerate(one, 1):
        diagonal, row[0] = row[0], at
        for k, other in enumerate(two, 1):
            diagonal, row[k] = row[k], min(row[k] + 1, row[k - 1] + 1, diagonal + (char != other))
    return row[-1]
