"""A raster: one page, cut into boxes while it streams from top to bottom."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pyvips

from ocrfarm.errors import DamagedImage
from ocrfarm.geometry import Box, Size
from ocrfarm.image import pyramid
from ocrfarm.image.band import Band
from ocrfarm.image.orientation import Orientation
from ocrfarm.image.pixels import Pixels
from ocrfarm.image.vips import translated

OVERVIEW_SIDE = 2048
"""Pixels of the overview's longer side at most: a screen's worth, 12 MB as RGB."""

_STEP = 32
"""Rows of a strip at least: fewer cost calls; 128 cost 47 MB more on a JPEG of 16,384 columns, and no less time."""

_AS_IT_IS: Mapping[Box, int] = {}


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

    def cut(self, boxes: Sequence[Box], *, factors: Mapping[Box, int] = _AS_IT_IS) -> Iterator[tuple[Box, Pixels]]:
        """Give every box with its pixels, height x width (grey page) or height x width x 3, contiguous and upright.

        A box with an entry in `factors`, a power of two, is shrunk by it (block means). Boxes come when their last row
        has been decoded; those of one factor by top edge, then left edge, of the raster as stored: for an upright file,
        row by row. The page is decoded once and to its end, whatever the boxes cover, so that damage anywhere is found
        (`DamagedImage`). A box that is named twice comes once. ValueError for one that is empty or not on the page.
        """
        self._check(boxes)
        stored = {self._orientation.stored_box(box, self.size): box for box in boxes}
        with translated(self._where):
            image = self._open()
            size = Size(image.width, image.height)
            whole, shrink = Box(0, 0, size.width, size.height), _overview_factor(size)
            step = max(_STEP, shrink, *factors.values())
            groups = {
                factor: [box for box in stored if factors.get(stored[box], 1) == factor]
                for factor in (1, *factors.values())
            }
            bands = [Band(size, image.bands, boxes=group, factor=factor, step=step) for factor, group in groups.items()]
            overview = Band(size, image.bands, boxes=[whole], factor=shrink, step=step)
            for strip in _strips(image, step):
                for box, pixels in chain.from_iterable(band.add(strip) for band in bands):
                    yield stored[box], self._orientation.upright(pixels)
                for _, pixels in overview.add(strip):
                    self._overview = self._orientation.upright(pixels)

    def beginning(self, rows: int) -> Pixels:
        """Give the first rows of the raster as stored, turned upright: a look at the page for a part of its cost."""
        with translated(self._where):
            image = self._open()
            return self._orientation.upright(next(_strips(image, min(rows, image.height))))

    def overview(self) -> Pixels:
        """Give the page shrunk by a power of two to at most 2048 pixels a side: free after a whole `cut`."""
        if self._overview is None:
            for _ in self.cut(()):
                pass
        assert self._overview is not None
        return self._overview

    def save_pyramid(self, path: Path) -> None:
        """Write the page as Deep Zoom pictures, PATH.dzi and the folder PATH_files; `DamagedImage` where that fails."""
        with translated(self._where):
            pyramid.save(self._open(), path, orientation=self._orientation)

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


def _overview_factor(size: Size) -> int:
    factor = 1
    while max(size.width, size.height) > OVERVIEW_SIDE * factor:
        factor *= 2
    return factor


def _strips(image: pyvips.Image, step: int) -> Iterator[Pixels]:
    """Decode the image from top to bottom, `step` rows at a time."""
    region = pyvips.Region.new(image)
    channels = () if image.bands == 1 else (image.bands,)
    for top in range(0, image.height, step):
        height = min(step, image.height - top)
        raw = region.fetch(0, top, image.width, height)
        yield np.frombuffer(raw, np.uint8).reshape(height, image.width, *channels)
