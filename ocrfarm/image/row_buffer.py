"""A band: the rows of a raster that boxes still need, at full size or shrunk, while the raster streams by."""

import math
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ocrfarm.geometry import Box
from ocrfarm.image.pixels import Pixels
from ocrfarm.image.spill_file import SpillFile

_BlockCounts = NDArray[np.int64]


class RowBuffer:
    """Takes the raster's rows from top to bottom, shrunk by a whole factor, and gives each box once its last is there.

    What boxes have of their rows waits in `slots`, so memory is that of the rows that are handed in and of one box.
    """

    def __init__(self, bands: int, *, boxes: Sequence[Box], factor: int, spill: SpillFile) -> None:
        self.factor = factor
        self._spill = spill
        self._channel_shape = () if bands == 1 else (bands,)
        ordered = sorted(boxes, key=lambda box: (box.y0, box.x0))
        self._pending = deque((box, _downscale_box(box, factor)) for box in ordered)
        self._started: deque[tuple[Box, Box, int]] = deque()  # as named, as shrunk, and its place in `slots`
        self._end = 0  # the shrunk raster's rows before this one are there

    def add(self, rows: Pixels) -> Iterator[tuple[Box, Pixels]]:
        """Take the next rows of the shrunk raster; give the boxes that are whole now, as arrays of their own."""
        start, self._end = self._end, self._end + len(rows)
        while self._pending and self._pending[0][1].y0 < self._end:
            box, at = self._pending.popleft()
            self._started.append((box, at, self._spill.allocate(self._size(at))))
        for _, at, place in self._started:
            first, last = max(at.y0, start), min(at.y1, self._end)
            if first < last:
                offset = (first - at.y0) * at.width * math.prod(self._channel_shape)
                self._spill.write(place + offset, rows[first - start : last - start, at.x0 : at.x1])
        while self._started and self._started[0][1].y1 <= self._end:
            box, at, place = self._started.popleft()
            pixels = self._spill.read(place, (at.height, at.width, *self._channel_shape))
            self._spill.release(place, self._size(at))
            yield box, pixels

    def _size(self, at: Box) -> int:
        return at.area * math.prod(self._channel_shape)


def _downscale_box(box: Box, factor: int) -> Box:
    return Box(box.x0 // factor, box.y0 // factor, -(-box.x1 // factor), -(-box.y1 // factor))


def downscale(strip: Pixels, factor: int) -> Pixels:
    """Give the mean of each block of `factor` x `factor` pixels; blocks at the right and lower edge may be smaller.

    Strips that follow one another must have a multiple of `factor` rows, but for the last.
    """
    if factor == 1:
        return strip
    height, width = strip.shape[:2]
    kind = np.uint16 if factor**2 * 255 <= np.iinfo(np.uint16).max else np.uint32  # half the bytes, where they will do
    rows = np.zeros((-(-height // factor), *strip.shape[1:]), kind)
    for first in range(min(factor, height)):
        part = strip[first::factor]
        rows[: len(part)] += part
    sums = np.add.reduceat(rows, np.arange(0, width, factor), axis=1, dtype=np.uint32)
    counts = np.outer(_block_lengths(height, factor), _block_lengths(width, factor)).astype(np.uint32)
    counts = counts.reshape(*counts.shape, *[1] * (strip.ndim - 2))
    return ((sums + counts // 2) // counts).astype(np.uint8)


def _block_lengths(total: int, factor: int) -> _BlockCounts:
    return np.diff(np.append(np.arange(0, total, factor), total))
