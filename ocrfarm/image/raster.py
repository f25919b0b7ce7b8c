"""A raster: one page, cut into boxes while it streams from top to bottom."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyvips

from ocrfarm.errors import DamagedImage
from ocrfarm.geometry import Box, Size
from ocrfarm.image.orientation import Orientation
from ocrfarm.image.overview import Overview
from ocrfarm.image.pixels import Pixels
from ocrfarm.image.vips import translated


class Raster:
    """One upright page of a source; memory while cutting: the highest box times the page's width, and one strip.

    Where EXIF swaps rows and columns, "highest" and "width" are those of the raster as stored.
    """

    def __init__(self, size: Size, decode: Callable[[], pyvips.Image], *, orientation: Orientation, where: str) -> None:
        self.size = size
        self._decode = decode
        self._orientation = orientation
        self._where = where
        self._overview: Pixels | None = None

    def cut(self, boxes: Sequence[Box]) -> Iterator[tuple[Box, Pixels]]:
        """Give every box with its pixels, height x width (grey page) or height x width x 3, contiguous and upright.

        They come in the order in which the file holds them: by top edge, then left edge, of the stored raster; for an
        upright file this is row by row. The page is decoded once and to its end, whatever the boxes cover, so that
        damage anywhere is found (`DamagedImage`). ValueError for a box that is empty or not inside the page.
        """
        self._check(boxes)
        stored = [self._orientation.stored_box(box, self.size) for box in boxes]
        order = sorted(range(len(boxes)), key=lambda index: (stored[index].y0, stored[index].x0))
        with translated(self._where):
            image = self._open()
            band = _Band(image, max((box.height for box in stored), default=0))
            for index in order:
                yield boxes[index], self._orientation.upright(band.box(stored[index]))
            band.finish()
        self._overview = self._orientation.upright(band.overview.pixels)

    def overview(self) -> Pixels:
        """Give the page shrunk by a whole factor to at most 2048 pixels a side: free after a whole `cut`."""
        if self._overview is None:
            for _ in self.cut(()):
                pass
        assert self._overview is not None
        return self._overview

    def _open(self) -> pyvips.Image:
        """Open the page; it must have the size that was checked, whatever a hostile header or a changed file says."""
        image = self._decode()
        if self._orientation.size(Size(image.width, image.height)) != self.size:
            raise DamagedImage(f"{self._where}: its pixels have another size than its header says; export it again")
        return image

    def _check(self, boxes: Sequence[Box]) -> None:
        page = Box(0, 0, self.size.width, self.size.height)
        for box in boxes:
            if box.width < 1 or box.height < 1 or not page.contains(box):
                raise ValueError(f"{box} is not inside the page of {self.size.width} x {self.size.height}")


class _Band:
    """Some rows of the raster in one array that is used again and again: boxes are asked for by rising top edge."""

    def __init__(self, image: pyvips.Image, highest: int) -> None:
        self.overview = Overview(Size(image.width, image.height), image.bands)
        self._image = image
        self._region = pyvips.Region.new(image)
        channels = () if image.bands == 1 else (image.bands,)
        self._rows = np.empty((highest + self.overview.step, image.width, *channels), np.uint8)
        self._top = 0  # the raster's row that self._rows[0] holds
        self._end = 0  # the raster's rows before this one have been decoded

    def box(self, box: Box) -> Pixels:
        """Give a view of a box; rows above it are forgotten."""
        while self._end < box.y1:
            self._read(keep_from=box.y0)
        return self._rows[box.y0 - self._top : box.y1 - self._top, box.x0 : box.x1]

    def finish(self) -> None:
        """Decode the rest of the raster."""
        while self._end < self._image.height:
            self._read(keep_from=self._end)

    def _read(self, *, keep_from: int) -> None:
        height = min(self.overview.step, self._image.height - self._end)
        if self._end - self._top + height > len(self._rows):
            self._shift(keep_from)
        strip = self._rows[self._end - self._top :][:height]
        raw = self._region.fetch(0, self._end, self._image.width, height)
        strip[...] = np.frombuffer(raw, np.uint8).reshape(strip.shape)
        self.overview.add(strip)
        self._end += height

    def _shift(self, keep_from: int) -> None:
        """Copy the rows that are still needed up to the start of the array."""
        first = min(keep_from, self._end)
        kept = self._rows[first - self._top : self._end - self._top]
        self._rows[: len(kept)] = kept
        self._top = first
