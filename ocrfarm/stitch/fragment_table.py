"""Readings of many tiles -> fragments in arrays, in one fixed order."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocrfarm.geometry import Quad, Size
from ocrfarm.tile import Char, Fragment, Tile, TileId, TileResult

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_Content = tuple[tuple[tuple[float, float], ...], tuple[Char, ...], float, float]

MIN_EXTENT = 1e-3
"""Pixels; keeps a quad without any length or height from dividing by zero."""


@dataclass(frozen=True, slots=True)
class FragmentTable:
    """The n fragments of a page, sorted by tile and then by content; row i of every array is that of `fragment(i)`.

    `tile` indexes `readings`, of which each is of another tile, and `number` the fragments of that reading; `corners`
    (n, 4, 2) and `centre` (n, 2) are page pixels; `along` (n, 2) is the unit vector of the reading direction; `length`
    and `height` (n) are pixels.
    """

    readings: list[TileResult]
    tile_index: Ints
    fragment_index: Ints
    corners: Floats
    centre: Floats
    direction: Floats
    length: Floats
    height: Floats

    def __len__(self) -> int:
        return len(self.fragment_index)

    def fragment(self, row: int) -> Fragment:
        """Give a fragment; where readings keep theirs in columns it is made each time."""
        return self.reading(row).fragments[int(self.fragment_index[row])]

    def quad(self, row: int) -> Quad:
        """Give where a fragment is."""
        return Quad(*self.corners[row].tolist())

    def reading(self, row: int) -> TileResult:
        """Give the reading that a fragment is part of."""
        return self.readings[int(self.tile_index[row])]

    def tile_boxes(self) -> Floats:
        """Give x0, y0, x1, y1 of each tile."""
        boxes = [(tile.box.x0, tile.box.y0, tile.box.x1, tile.box.y1) for tile in self._tiles()]
        return np.array(boxes, np.float64).reshape(-1, 4)

    def inner_edges(self) -> Flags:
        """Say which of the left, top, right and bottom border of each tile cut through the page."""
        return np.array([tile.inner_edges for tile in self._tiles()], np.bool_).reshape(-1, 4)

    def _tiles(self) -> Iterator[Tile]:
        return (reading.tile for reading in self.readings)


def build_fragment_table(size: Size, readings: Iterable[TileResult]) -> FragmentTable:
    """Put the fragments in arrays; what has no text or lies off the page is left out, repeats count once."""
    chosen = sorted(_select_one_per_tile(readings).values(), key=lambda reading: reading.tile.id)
    sizes, numbers, corners = [], [], [np.empty((0, 4, 2))]
    for reading in chosen:
        contents = sorted((_content_key(fragment), number) for number, fragment in _iter_fragments_with_text(reading))
        sizes.append(len(contents))
        numbers += [number for _, number in contents]
        corners.append(np.array([content[0] for content, _ in contents], np.float64).reshape(-1, 4, 2))
    tile = np.repeat(np.arange(len(chosen)), sizes)
    return _measure_fragments(size, chosen, tile, np.array(numbers, np.int64), np.concatenate(corners))


def _select_one_per_tile(readings: Iterable[TileResult]) -> dict[TileId, TileResult]:
    """Keep one reading of each tile; which one does not depend on the order they come in."""
    found: dict[TileId, TileResult] = {}
    for reading in readings:
        other = found.setdefault(reading.tile.id, reading)
        if other is not reading and other != reading:
            found[reading.tile.id] = min(other, reading, key=_preference_key)
    return found


def _preference_key(reading: TileResult) -> tuple[bool, str, list[_Content]]:
    return reading.detector_overflow, reading.model, sorted(map(_content_key, reading.fragments))


def _content_key(fragment: Fragment) -> _Content:
    return fragment.quad.points, fragment.chars, fragment.confidence, fragment.detection


def _iter_fragments_with_text(reading: TileResult) -> Iterator[tuple[int, Fragment]]:
    """Give the fragments that have any, with their numbers."""
    for number, fragment in enumerate(reading.fragments):
        if fragment.text.strip():
            yield number, fragment


def _measure_fragments(
    size: Size, readings: list[TileResult], tile_index: Ints, fragment_index: Ints, corners: Floats
) -> FragmentTable:
    """Measure the fragments that have their middle on the page: what lies in a tile's padding is noise."""
    middle = corners.mean(axis=1)
    on_page = ((middle >= 0) & (middle <= (size.width, size.height))).all(axis=1)
    corners = corners[on_page]
    start = (corners[:, 0] + corners[:, 3]) / 2
    end = (corners[:, 1] + corners[:, 2]) / 2
    length = np.maximum(row_norms(end - start), MIN_EXTENT)
    height = (row_norms(corners[:, 3] - corners[:, 0]) + row_norms(corners[:, 2] - corners[:, 1])) / 2
    return FragmentTable(
        readings,
        tile_index=tile_index[on_page],
        fragment_index=fragment_index[on_page],
        corners=corners,
        centre=(start + end) / 2,
        direction=(end - start) / length[:, None],
        length=length,
        height=np.maximum(height, MIN_EXTENT),
    )


def row_norms(vectors: Floats) -> Floats:
    """Give the length of each (x, y) row."""
    return np.sqrt(vectors[:, 0] ** 2 + vectors[:, 1] ** 2)
