"""A raster: one page, cut into boxes while it streams from top to bottom."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np

from ocrfarm.errors import DamagedImage
from ocrfarm.geometry import Box, Size
from ocrfarm.image import pyramid
from ocrfarm.image.orientation import Orientation
from ocrfarm.image.pixels import Pixels
from ocrfarm.image.row_buffer import RowBuffer, downscale
from ocrfarm.image.spill_file import SpillFile
from ocrfarm.image.vips import translate_errors

MAX_OVERVIEW_SIDE = 2048
"""Pixels of the overview's longer side at most: a screen's worth, 12 MB as RGB."""

_STRIP_ROWS = 32
"""Rows of a strip at least: fewer cost calls; 128 cost 47 MB more on a JPEG of 16,384 columns, and no less time."""

_MAX_TOP_COLUMNS = 16384
"""Columns that are looked at at the top of a page: enough print, and memory that does not grow with the page."""

_MAX_KEPT_BYTES = 64 << 20
"""Of the beginning that was looked at: so much is kept for the cutting, more (that of large colour pages) is not."""

_FULL_SIZE: Mapping[Box, int] = {}


class Rows(Protocol):
    """A raster as stored, from top to bottom; opening it has read no more than its header."""

    @property
    def size(self) -> Size:
        """Pixels."""
        ...

    @property
    def bands(self) -> int:
        """Channels: 1 (grey) or 3 (red green blue)."""
        ...

    def strips(self, step: int) -> Iterator[Pixels]:
        """Give `step` rows at a time, the last ones may be fewer; each is valid until the next."""
        ...


class Raster:
    """One upright page of a source; memory while cutting: one strip of rows, and the box that is given.

    Rows of boxes that are not whole yet wait in a file in the folder for temporary files.
    """

    def __init__(self, size: Size, decode: Callable[[], Rows], *, orientation: Orientation, location: str) -> None:
        self.size = size
        self._decode = decode
        self._orientation = orientation
        self._location = location
        self._overview: Pixels | None = None
        self._resumable: tuple[Rows, Iterator[Pixels]] | None = None

    def cut(self, boxes: Sequence[Box], *, factors: Mapping[Box, int] = _FULL_SIZE) -> Iterator[tuple[Box, Pixels]]:
        """Give every box with its pixels, height x width (grey page) or height x width x 3, contiguous and upright.

        A box with an entry in `factors`, a power of two, is shrunk by it (block means). Boxes come when their last row
        has been decoded; those of one factor by top edge, then left edge, of the raster as stored: for an upright file,
        row by row. The page is decoded once and to its end, whatever the boxes cover, so that damage anywhere is found
        (`DamagedImage`). A box that is named twice comes once. ValueError for one that is empty or not on the page.
        """
        self._check_boxes(boxes)
        stored = {self._orientation.stored_box(box, self.size): box for box in boxes}
        sizes = {box: factors.get(named, 1) for box, named in stored.items()}
        with translate_errors(self._location), SpillFile() as slots:
            shrink = _overview_factor(self.size)
            raster, strips = self._open_strips(max(_STRIP_ROWS, shrink, *sizes.values()))
            bands = [
                RowBuffer(
                    raster.bands, boxes=[box for box in sizes if sizes[box] == factor], factor=factor, spill=slots
                )
                for factor in sorted({*sizes.values()})
            ]
            whole = Box(0, 0, raster.size.width, raster.size.height)
            overview = RowBuffer(raster.bands, boxes=[whole], factor=shrink, spill=slots)
            for strip in strips:
                rows = {factor: downscale(strip, factor) for factor in {shrink, *sizes.values()}}
                for box, pixels in chain.from_iterable(band.add(rows[band.factor]) for band in bands):
                    yield stored[box], self._orientation.to_upright(pixels)
                for _, pixels in overview.add(rows[shrink]):
                    self._overview = self._orientation.to_upright(pixels)

    def top_rows(self, rows: int) -> Pixels:
        """Give the first rows of the raster as stored, turned upright: a look at the page for a part of its cost.

        Of a raster of more than 16384 columns only those in the middle are given. The next `cut` goes on from there.
        """
        with translate_errors(self._location):
            stored = self._open()
            width, rows = min(stored.size.width, _MAX_TOP_COLUMNS), min(stored.size.height, rows)
            left = (stored.size.width - width) // 2
            found = np.empty((rows, width) if stored.bands == 1 else (rows, width, stored.bands), np.uint8)
            strips = stored.strips(_STRIP_ROWS)
            for top, strip in zip(range(0, rows, _STRIP_ROWS), strips, strict=False):
                found[top : top + _STRIP_ROWS] = strip[: rows - top, left : left + width]
            whole = width == stored.size.width and (rows % _STRIP_ROWS == 0 or rows == stored.size.height)
            if whole and found.nbytes <= _MAX_KEPT_BYTES:
                self._resumable = stored, _resume_strips(found, strips)
            return self._orientation.to_upright(found)

    def overview(self) -> Pixels:
        """Give the page shrunk by a power of two to at most 2048 pixels a side: free after a whole `cut`."""
        if self._overview is None:
            for _ in self.cut(()):
                pass
        assert self._overview is not None
        return self._overview

    def save_pyramid(self, path: Path) -> None:
        """Write the page as Deep Zoom images, PATH.dzi and the folder PATH_files; `DamagedImage` where that fails."""
        with translate_errors(self._location):
            pyramid.save(self._open(), path, orientation=self._orientation)

    def _open_strips(self, step: int) -> tuple[Rows, Iterator[Pixels]]:
        """Open the page, or go on with it where its beginning was looked at; give its strips of so many rows."""
        begun, self._resumable = self._resumable, None
        if begun and step == _STRIP_ROWS:
            return begun
        raster = self._open()
        return raster, raster.strips(step)

    def _open(self) -> Rows:
        """Open the page; it must have the size that was checked, whatever a hostile header or a changed file says."""
        rows = self._decode()
        if self._orientation.size(rows.size) != self.size:
            raise DamagedImage(f"{self._location}: its pixels have another size than its header says; export it again")
        return rows

    def _check_boxes(self, boxes: Sequence[Box]) -> None:
        page = Box(0, 0, self.size.width, self.size.height)
        for box in boxes:
            if box.width < 1 or box.height < 1 or not page.contains(box):
                raise ValueError(f"{box} is not inside the page of {self.size.width} x {self.size.height}")


def _resume_strips(rows: Pixels, rest: Iterator[Pixels]) -> Iterator[Pixels]:
    """Give rows that are there in strips, and then the others."""
    for top in range(0, len(rows), _STRIP_ROWS):
        yield rows[top : top + _STRIP_ROWS]
    del rows  # as soon as they are done with
    yield from rest


def _overview_factor(size: Size) -> int:
    factor = 1
    while max(size.width, size.height) > MAX_OVERVIEW_SIDE * factor:
        factor *= 2
    return factor
