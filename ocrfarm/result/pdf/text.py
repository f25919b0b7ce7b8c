"""The words of a page as invisible PDF text, each exactly in its place and at its angle.

Text rendering mode 3 (ISO 32000-1, 9.3.6) draws nothing. A word is scaled horizontally (Tz) so that it ends where it
ends in the image:

    font size = height of the word       /OcrfarmText 30 Tf  a b c d x y Tm
    Tz = 100 x length / (height x characters), since every character is as wide as the font size
"""

import math
from collections.abc import Iterator

from ocrfarm.document import Page
from ocrfarm.geometry import Quad
from ocrfarm.result.pdf.font import ASCENT, DESCENT, PdfFont
from ocrfarm.result.words import PlacedWord, merge_unspaced, words_of
from ocrfarm.result.xml import replace_forbidden

_Point = tuple[float, float]

_MIN_WORD_PIXELS = 0.01
"""Pixels; the place of a shorter or thinner word cannot be written with the precision of the file."""

_MIN_SPACE_PERCENT = 0.5
"""Horizontal scaling, in percent, of the space between words that touch, so that viewers still separate them."""

_MIN_SLANT = 0.02
"""Sine of the smallest angle to the edges of the page at which viewers break words apart: about a degree."""


def iter_text_layer(page: Page, font: PdfFont) -> Iterator[bytes]:
    """Return the operators that write the words of a page, in page pixels with y upwards.

    Args:
        page: The page.
        font: The font, which numbers the characters.
    """
    yield b"BT 3 Tr\n"
    for line in page.lines:
        words = merge_unspaced(words_of(line)) if _is_slanted(line.quad) else words_of(line)
        for word, following in zip(words, [*words[1:], None], strict=True):
            yield from _iter_word(word, following, font, page.size.height)
    yield b"ET\n"


def _iter_word(word: PlacedWord, following: PlacedWord | None, font: PdfFont, top: int) -> Iterator[bytes]:
    """Scale the text to the length of the word, and the space after it to the distance to the next word."""
    start, end = _edge_midpoints(word.quad)
    height, length = word.quad.height, math.dist(start, end)
    if min(height, length) < _MIN_WORD_PIXELS:
        return
    along = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    below = (ASCENT + DESCENT) / 2 - DESCENT  # from the middle to the baseline, which is parallel
    x, y = start[0] - along[1] * below * height, start[1] + along[0] * below * height
    matrix = f"{along[0]:.5f} {-along[1]:.5f} {along[1]:.5f} {along[0]:.5f} {x:.2f} {top - y:.2f}"
    yield b"/OcrfarmText %.2f Tf %b Tm " % (height, matrix.encode())
    text = replace_forbidden(word.text)
    shown = b"%.3f Tz %b Tj" % (100 * length / (height * len(text)), font.encode(text))
    yield _mark_actual_text(shown, text) if _is_slanted(word.quad) else shown + b"\n"
    if word.has_space_after and following:
        gap = 100 * math.dist(end, _edge_midpoints(following.quad)[0]) / height
        yield b"%.3f Tz %b Tj\n" % (max(gap, _MIN_SPACE_PERCENT), font.encode(" "))


def _is_slanted(quad: Quad) -> bool:
    (x0, y0), (x1, y1) = _edge_midpoints(quad)
    return min(abs(x1 - x0), abs(y1 - y0)) > _MIN_SLANT * math.dist((x0, y0), (x1, y1))


def _mark_actual_text(shown: bytes, text: str) -> bytes:
    """Mark the text of the characters: poppler breaks a word if the next letter is half a letter lower."""
    return b"/Span << /ActualText <%b> >> BDC %b EMC\n" % (f"\ufeff{text}".encode("utf-16-be").hex().encode(), shown)


def _edge_midpoints(quad: Quad) -> tuple[_Point, _Point]:
    """Return the middles of the edges where the text begins and where it ends."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad.points
    return ((x0 + x3) / 2, (y0 + y3) / 2), ((x1 + x2) / 2, (y1 + y2) / 2)
