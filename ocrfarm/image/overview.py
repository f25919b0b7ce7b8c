"""The overview: a page shrunk by a whole factor while it streams by."""

import numpy as np
from numpy.typing import NDArray

from ocrfarm.geometry import Size
from ocrfarm.image.pixels import Pixels

SIDE = 2048
"""Pixels of the overview's longer side at most: a screen's worth, 12 MB as RGB."""

_ROWS = 32
"""Rows of a strip: fewer cost calls; 128 cost 47 MB more on a JPEG of 16,384 columns, and no less time."""


_Sums = NDArray[np.uint32]
_Counts = NDArray[np.int64]


class Overview:
    """Averages blocks of `factor` x `factor` pixels, strip by strip.

    Every strip but the last has `step` rows, so that no block is spread over two; then `pixels` is whole.
    """

    def __init__(self, size: Size, bands: int) -> None:
        self.factor = max(1, -(-max(size.width, size.height) // SIDE))
        self.step = self.factor * max(1, _ROWS // self.factor)
        shape = (-(-size.height // self.factor), -(-size.width // self.factor))
        # One array for all: a small one kept for each strip would splinter the heap, and memory would grow by the page.
        self.pixels: Pixels = np.empty(shape if bands == 1 else (*shape, bands), np.uint8)
        self._filled = 0

    def add(self, strip: Pixels) -> None:
        """Take the next rows of the page: height x width, or height x width x 3."""
        sums, counts = _sum_blocks(strip, self.factor)
        self.pixels[self._filled :][: len(sums)] = (sums + counts // 2) // counts
        self._filled += len(sums)


def _sum_blocks(strip: Pixels, factor: int) -> tuple[_Sums, _Sums]:
    """Give the sum and the number of pixels of each block; blocks at the right and lower edge may be smaller."""
    height, width = strip.shape[:2]
    rows = np.zeros((-(-height // factor), *strip.shape[1:]), np.uint32)
    for first in range(min(factor, height)):
        part = strip[first::factor]
        rows[: len(part)] += part
    sums = np.add.reduceat(rows, np.arange(0, width, factor), axis=1)
    counts = np.outer(_lengths(height, factor), _lengths(width, factor)).astype(np.uint32)
    return sums, counts.reshape(*counts.shape, *[1] * (strip.ndim - 2))


def _lengths(total: int, factor: int) -> _Counts:
    return np.diff(np.append(np.arange(0, total, factor), total))
