"""The preview: the overview of a page with the place of every line drawn on it."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ocrfarm.document import Line
from ocrfarm.geometry import Size
from ocrfarm.image.codec import encode_tile
from ocrfarm.image.pixels import Pixels, to_rgb

_SURE, _UNSURE = (0, 140, 60), (220, 30, 30)
"""Colours of a line that is certainly right and of one that is not: green and red, both dark enough on white paper."""

_DOUBTFUL = 0.5
"""Confidence at which a line is drawn in pure red; most wrong readings lie below 0.8, most right ones above 0.95."""


def draw_preview(overview: Pixels, page: Size, lines: Sequence[Line]) -> bytes:
    """Give a PNG of the overview (grey or RGB) with each line's quad, from red (doubtful) to green (sure)."""
    picture = Image.fromarray(to_rgb(overview))
    draw = ImageDraw.Draw(picture)
    scale = picture.width / page.width, picture.height / page.height
    for line in lines:
        corners = [(x * scale[0], y * scale[1]) for x, y in line.quad.points]
        if all(math.isfinite(value) for corner in corners for value in corner):
            draw.polygon(corners, outline=_colour(line.confidence))
    return encode_tile(np.asarray(picture))


def _colour(confidence: float) -> tuple[int, int, int]:
    share = min(1.0, max(0.0, (confidence - _DOUBTFUL) / (1 - _DOUBTFUL)))
    red, green, blue = (round(low + (high - low) * share) for low, high in zip(_UNSURE, _SURE, strict=True))
    return red, green, blue
