"""Page -> a small image of it with the outline of every line, as PNG or WebP."""

import io
from typing import BinaryIO

from PIL import Image, ImageDraw

from ocrfarm.document import Document, Page
from ocrfarm.result.source_info import SourceInfo

_HIGH_COLOUR, _LOW_COLOUR = (0, 140, 60), (220, 30, 30)
"""RGB of a line with a high and with a low confidence: green and red, both dark enough on white paper."""

_LOW_CONFIDENCE = 0.5
"""Confidence at and below which a line is red. Most wrong lines are below 0.8, most correct ones above 0.95."""


def write_preview(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write the preview as PNG.

    Args:
        document: The document to write, which has one page.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; `overview` gives
            the image of the page.
    """
    (page,) = document.pages
    _draw_lines(page, source.overview(source.page_offset + document.page_numbers[0])).save(
        file, "PNG", compress_level=1
    )


def write_webp(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write the preview as WebP, which takes a fraction of the PNG's bytes.

    Args:
        document: The document to write, which has one page.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; `overview` gives
            the image of the page.
    """
    (page,) = document.pages
    _draw_lines(page, source.overview(source.page_offset + document.page_numbers[0])).save(
        file, "WEBP", quality=85, method=2
    )


def _draw_lines(page: Page, overview: bytes) -> Image.Image:
    """Draw the quad of each line on the downscaled page, from red (low confidence) to green (high)."""
    image = Image.open(io.BytesIO(overview)).convert("RGB")
    draw = ImageDraw.Draw(image)
    across, down = image.width / page.size.width, image.height / page.size.height
    for line in page.lines:
        corners = [(x * across, y * down) for x, y in line.quad.points]
        draw.polygon(corners, outline=_confidence_colour(line.confidence))
    return image


def _confidence_colour(confidence: float) -> tuple[int, int, int]:
    """Return the colour between red and green for a confidence.

    Examples:
        >>> _confidence_colour(0.2), _confidence_colour(0.75), _confidence_colour(1.0)
        ((220, 30, 30), (110, 85, 45), (0, 140, 60))
    """
    share = min(1.0, max(0.0, (confidence - _LOW_CONFIDENCE) / (1 - _LOW_CONFIDENCE)))
    red, green, blue = (round(low + (high - low) * share) for low, high in zip(_LOW_COLOUR, _HIGH_COLOUR, strict=True))
    return red, green, blue
