"""A band: the rows of a raster that boxes still need, at full size or shrunk, while the raster streams by."""

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ocrfarm.geometry import Box, Size
from ocrfarm.image.pixels import Pixels

_Sums = NDArray[np.uint32]
_Counts = NDArray[np.int64]


class Band:
    """Takes strips from top to bottom and gives each box, shrunk by a whole factor, once its last row is there.

    Every strip but the last has a multiple of `factor` rows, at most `step`, so that no block of pixels is spread over
    two. The rows lie in one array that is used again and again: memory is that of the highest box and one strip.
    """

    def __init__(self, size: Size, bands: int, *, boxes: Sequence[Box], factor: int, step: int) -> None:
        self._factor = factor
        self._waiting = deque(sorted(boxes, key=lambda box: (box.y0, box.x0)))
        highest = max((self._rows_of(box)[1] - self._rows_of(box)[0] for box in boxes), default=0)
        shape = (highest + -(-step // factor), -(-size.width // factor))
        # One array for all: a small one kept for each strip would splinter the heap, and memory would grow by the page.
        self._rows: Pixels = np.empty(shape if bands == 1 else (*shape, bands), np.uint8)
        self._top = 0  # the shrunk raster's row that self._rows[0] holds
        self._end = 0  # the shrunk raster's rows before this one are there

    def add(self, strip: Pixels) -> Iterator[tuple[Box, Pixels]]:
        """Take the next rows of the raster; give views of the boxes that are whole now, valid until the next strip."""
        rows = strip if self._factor == 1 else _shrunk(strip, self._factor)
        if self._end - self._top + len(rows) > len(self._rows):
            self._shift()
        self._rows[self._end - self._top :][: len(rows)] = rows
        self._end += len(rows)
        while self._waiting and self._rows_of(self._waiting[0])[1] <= self._end:
            box = self._waiting.popleft()
            yield box, self._view(box)

    def _rows_of(self, box: Box) -> tuple[int, int]:
        return box.y0 // self._factor, -(-box.y1 // self._factor)

    def _view(self, box: Box) -> Pixels:
        first, end = self._rows_of(box)
        return self._rows[first - self._top : end - self._top, box.x0 // self._factor : -(-box.x1 // self._factor)]

    def _shift(self) -> None:
        """Copy the rows that are still needed up to the start of the array."""
        first = min(self._rows_of(self._waiting[0])[0], self._end) if self._waiting else self._end
        kept = self._rows[first - self._top : self._end - self._top]
        self._rows[: len(kept)] = kept
        self._top = first


def _shrunk(strip: Pixels, factor: int) -> Pixels:
    """Give the mean of each block of `factor` x `factor` pixels; blocks at the right and lower edge may be smaller."""
    height, width = strip.shape[:2]
    rows = np.zeros((-(-height // factor), *strip.shape[1:]), np.uint32)
    for first in range(min(factor, height)):
        part = strip[first::factor]
        rows[: len(part)] += part
    sums: _Sums = np.add.reduceat(rows, np.arange(0, width, factor), axis=1)
    counts = np.outer(_lengths(height, factor), _lengths(width, factor)).astype(np.uint32)
    counts = counts.reshape(*counts.shape, *[1] * (strip.ndim - 2))
    return ((sums + counts // 2) // counts).astype(np.uint8)


def _lengths(total: int, factor: int) -> _Counts:
    return np.diff(np.append(np.arange(0, total, factor), total))
