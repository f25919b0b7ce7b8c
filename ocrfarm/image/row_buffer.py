"""RowBuffer: cuts boxes out of a raster that is read once, from top to bottom.

Sweep line over the rows of the raster. A box is pending until its first row arrives, started while its rows arrive, and
finished when its last row has arrived:

    rows read so far  =======================      finished boxes: yielded, their space is reused
                        +------+
                        | box  |    +-------+      started boxes: their rows are in the spill file
    strip that arrives  =| ... |====| ...   |==
                        +------+    |       |
    rows to come                    +-------+      pending boxes: sorted by their top edge

Invariant: boxes are yielded in the order of their top and then left edges, each with every row exactly once. Cost: each
pixel of a box is written and read once; memory holds one strip and one box, whatever the width of the page.
"""

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
    """Collects the rows of boxes from the strips of a raster and returns each box when it is complete.

    Attributes:
        factor: Factor by which the strips have been downscaled.
    """

    def __init__(self, bands: int, *, boxes: Sequence[Box], factor: int, spill: SpillFile) -> None:
        """Create an empty buffer.

        Args:
            bands: Number of channels, 1 or 3.
            boxes: Boxes to cut, in pixels of the raster at full size.
            factor: Factor by which the strips are downscaled before they are added.
            spill: File for the rows of boxes that are not complete.
        """
        self.factor = factor
        self._spill = spill
        self._channel_shape = () if bands == 1 else (bands,)
        ordered = sorted(boxes, key=lambda box: (box.y0, box.x0))
        self._pending = deque((box, _downscale_box(box, factor)) for box in ordered)
        self._started: deque[tuple[Box, Box, int]] = deque()  # full size, downscaled, offset in the spill file
        self._end = 0  # number of downscaled rows that were added

    def add(self, rows: Pixels) -> Iterator[tuple[Box, Pixels]]:
        """Add the next rows of the downscaled raster; yield the boxes (full size) that are complete now, as copies."""
        start, self._end = self._end, self._end + len(rows)
        while self._pending and self._pending[0][1].y0 < self._end:
            box, scaled = self._pending.popleft()
            self._started.append((box, scaled, self._spill.allocate(self._size(scaled))))
        for _, scaled, offset in self._started:
            first, last = max(scaled.y0, start), min(scaled.y1, self._end)
            if first < last:
                skipped = (first - scaled.y0) * scaled.width * math.prod(self._channel_shape)
                self._spill.write(offset + skipped, rows[first - start : last - start, scaled.x0 : scaled.x1])
        while self._started and self._started[0][1].y1 <= self._end:
            box, scaled, offset = self._started.popleft()
            pixels = self._spill.read(offset, (scaled.height, scaled.width, *self._channel_shape))
            self._spill.release(offset, self._size(scaled))
            yield box, pixels

    def _size(self, scaled: Box) -> int:
        return scaled.area * math.prod(self._channel_shape)


def _downscale_box(box: Box, factor: int) -> Box:
    return Box(box.x0 // factor, box.y0 // factor, -(-box.x1 // factor), -(-box.y1 // factor))


def downscale(strip: Pixels, factor: int) -> Pixels:
    """Return the mean of each block of pixels; blocks at the right and lower edge may be smaller.

    Args:
        strip: Height x width (grey) or height x width x 3, uint8. To downscale consecutive strips, each but the last
            must have a multiple of `factor` rows.
        factor: Side of a block, in pixels.

    Examples:
        >>> downscale(np.array([[0, 2, 8], [4, 6, 8]], np.uint8), factor=2)
        array([[3, 8]], dtype=uint8)
    """
    if factor == 1:
        return strip
    height, width = strip.shape[:2]
    kind = np.uint16 if factor**2 * 255 <= np.iinfo(np.uint16).max else np.uint32  # half the bytes, if they suffice
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
