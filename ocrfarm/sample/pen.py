"""A pen that draws on a grey page and records the place of every text."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ocrfarm.document import Line
from ocrfarm.errors import SettingsError
from ocrfarm.geometry import Box, Quad, Size

Point = tuple[float, float]

INK, GREY, PALE, PAPER = 0, 110, 190, 255
"""Grey levels of text and outlines, thin lines, hatching, and the page."""

MIN_FONT_SIZE = 14
"""Smallest font size in pixels; text that would be smaller on a small page is drawn in this size."""

_FIRST_HAN = "\u2e80"
"""First code point of the East Asian scripts, for which the built-in font has no glyphs."""

_GRID_PIXELS = 4
"""Side in pixels of the cells in which the pen records where it has written."""

_CLEAR_MARGIN = 0.25
"""Margin around a text that is cleared of lines, in font sizes, as in a technical drawing."""

_MAX_CLEAR_MARGIN = 20
"""Largest margin in pixels; even a title needs no more."""

_InkBox = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Label:
    """A text that is drawn after all lines; `ink` is the box of its pixels relative to its anchor."""

    position: Point
    text: str
    face: ImageFont.FreeTypeFont
    anchor: str
    angle: float
    ink: _InkBox

    def quad(self, margin: float = 0.0) -> Quad:
        """Return the quad of its ink with a margin around it; whole pixels if it is level."""
        x0, y0, x1, y1 = self.ink
        (x, y), sine, cosine = self.position, math.sin(math.radians(self.angle)), math.cos(math.radians(self.angle))
        across, down = (x0 - margin, x1 + margin), (y0 - margin, y1 + margin)
        corners = ((across[0], down[0]), (across[1], down[0]), (across[1], down[1]), (across[0], down[1]))
        return Quad.from_points(
            [(x + right * cosine + low * sine, y - right * sine + low * cosine) for right, low in corners]
        )


class Pen:
    """Draws lines on a white page at once, and text after all lines, so that no line crosses a text.

    A text that would leave the page or touch an earlier one is skipped. Chinese text needs a font file; without one it
    is skipped as well. A skipped text is not in the result of `finish` either.
    """

    def __init__(self, size: Size, font: Path | None) -> None:
        self.size = size
        self.image = Image.new("L", (size.width, size.height), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self._font = font
        self._labels: list[_Label] = []
        self._occupied = np.zeros((size.height // _GRID_PIXELS + 2, size.width // _GRID_PIXELS + 2), np.bool_)

    def scale_length(self, pixels: float, minimum: int = 1) -> int:
        """Scale a length to this page.

        >>> Pen(Size(4096, 8192), None).scale_length(40)
        10

        Args:
            pixels: Length on a page whose shorter side has 16384 pixels.
            minimum: Smallest result.
        """
        return max(minimum, round(pixels * min(self.size.width, self.size.height) / 16384))

    def scale_font_size(self, pixels: float) -> int:
        """Scale a font size, in pixels on a page of 16384 x 16384 pixels, to this page; at least `MIN_FONT_SIZE`."""
        return self.scale_length(pixels, MIN_FONT_SIZE)

    def text_length(self, text: str, size: int) -> float:
        """Return the length of a text in pixels; 0 if there are no glyphs for it.

        Args:
            text: The text.
            size: Font size in pixels.
        """
        return self._face_for(text, size).getlength(text) if self.can_write(text) else 0.0

    def can_write(self, text: str) -> bool:
        """Return whether there are glyphs for a text."""
        return self._font is not None or not _is_han(text)

    def add_text(self, position: Point, text: str, *, size: int, anchor: str = "ls", angle: float = 0.0) -> None:
        """Write a text, unless it would leave the page or touch an earlier one.

        Args:
            position: Place of the anchor, in page pixels.
            text: The text.
            size: Font size in pixels.
            anchor: Anchor of the text, as Pillow names it.
            angle: Degrees counterclockwise.
        """
        if self.can_write(text):
            face = self._face_for(text, size)
            whole = (round(position[0]), round(position[1]))
            label = _Label(position if angle else whole, text, face, anchor, angle, _ink_box(face, text, anchor))
            if self._claim(label.quad().bounds()):
                self._labels.append(label)

    def finish(self) -> tuple[Line, ...]:
        """Draw all texts and return them as lines, in the order in which they were added."""
        for label in self._labels:
            self.draw.polygon(label.quad(min(label.face.size * _CLEAR_MARGIN, _MAX_CLEAR_MARGIN)).points, fill=PAPER)
        for label in self._labels:
            self._draw_label(label)
        return tuple(Line(label.text, label.quad(), 1.0) for label in self._labels)

    def _draw_label(self, label: _Label) -> None:
        if not label.angle:
            self.draw.text(label.position, label.text, fill=INK, font=label.face, anchor=label.anchor)
            return
        x0, y0, x1, y1 = label.ink
        mask = Image.new("L", (x1 - x0, y1 - y0), 0)
        ImageDraw.Draw(mask).text((-x0, -y0), label.text, fill=255, font=label.face, anchor=label.anchor)
        turned = mask.rotate(label.angle, Image.Resampling.BICUBIC, expand=True)
        x, y = (sum(point[axis] for point in label.quad().points) / 4 for axis in (0, 1))
        self.image.paste(INK, (round(x - turned.width / 2), round(y - turned.height / 2)), turned)

    def _face_for(self, text: str, size: int) -> ImageFont.FreeTypeFont:
        return _load_face(self._font if _is_han(text) else None, size)

    def _claim(self, box: Box) -> bool:
        """Mark a place as occupied, if it is inside the page and free; return whether it was."""
        if not Box(0, 0, self.size.width, self.size.height).contains(box):
            return False
        place = np.s_[
            box.y0 // _GRID_PIXELS : box.y1 // _GRID_PIXELS + 1, box.x0 // _GRID_PIXELS : box.x1 // _GRID_PIXELS + 1
        ]
        if self._occupied[place].any():
            return False
        self._occupied[place] = True
        return True


def check_font(font: Path) -> None:
    """Raise `SettingsError` if the file is not a font that Pillow can draw with."""
    try:
        ImageFont.truetype(font, MIN_FONT_SIZE)
    except OSError as error:
        raise SettingsError(f"{font}: cannot be used as a font ({error}); name a TrueType or OpenType file") from error


@cache
def _load_face(font: Path | None, size: int) -> ImageFont.FreeTypeFont:
    face = ImageFont.truetype(font, size) if font else ImageFont.load_default(size)
    assert isinstance(face, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return face


def _is_han(text: str) -> bool:
    return any(char >= _FIRST_HAN for char in text)


def _ink_box(face: ImageFont.FreeTypeFont, text: str, anchor: str) -> _InkBox:
    """Return the box of the drawn pixels; Pillow's own box includes the space before and after them."""
    mask, (left, top) = face.getmask2(text, mode="L", anchor=anchor)
    x0, y0, x1, y1 = mask.getbbox() or (0, 0, 1, 1)
    return (left + x0, top + y0, left + x1, top + y1)
