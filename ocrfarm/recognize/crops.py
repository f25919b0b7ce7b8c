"""Quads -> horizontal crops of one line each, and the choice of each line's reading direction.

A detector's box does not say in which of four directions its text runs. Each box is first read in its usual direction:
left to right, or downwards if it is tall. If the mean confidence is low, the other plausible directions are read too,
and the one with the highest confidence is kept.
"""

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ocrfarm.geometry import Quad
from ocrfarm.tile import Char

BgrPixels = NDArray[np.uint8]
"""Height x width x 3, BGR, uint8."""

Chars = tuple[Char, ...]
CropReader = Callable[[list[BgrPixels]], list[Chars]]
"""Recognizes crops of single lines."""

MIN_CONFIDENCE, MIN_CONFIDENCE_DOWNWARDS = 0.85, 0.95
"""Mean confidence above which the direction in which a line was read is accepted. Upside down, lines get 0.4 to 0.8,
rarely more; upright lines on scans get less than 0.85 in 1 of 12 (tiny) or 1 of 35 cases (small). A vertical label is
as likely to run upwards as downwards, so its threshold is higher."""

MIN_TURN_GAIN = 0.1
"""Gain in mean confidence that another direction needs to replace the usual one; "6%" upside down resembles "%9"."""

MAX_GLYPH_ASPECT = 3.0
"""A tall box that is shorter than this many of its widths may be a single upright glyph ("I", "1") instead of a line
that runs downwards."""

MIN_VERTICAL_ASPECT = 1.5
"""A box whose height is at least this multiple of its width is read as a line that runs downwards (as in PaddleOCR)."""


def order_corners(corners: NDArray[np.generic]) -> Quad:
    """Return four corners (4 x 2, any order) as a quad, clockwise from the top left; a tall box reads downwards.

    Examples:
        >>> order_corners(np.array([[90, 20], [10, 20], [90, 0], [10, 0]])).p0
        (10.0, 0.0)
        >>> order_corners(np.array([[0, 0], [20, 0], [20, 90], [0, 90]])).p0
        (20.0, 0.0)
    """
    by_x = sorted(corners.tolist())
    left, right = sorted(by_x[:2], key=lambda point: point[1]), sorted(by_x[2:], key=lambda point: point[1])
    quad = Quad.from_points([left[0], right[0], right[1], left[1]])
    return _rotate_corners(quad) if quad.height >= MIN_VERTICAL_ASPECT * quad.length else quad


def _rotate_corners(quad: Quad) -> Quad:
    """Return the same corners for text that runs from the top edge of the box to its bottom edge."""
    return Quad(quad.p1, quad.p2, quad.p3, quad.p0)


def _unrotate_corners(quad: Quad) -> Quad:
    return Quad(quad.p3, quad.p0, quad.p1, quad.p2)


def extract_crop(pixels: BgrPixels, quad: Quad) -> BgrPixels:
    """Cut a quad out of an image by a perspective transform, so that its text runs from left to right.

    Args:
        pixels: Height x width x 3, BGR, uint8.
        quad: Place of the line, in pixels of the array; outside the image its edge pixels are repeated.

    Returns:
        The crop, as high and as wide as the longer of the quad's opposite sides.
    """
    top, bottom = math.dist(quad.p0, quad.p1), math.dist(quad.p3, quad.p2)
    start, end = math.dist(quad.p0, quad.p3), math.dist(quad.p1, quad.p2)
    width, height = max(int(max(top, bottom)), 1), max(int(max(start, end)), 1)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.array(quad.points, np.float32), target)
    size = (width, height)
    return np.asarray(
        cv2.warpPerspective(pixels, matrix, size, borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC), np.uint8
    )


def read_lines(pixels: BgrPixels, boxes: Sequence[Quad], *, read: CropReader) -> list[tuple[Quad, Chars]]:
    """Recognize each box of an image, in other directions too if the confidence is low.

    Args:
        pixels: Height x width x 3, BGR, uint8.
        boxes: Quads of the lines, in pixels of the array.
        read: Recognizes a list of crops; it is called twice.

    Returns:
        For each box its quad in reading direction and its characters, those of the direction with the highest
        confidence.
    """
    best = list(zip(boxes, read([extract_crop(pixels, box) for box in boxes]), strict=True))
    doubtful = [(index, other) for index, (box, chars) in enumerate(best) for other in _other_directions(box, chars)]
    rereads = read([extract_crop(pixels, other) for _, other in doubtful])
    for (index, other), chars in zip(doubtful, rereads, strict=True):
        if mean_confidence(chars) > mean_confidence(best[index][1]) + MIN_TURN_GAIN:
            best[index] = (other, chars)
    return best


def mean_confidence(chars: Chars) -> float:
    """Return the mean confidence of the characters that are not spaces; 0 if there are none.

    Examples:
        >>> mean_confidence((Char("a", 0.2, 1.0), Char(" ", 0.5, 0.1), Char("b", 0.8, 0.5)))
        0.75
    """
    confidences = [char.confidence for char in chars if char.text != " "]
    return sum(confidences) / max(len(confidences), 1)


def _other_directions(box: Quad, chars: Chars) -> list[Quad]:
    (x0, y0), (x1, y1) = box.p0, box.p1
    runs_down = abs(y1 - y0) > abs(x1 - x0)
    if mean_confidence(chars) >= (MIN_CONFIDENCE_DOWNWARDS if runs_down else MIN_CONFIDENCE):
        return []
    single = runs_down and box.length < MAX_GLYPH_ASPECT * box.height
    return [box.rotate_180(), *([_unrotate_corners(box)] if single else [])]
