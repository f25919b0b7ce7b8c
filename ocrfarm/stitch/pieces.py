"""Readings of many tiles -> fragments in arrays, in one fixed order."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocrfarm.geometry import Size
from ocrfarm.tile import Char, Fragment, Reading, Tile, TileId

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_Content = tuple[tuple[tuple[float, float], ...], tuple[Char, ...], float, float]

SMALLEST = 1e-3
"""Pixels; keeps a quad without any length or height from dividing by zero."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """The n fragments of a page, sorted by tile and then by content; row i of every array is `fragments[i]`.

    `tile` indexes `tiles` and `models`; `corners` (n, 4, 2) and `centre` (n, 2) are page pixels; `along` (n, 2) is the
    unit vector of the reading direction; `length` and `height` (n) are pixels.
    """

    fragments: list[Fragment]
    tiles: list[Tile]
    models: list[str]
    tile: Ints
    corners: Floats
    centre: Floats
    along: Floats
    length: Floats
    height: Floats

    def __len__(self) -> int:
        return len(self.fragments)

    def tile_boxes(self) -> Floats:
        """Give x0, y0, x1, y1 of each tile."""
        boxes = [(tile.box.x0, tile.box.y0, tile.box.x1, tile.box.y1) for tile in self.tiles]
        return np.array(boxes, np.float64).reshape(-1, 4)

    def interior(self) -> Flags:
        """Say which of the left, top, right and bottom border of each tile cut through the page."""
        return np.array([tile.interior for tile in self.tiles], np.bool_).reshape(-1, 4)


def gather(size: Size, readings: Iterable[Reading]) -> Pieces:
    """Put the fragments in arrays; what has no text or lies off the page is left out, repeats count once."""
    chosen = sorted(_one_per_tile(readings).values(), key=lambda reading: reading.tile.id)
    fragments: list[Fragment] = []
    tile: list[int] = []
    for index, reading in enumerate(chosen):
        kept = sorted((fragment for fragment in reading.fragments if _has_text(fragment)), key=_content)
        fragments += kept
        tile += [index] * len(kept)
    corners = np.array([fragment.quad.points for fragment in fragments], np.float64).reshape(-1, 4, 2)
    on_page = _on_page(size, corners)
    return _measure(
        [fragment for fragment, keep in zip(fragments, on_page.tolist(), strict=True) if keep],
        [reading.tile for reading in chosen],
        [reading.model for reading in chosen],
        np.array(tile, np.int64)[on_page],
        corners[on_page],
    )


def _one_per_tile(readings: Iterable[Reading]) -> dict[TileId, Reading]:
    """Keep one reading of each tile; which one does not depend on the order they come in."""
    found: dict[TileId, Reading] = {}
    for reading in readings:
        other = found.setdefault(reading.tile.id, reading)
        if other is not reading and other != reading:
            found[reading.tile.id] = min(other, reading, key=_preference)
    return found


def _preference(reading: Reading) -> tuple[bool, str, list[_Content]]:
    return reading.saturated, reading.model, sorted(map(_content, reading.fragments))


def _content(fragment: Fragment) -> _Content:
    return fragment.quad.points, fragment.chars, fragment.confidence, fragment.detection


def _has_text(fragment: Fragment) -> bool:
    return any(char.text.strip() for char in fragment.chars)


def _on_page(size: Size, corners: Floats) -> Flags:
    """Say which fragments have their middle on the page: what lies in a tile's padding is noise."""
    middle = corners.mean(axis=1)
    inside: Flags = ((middle >= 0) & (middle <= (size.width, size.height))).all(axis=1)
    return inside


def _measure(fragments: list[Fragment], tiles: list[Tile], models: list[str], tile: Ints, corners: Floats) -> Pieces:
    start = (corners[:, 0] + corners[:, 3]) / 2
    end = (corners[:, 1] + corners[:, 2]) / 2
    length = np.maximum(distance(end - start), SMALLEST)
    height = (distance(corners[:, 3] - corners[:, 0]) + distance(corners[:, 2] - corners[:, 1])) / 2
    return Pieces(
        fragments,
        tiles,
        models,
        tile=tile,
        corners=corners,
        centre=(start + end) / 2,
        along=(end - start) / length[:, None],
        length=length,
        height=np.maximum(height, SMALLEST),
    )


def distance(vectors: Floats) -> Floats:
    """Give the length of each (x, y) row."""
    return np.sqrt(vectors[:, 0] ** 2 + vectors[:, 1] ** 2)
