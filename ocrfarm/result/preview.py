"""Page -> a picture of it with the place of every line drawn on it."""

import io
from typing import BinaryIO

from PIL import Image, ImageDraw

from ocrfarm.document import Document, Page
from ocrfarm.result.origin import Origin

_SURE, _UNSURE = (0, 140, 60), (220, 30, 30)
"""Colours of a line that is certainly right and of one that is not: green and red, both dark enough on white paper."""

_DOUBTFUL = 0.5
"""Confidence at which a line is drawn in pure red; most wrong readings lie below 0.8, most right ones above 0.95."""


def write_preview(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write the document's only page as PNG."""
    (page,) = document.pages
    _draw(page, origin.overview(origin.first + document.numbers[0])).save(file, "PNG", compress_level=1)


def write_webp(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write the document's only page as WebP, a fraction of the PNG's bytes."""
    (page,) = document.pages
    _draw(page, origin.overview(origin.first + document.numbers[0])).save(file, "WEBP", quality=85, method=2)


def _draw(page: Page, overview: bytes) -> Image.Image:
    """Draw each line's quad, from red (doubtful) to green (sure), on the shrunken page."""
    picture = Image.open(io.BytesIO(overview)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    across, down = picture.width / page.size.width, picture.height / page.size.height
    for line in page.lines:
        corners = [(x * across, y * down) for x, y in line.quad.points]
        draw.polygon(corners, outline=_colour(line.confidence))
    return picture


def _colour(confidence: float) -> tuple[int, int, int]:
    share = min(1.0, max(0.0, (confidence - _DOUBTFUL) / (1 - _DOUBTFUL)))
    red, green, blue = (round(low + (high - low) * share) for low, high in zip(_UNSURE, _SURE, strict=True))
    return red, green, blue
