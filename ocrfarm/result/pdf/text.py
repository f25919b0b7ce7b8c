"""The words of a page as PDF text that is not drawn, each exactly in its place, whatever its angle."""

import math
from collections.abc import Iterator

from ocrfarm.document import Page
from ocrfarm.geometry import Quad
from ocrfarm.result.pdf.font import ASCENT, DESCENT, PdfFont
from ocrfarm.result.words import PlacedWord, merge_unspaced, words_of
from ocrfarm.result.xml import replace_forbidden

_Point = tuple[float, float]

_MIN_WORD_PIXELS = 0.01
"""Pixels: of a word that is thinner or shorter no reader could make out where it is."""

_MIN_SPACE_PERCENT = 0.5
"""Percent: how narrow the space is between words that touch; it parts them all the same."""


_MIN_SLANT = 0.02
"""Sine of the angle between a word and the page's nearest side, from which on readers need help: a degree."""


def iter_text_layer(page: Page, font: PdfFont) -> Iterator[bytes]:
    """Give the operators that write the page's words, in page pixels with y up; `3 Tr` draws nothing."""
    yield b"BT 3 Tr\n"
    for line in page.lines:
        words = merge_unspaced(words_of(line)) if _is_slanted(line.quad) else words_of(line)
        for word, following in zip(words, [*words[1:], None], strict=True):
            yield from _iter_word(word, following, font, page.size.height)
    yield b"ET\n"


def _iter_word(word: PlacedWord, following: PlacedWord | None, font: PdfFont, top: int) -> Iterator[bytes]:
    """Scale the text so that it begins and ends where the word does, and a space so that it reaches the next word."""
    start, end = _edge_midpoints(word.quad)
    height, length = word.quad.height, math.dist(start, end)
    if min(height, length) < _MIN_WORD_PIXELS:
        return
    along = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    below = (ASCENT + DESCENT) / 2 - DESCENT  # from the middle to the base line, which runs parallel
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
    """Say what the characters spell: poppler breaks a word where the next letter stands half a letter lower."""
    return b"/Span << /ActualText <%b> >> BDC %b EMC\n" % (f"\ufeff{text}".encode("utf-16-be").hex().encode(), shown)


def _edge_midpoints(quad: Quad) -> tuple[_Point, _Point]:
    """Give the middles of the edges where the text begins and where it ends."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad.points
    return ((x0 + x3) / 2, (y0 + y3) / 2), ((x1 + x2) / 2, (y1 + y2) / 2)
