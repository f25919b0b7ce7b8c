"""A page as static HTML for notebooks: the outlines of its lines and their text, of bounded size and self-contained."""

import base64
import html
from collections.abc import Sequence
from typing import NamedTuple

from ocrfarm.geometry import Quad, Size

_MAX_OUTLINES, _MAX_ROWS, _MAX_CHARACTERS = 1_000, 50, 200
"""Maximum number of outlines, of rows of text, and of characters in a row: together 400 kB, although a page may have
100,000 lines."""

_MAX_IMAGE_BYTES = 8_000_000
"""A larger image is left out, because a notebook file stores everything that it shows."""

_MAX_WIDTH, _MAX_HEIGHT = 900, 700
"""Maximum size on the screen, in pixels."""


class Mark(NamedTuple):
    """One line to draw: its place in page pixels, its text, and its confidence (0 to 1)."""

    quad: Quad
    text: str
    confidence: float


def render_html(size: Size, marks: Sequence[Mark], *, caption: str, image: bytes = b"") -> str:
    """Return a page as HTML.

    Args:
        size: Width and height of the page, in pixels.
        marks: The lines in reading order; only the first ones are drawn if there are many.
        caption: Text above the page.
        image: The page as PNG, of any size; empty for a white page.

    Returns:
        A `<figure>` without scripts and without references to other hosts.
    """
    rows = "".join(f"<li>{_escape_text(mark.text)}</li>" for mark in marks[:_MAX_ROWS])
    more = f"<p>... and {len(marks) - _MAX_ROWS:,} more lines</p>" if len(marks) > _MAX_ROWS else ""
    width = min(_MAX_WIDTH, round(_MAX_HEIGHT * size.width / size.height))
    return (
        f'<figure style="margin:0;max-width:{_MAX_WIDTH}px"><figcaption>{_escape_text(caption)}</figcaption>'
        f'<svg viewBox="0 0 {size.width} {size.height}" width="{width}"'
        ' style="max-width:100%;height:auto;border:1px solid #8888;background:#fff">'
        f"{_image_element(size, image)}{''.join(map(_outline_element, marks[:_MAX_OUTLINES]))}</svg>"
        f"<details><summary>Text</summary><ol>{rows}</ol>{more}</details></figure>"
    )


def _image_element(size: Size, image: bytes) -> str:
    if not image or len(image) > _MAX_IMAGE_BYTES:
        return ""
    data = base64.b64encode(image).decode()
    return f'<image width="{size.width}" height="{size.height}" href="data:image/png;base64,{data}"/>'


def _outline_element(mark: Mark) -> str:
    """Return a line's quad as an SVG polygon: red for low confidence, green for high confidence."""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.quad.points)
    hue = round(120 * min(max((mark.confidence - 0.5) * 2, 0), 1))
    colour = f"fill:hsl({hue} 90% 45%/.15);stroke:hsl({hue} 90% 35%)"
    title = f"<title>{_escape_text(mark.text)} ({mark.confidence:.2f})</title>"
    return f'<polygon points="{points}" style="{colour}" vector-effect="non-scaling-stroke">{title}</polygon>'


def _escape_text(text: str) -> str:
    """Return the text as HTML, truncated; lone surrogates, which cannot be encoded, become question marks."""
    short = text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."
    return html.escape(short.encode("utf-8", "replace").decode())
