"""Raster: one page, which is cut into boxes while it is decoded from top to bottom."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np

from ocrfarm.errors import DamagedImage
from ocrfarm.geometry import Box, Size
from ocrfarm.image import pyramid
from ocrfarm.image.decoding import StopCheck, never_stop, translate_decoder_errors
from ocrfarm.image.orientation import Orientation
from ocrfarm.image.pixels import Pixels
from ocrfarm.image.row_buffer import RowBuffer, downscale
from ocrfarm.image.spill_file import SpillFile

MAX_OVERVIEW_SIDE = 2048
"""Maximum length of the overview's longer side, in pixels: enough for a screen, 12 MB as RGB."""

_STRIP_ROWS = 32
"""Minimum number of rows of a strip. Fewer rows need more calls; 128 rows take 47 MB more for a JPEG of 16,384 columns
and are not faster."""

_MAX_TOP_COLUMNS = 16384
"""Maximum number of columns of `top_rows`: enough text, and memory that does not grow with the page."""

_MAX_KEPT_BYTES = 64 << 20
"""Maximum size of the top rows that are kept for the next `cut`; those of large colour pages are decoded again."""

_FULL_SIZE: Mapping[Box, int] = {}


class StoredRaster(Protocol):
    """A raster as stored in the file, read from top to bottom; opening it reads only the header."""

    @property
    def size(self) -> Size:
        """Width and height, in pixels."""
        ...

    @property
    def bands(self) -> int:
        """Number of channels: 1 (grey) or 3 (RGB)."""
        ...

    def strips(self, step: int) -> Iterator[Pixels]:
        """Yield `step` rows at a time; the last strip may have fewer. A strip is valid until the next one."""
        ...


class Raster:
    """One upright page of a source.

    Cutting needs the memory of one strip of rows and of one box. Rows of unfinished boxes are kept in the folder for
    temporary files.

    Attributes:
        size: Size of the upright page, in pixels.
    """

    def __init__(
        self,
        size: Size,
        decode: Callable[[], StoredRaster],
        *,
        orientation: Orientation,
        location: str,
        check: StopCheck = never_stop,
    ) -> None:
        """Decode nothing yet.

        Args:
            size: Size of the upright page, in pixels.
            decode: Opens the page as stored.
            orientation: How the page becomes upright.
            location: File and page, for messages.
            check: Called for each strip that is decoded; it raises an exception to stop.
        """
        self.size = size
        self._check = check
        self._decode = decode
        self._orientation = orientation
        self._location = location
        self._overview: Pixels | None = None
        self._resumable: tuple[StoredRaster, Iterator[Pixels]] | None = None

    def cut(self, boxes: Sequence[Box], *, factors: Mapping[Box, int] = _FULL_SIZE) -> Iterator[tuple[Box, Pixels]]:
        """Decode the page once and cut it into boxes.

        A box is yielded after its last row has been decoded. Boxes of one factor are yielded in the order of their top
        edges, then of their left edges, in the raster as stored; in an upright file, this is row by row. The page is
        always decoded to its end, so that damage anywhere is detected.

        Args:
            boxes: Boxes in page pixels; a box that occurs twice is yielded once.
            factors: Factors by which boxes are downscaled (means of blocks), powers of two; default 1.

        Yields:
            A box and its pixels, height x width (grey) or height x width x 3 (RGB), uint8, contiguous and upright.

        Raises:
            DamagedImage: The page cannot be decoded.
            ValueError: A box is empty or not inside the page.
        """
        self._check_boxes(boxes)
        upright_boxes = {self._orientation.stored_box(box, self.size): box for box in boxes}
        factor_of = {stored_box: factors.get(box, 1) for stored_box, box in upright_boxes.items()}
        with SpillFile() as spill:
            overview_factor = _overview_factor(self.size)
            stored, strips = self._open_strips(max(_STRIP_ROWS, overview_factor, *factor_of.values()))
            buffers = [
                RowBuffer(
                    stored.bands,
                    boxes=[box for box in factor_of if factor_of[box] == factor],
                    factor=factor,
                    spill=spill,
                )
                for factor in sorted({*factor_of.values()})
            ]
            whole = Box(0, 0, stored.size.width, stored.size.height)
            overview = RowBuffer(stored.bands, boxes=[whole], factor=overview_factor, spill=spill)
            for strip in strips:
                self._check()
                reduced = {factor: downscale(strip, factor) for factor in {overview_factor, *factor_of.values()}}
                for box, pixels in chain.from_iterable(buffer.add(reduced[buffer.factor]) for buffer in buffers):
                    yield upright_boxes[box], self._orientation.to_upright(pixels)
                for _, pixels in overview.add(reduced[overview_factor]):
                    self._overview = self._orientation.to_upright(pixels)

    def top_rows(self, row_count: int) -> Pixels:
        """Return the first rows of the raster as stored, rotated upright: a preview at a fraction of the cost.

        If the raster has more than 16,384 columns, only those in the middle are returned. The next `cut` continues from
        these rows instead of decoding them again.
        """
        stored = self._open()
        width, row_count = min(stored.size.width, _MAX_TOP_COLUMNS), min(stored.size.height, row_count)
        left = (stored.size.width - width) // 2
        pixels = np.empty((row_count, width) if stored.bands == 1 else (row_count, width, stored.bands), np.uint8)
        strips = stored.strips(_STRIP_ROWS)
        for top, strip in zip(range(0, row_count, _STRIP_ROWS), strips, strict=False):
            self._check()
            pixels[top : top + _STRIP_ROWS] = strip[: row_count - top, left : left + width]
        whole = width == stored.size.width and (row_count % _STRIP_ROWS == 0 or row_count == stored.size.height)
        if whole and pixels.nbytes <= _MAX_KEPT_BYTES:
            self._resumable = stored, _resume_strips(pixels, strips)
        return self._orientation.to_upright(pixels)

    def overview(self) -> Pixels:
        """Return the page, downscaled by a power of two to at most 2048 pixels a side; costs nothing after `cut`."""
        if self._overview is None:
            for _ in self.cut(()):
                pass
        assert self._overview is not None
        return self._overview

    def save_pyramid(self, path: Path) -> None:
        """Write the page as Deep Zoom images: PATH.dzi and the folder PATH_files.

        Raises:
            DamagedImage: The page cannot be decoded.
        """
        with translate_decoder_errors(self._location):
            pyramid.save(self._open(), path, orientation=self._orientation)

    def _open_strips(self, step: int) -> tuple[StoredRaster, Iterator[Pixels]]:
        """Open the page, or continue after `top_rows`, and return its strips of `step` rows."""
        resumable, self._resumable = self._resumable, None
        if resumable and step == _STRIP_ROWS:
            return resumable
        stored = self._open()
        return stored, stored.strips(step)

    def _open(self) -> StoredRaster:
        """Open the page; check that it has the size that was checked before, in case the file has changed."""
        stored = self._decode()
        if self._orientation.size(stored.size) != self.size:
            raise DamagedImage(f"{self._location}: its size differs from the size in its header; export it again")
        return stored

    def _check_boxes(self, boxes: Sequence[Box]) -> None:
        page = Box(0, 0, self.size.width, self.size.height)
        for box in boxes:
            if box.width < 1 or box.height < 1 or not page.contains(box):
                raise ValueError(f"{box} is not inside the page of {self.size.width} x {self.size.height}")


def _resume_strips(rows: Pixels, rest: Iterator[Pixels]) -> Iterator[Pixels]:
    """Yield the strips of rows that were decoded before, and then the remaining strips."""
    for top in range(0, len(rows), _STRIP_ROWS):
        yield rows[top : top + _STRIP_ROWS]
    del rows  # frees the memory before the rest is decoded
    yield from rest


def _overview_factor(size: Size) -> int:
    factor = 1
    while max(size.width, size.height) > MAX_OVERVIEW_SIDE * factor:
        factor *= 2
    return factor
