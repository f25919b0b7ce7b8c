"""A pen that draws on a grey page and remembers the truth about every text."""

import math
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ocrfarm.document import Line
from ocrfarm.geometry import Quad, Size

Point = tuple[float, float]

INK, GREY, PALE, PAPER = 0, 110, 190, 255
"""Grey levels of text and outlines, of thin lines, of hatching, and of the page."""

SMALLEST = 14
"""Pixels: the font size of the smallest print; what would be smaller on a small page is drawn at this size."""

_FIRST_HAN = "\u2e80"
"""The first code point of the East Asian scripts: from here on the built-in font has no glyphs."""

_GRAIN = 4
"""Pixels: how finely the pen remembers where it has written."""

_CLEAR = 0.25
"""Font sizes around a label that are cleared of lines, as draughtsmen do."""


class Pen:
    """Draws text and lines on a white page; a text that would leave the page or touch another is left out.

    Text with Han characters needs the font file; without one it is left out as well, and so from the truth.
    """

    def __init__(self, size: Size, font: Path | None) -> None:
        self.size = size
        self.image = Image.new("L", (size.width, size.height), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.truth: list[Line] = []
        self._font = font
        self._written = np.zeros((size.height // _GRAIN + 2, size.width // _GRAIN + 2), np.bool_)

    def scaled(self, pixels: float, least: int = 1) -> int:
        """Turn a length on a page of 16384 px into one on this page, by its shorter side."""
        return max(least, round(pixels * min(self.size.width, self.size.height) / 16384))

    def font_size(self, pixels: float) -> int:
        """Turn a font size on a page of 16384 px into one on this page."""
        return self.scaled(pixels, SMALLEST)

    def length(self, text: str, size: int) -> float:
        """Give the pixels that a text of this font size takes."""
        return self._face(text, size).getlength(text) if self.can_write(text) else 0.0

    def can_write(self, text: str) -> bool:
        """Say whether there are glyphs for it."""
        return self._font is not None or not _is_han(text)

    def text(self, at: Point, text: str, size: int, *, anchor: str = "ls", angle: float = 0.0) -> None:
        """Write a label: `at` is where its anchor (as Pillow names it) goes, `angle` degrees counterclockwise."""
        if not self.can_write(text):
            return
        ink = self._face(text, size).getbbox(text, anchor=anchor)
        quad = _placed(ink, at, angle)
        if self._take(quad):
            self.draw.polygon(_placed(_grown(ink, size * _CLEAR), at, angle).points, fill=PAPER)
            self._stamp(text, size, quad, angle)
            self.truth.append(Line(text, quad, 1.0))

    def _stamp(self, text: str, size: int, quad: Quad, angle: float) -> None:
        face = self._face(text, size)
        if not angle:
            left, top, _, _ = face.getbbox(text, anchor="ls")
            self.draw.text((quad.p0[0] - left, quad.p0[1] - top), text, fill=INK, font=face, anchor="ls")
            return
        x0, y0, x1, y1 = (round(edge) for edge in face.getbbox(text, anchor="ls"))
        mask = Image.new("L", (x1 - x0 + 4, y1 - y0 + 4), 0)
        ImageDraw.Draw(mask).text((2 - x0, 2 - y0), text, fill=255, font=face, anchor="ls")
        turned = mask.rotate(angle, Image.Resampling.BICUBIC, expand=True)
        x, y = (sum(point[axis] for point in quad.points) / 4 for axis in (0, 1))
        self.image.paste(INK, (round(x - turned.width / 2), round(y - turned.height / 2)), turned)

    def _face(self, text: str, size: int) -> ImageFont.FreeTypeFont:
        return _face(self._font if _is_han(text) else None, size)

    def _take(self, quad: Quad) -> bool:
        """Mark the place as written on, if it lies on the page and is free."""
        box = quad.bounds()
        if min(box.x0, box.y0) < 0 or box.x1 > self.size.width or box.y1 > self.size.height:
            return False
        place = np.s_[box.y0 // _GRAIN : box.y1 // _GRAIN + 1, box.x0 // _GRAIN : box.x1 // _GRAIN + 1]
        if self._written[place].any():
            return False
        self._written[place] = True
        return True


@cache
def _face(font: Path | None, size: int) -> ImageFont.FreeTypeFont:
    face = ImageFont.truetype(font, size) if font else ImageFont.load_default(size)
    assert isinstance(face, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return face


def _is_han(text: str) -> bool:
    return any(char >= _FIRST_HAN for char in text)


def _grown(ink: tuple[float, float, float, float], by: float) -> tuple[float, float, float, float]:
    return (ink[0] - by, ink[1] - by, ink[2] + by, ink[3] + by)


def _placed(ink: tuple[float, float, float, float], at: Point, angle: float) -> Quad:
    """Turn a box around its anchor (0, 0) and move the anchor to `at`; whole pixels where it stays level."""
    x0, y0, x1, y1 = ink
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    ax, ay = (round(at[0]), round(at[1])) if not angle else at
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    return Quad.of([(ax + x * cosine + y * sine, ay - x * sine + y * cosine) for x, y in corners])
