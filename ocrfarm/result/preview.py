"""Page -> an image of it with the place of every line drawn on it."""

import io
from typing import BinaryIO

from PIL import Image, ImageDraw

from ocrfarm.document import Document, Page
from ocrfarm.result.source_info import SourceInfo

_HIGH_COLOUR, _LOW_COLOUR = (0, 140, 60), (220, 30, 30)
"""Colours of a line that is certainly right and of one that is not: green and red, both dark enough on white paper."""

_LOW_CONFIDENCE = 0.5
"""Confidence at which a line is drawn in pure red; most wrong readings lie below 0.8, most right ones above 0.95."""


def write_preview(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write the document's only page as PNG."""
    (page,) = document.pages
    _draw_lines(page, source.overview(source.page_offset + document.page_numbers[0])).save(
        file, "PNG", compress_level=1
    )


def write_webp(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write the document's only page as WebP, a fraction of the PNG's bytes."""
    (page,) = document.pages
    _draw_lines(page, source.overview(source.page_offset + document.page_numbers[0])).save(
        file, "WEBP", quality=85, method=2
    )


def _draw_lines(page: Page, overview: bytes) -> Image.Image:
    """Draw each line's quad, from red (doubtful) to green (sure), on the shrunken page."""
    image = Image.open(io.BytesIO(overview)).convert("RGB")
    draw = ImageDraw.Draw(image)
    across, down = image.width / page.size.width, image.height / page.size.height
    for line in page.lines:
        corners = [(x * across, y * down) for x, y in line.quad.points]
        draw.polygon(corners, outline=_confidence_colour(line.confidence))
    return image


def _confidence_colour(confidence: float) -> tuple[int, int, int]:
    share = min(1.0, max(0.0, (confidence - _LOW_CONFIDENCE) / (1 - _LOW_CONFIDENCE)))
    red, green, blue = (round(low + (high - low) * share) for low, high in zip(_LOW_COLOUR, _HIGH_COLOUR, strict=True))
    return red, green, blue
