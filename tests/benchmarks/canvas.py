"""A pen with several faces that finds room for texts at any angle, and gives straight copies of the slanted ones."""

import random
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ocrfarm.geometry import Box, Size
from ocrfarm.recognize import RgbPixels
from ocrfarm.sample.pen import INK, PAPER, Pen

_FACES = ("lato-normal", "lato-bold", "Roboto-Slab-Regular")
_MAX_TRIES = 40
_EDGE = 12
"""Pixels of the page's rim that stay empty."""

_GRAIN = 6.0
"""Grey levels: the deviation of the light noise."""

_STRAIGHT_MARGIN = 0.2
"""Text heights around a straight copy: about what a detector leaves."""


def list_faces() -> tuple[Path | None, ...]:
    """List the Latin fonts: Pillow's own (None), and those that a theme of mkdocs brings."""
    spec = find_spec("mkdocs")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the fonts of drawn pages come with mkdocs: run scripts/install")
    folder = Path(spec.origin).parent / "themes" / "readthedocs" / "css" / "fonts"
    return (None, *(folder / f"{name}.woff" for name in _FACES))


class Canvas(Pen):
    """A page on which texts find their own places; `face` is the Latin font of what is written next."""

    def __init__(self, size: Size, rng: random.Random, han: Path) -> None:
        super().__init__(size, han)
        self.rng = rng
        self.face: Path | None = None
        self._shapes: list[shapely.Polygon] = []

    def put(self, text: str, size: int, *, angle: float = 0.0) -> bool:
        """Write a text where nothing is nearer than its own font size; False where no room was found."""
        for _ in range(_MAX_TRIES):
            at = self.rng.uniform(0, self.size.width), self.rng.uniform(0, self.size.height)
            self.add_text(at, text, size=size, anchor="mm", angle=angle)
            if self._claim_shape(shapely.Polygon(self._labels[-1].quad(size).points)):
                return True
            self._labels.pop()
        return False

    def room(self, width: float, height: float, gap: float) -> Box | None:
        """Claim a box somewhere on the page, with a gap in pixels around it."""
        for _ in range(_MAX_TRIES):
            x = int(self.rng.uniform(0, max(self.size.width - width, 1)))
            y = int(self.rng.uniform(0, max(self.size.height - height, 1)))
            if self._claim_shape(shapely.box(x - gap, y - gap, x + width + gap, y + height + gap)):
                return Box(x, y, x + int(width), y + int(height))
        return None

    def straight(self) -> dict[int, RgbPixels]:
        """Give each slanted text drawn level and cropped, by its number."""
        return {number: self._level(number) for number, label in enumerate(self._labels) if label.angle}

    def _claim_shape(self, shape: shapely.Polygon) -> bool:
        inside = shapely.box(_EDGE, _EDGE, self.size.width - _EDGE, self.size.height - _EDGE)
        if not inside.contains(shape) or shapely.intersects(self._shapes, shape).any():
            return False
        self._shapes.append(shape)
        return True

    def _level(self, number: int) -> RgbPixels:
        label = self._labels[number]
        x0, y0, x1, y1 = label.ink
        margin = round((y1 - y0) * _STRAIGHT_MARGIN)
        image = Image.new("L", (x1 - x0 + 2 * margin, y1 - y0 + 2 * margin), PAPER)
        pen = ImageDraw.Draw(image)
        pen.text((margin - x0, margin - y0), label.text, INK, font=label.face, anchor=label.anchor)
        return add_grain(image, number)

    def _claim(self, box: Box) -> bool:
        """Leave it to `put` and `room`, which know slanted shapes."""
        return True

    def _face_for(self, text: str, size: int) -> ImageFont.FreeTypeFont:
        return _latin(self.face, size) if self.face and text.isascii() else super()._face_for(text, size)


def add_grain(image: Image.Image, seed: int) -> RgbPixels:
    """Turn a grey image into noisy red, green and blue."""
    noise: NDArray[np.float32] = np.random.default_rng(seed).standard_normal((image.height, image.width), np.float32)
    grey = np.clip(np.asarray(image, np.float32) * np.float32(0.96) + 6 + noise * np.float32(_GRAIN), 0, 255)
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)


@cache
def _latin(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def pick(rng: random.Random, items: Sequence[Path | None]) -> Path | None:
    """Choose the first of the faces half of the time, and any of them otherwise."""
    return items[0] if rng.random() < 0.5 else rng.choice(items)
