"""Quads -> upright crops of one line each, and back: which way each crop runs."""

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ocrfarm.geometry import Quad
from ocrfarm.tile import Char

BgrPixels = NDArray[np.uint8]
Chars = tuple[Char, ...]
CropReader = Callable[[list[BgrPixels]], list[Chars]]

MIN_CONFIDENCE, MIN_CONFIDENCE_DOWNWARDS = 0.85, 0.95
"""Mean confidence from which a line is taken to run the way it was read. Upside down, lines get 0.4-0.8, rarely more;
upright lines on scans get less than 0.85 in 1 of 12 (tiny) or 1 of 35 (small). A vertical label is as likely to run
upwards as downwards, so more is asked of it."""

MIN_TURN_GAIN = 0.1
"""Mean confidence by which another way must be surer than the usual one; "6%" turned round is a fair "%9"."""

MAX_GLYPH_ASPECT = 3.0
"""A tall box shorter than this many of its widths may be one upright glyph ("I", "1") and no line that runs down."""

MIN_VERTICAL_ASPECT = 1.5
"""A box at least this much taller than wide is read as a line that runs downwards (PaddleOCR's own figure)."""


def order_corners(corners: NDArray[np.generic]) -> Quad:
    """Give four corners of a box as a quad: clockwise from the top left, turned so that a tall box reads downwards."""
    by_x = sorted(corners.tolist())
    left, right = sorted(by_x[:2], key=lambda point: point[1]), sorted(by_x[2:], key=lambda point: point[1])
    quad = Quad.from_points([left[0], right[0], right[1], left[1]])
    return _rotate_corners(quad) if quad.height >= MIN_VERTICAL_ASPECT * quad.length else quad


def _rotate_corners(quad: Quad) -> Quad:
    """Give the same corners for text that runs from the top edge of the box to its bottom edge."""
    return Quad(quad.p1, quad.p2, quad.p3, quad.p0)


def _unrotate_corners(quad: Quad) -> Quad:
    return Quad(quad.p3, quad.p0, quad.p1, quad.p2)


def extract_crop(pixels: BgrPixels, quad: Quad) -> BgrPixels:
    """Cut the quad out of the image so that its text runs left to right; outside, the image's edge is repeated."""
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
    """Read each box of the image; where it is in doubt which way a line runs, other ways are tried too.

    Gives each box's quad in reading direction, with its characters: those of the surest reading.
    """
    best = list(zip(boxes, read([extract_crop(pixels, box) for box in boxes]), strict=True))
    doubtful = [(index, other) for index, (box, chars) in enumerate(best) for other in _other_directions(box, chars)]
    again = read([extract_crop(pixels, other) for _, other in doubtful])
    for (index, other), chars in zip(doubtful, again, strict=True):
        if mean_confidence(chars) > mean_confidence(best[index][1]) + MIN_TURN_GAIN:
            best[index] = (other, chars)
    return best


def mean_confidence(chars: Chars) -> float:
    """Give the mean confidence of the characters, spaces aside; 0 where there are none."""
    sure = [char.confidence for char in chars if char.text != " "]
    return sum(sure) / max(len(sure), 1)


def _other_directions(box: Quad, chars: Chars) -> list[Quad]:
    (x0, y0), (x1, y1) = box.p0, box.p1
    runs_down = abs(y1 - y0) > abs(x1 - x0)
    if mean_confidence(chars) >= (MIN_CONFIDENCE_DOWNWARDS if runs_down else MIN_CONFIDENCE):
        return []
    single = runs_down and box.length < MAX_GLYPH_ASPECT * box.height
    return [box.rotate_180(), *([_unrotate_corners(box)] if single else [])]
