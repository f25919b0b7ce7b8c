"""A source: an image file whose header was checked, page by page, before anything is decoded."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyvips

from ocrfarm.geometry import Size
from ocrfarm.image import pillow, tiff, vips
from ocrfarm.image.formats import Format, detect
from ocrfarm.image.limits import Limits
from ocrfarm.image.orientation import Orientation
from ocrfarm.image.raster import Raster

_BY_PILLOW = (Format.JPEG2000, Format.BMP)


@dataclass(frozen=True, slots=True)
class _Header:
    """What is known of one page before decoding; `number` is the loader's own number of the page."""

    number: int
    stored: Size
    orientation: Orientation
    alpha: bool = True

    @property
    def size(self) -> Size:
        return self.orientation.size(self.stored)


@dataclass(frozen=True, slots=True)
class Source:
    """An image file that passed every check of its header."""

    path: Path
    format: Format
    headers: tuple[_Header, ...]

    @property
    def pages(self) -> tuple[Size, ...]:
        """The size of every page, upright."""
        return tuple(header.size for header in self.headers)

    def page(self, index: int) -> Raster:
        """Give one page; IndexError where there is none of this number (0 = first)."""
        header = self.headers[index]
        where = f"{self.path}, page {index + 1}" if len(self.headers) > 1 else str(self.path)
        decode = partial(_decode, self.path, self.format, header=header, where=where)
        return Raster(header.size, decode, orientation=header.orientation, where=where)


_DEFAULT = Limits()


def open_source(path: Path, limits: Limits = _DEFAULT) -> Source:
    """Open an image file of any format in `Format`, told by its content; no pixel is decoded.

    TIFF, animated GIF and WebP have as many pages as the file has pictures; reduced copies in a TIFF do not count.
    `NotAnImage`, `DamagedImage` or `TooLarge` say why a file is not let in. JPEG-2000 and BMP are decoded as a whole
    when they are cut; everything else streams, but for what `Limits.buffered_pixels` lists.
    """
    form = detect(path)
    limits.check_bytes(path.stat().st_size, where=str(path))
    headers = tuple(_CHECKS.get(form, _by_vips)(path, form, limits))
    if form not in _BY_PILLOW:
        _decode(path, form, header=headers[0], where=str(path))
    return Source(path, form, headers)


def _decode(path: Path, form: Format, *, header: _Header, where: str) -> pyvips.Image:
    """Open one page; by libvips only its header is read now, by Pillow all of it."""
    with vips.translated(where):
        image = pillow.load(path, form) if form in _BY_PILLOW else vips.load(path, form, page=header.number)
        return vips.normalised(image, where=where, alpha=header.alpha)


def _by_pillow(path: Path, form: Format, limits: Limits) -> Iterator[_Header]:
    size = pillow.size(path, form)
    limits.check_raster(size, where=str(path))
    limits.check_buffered(size, kind=form.value, where=str(path))
    yield _Header(0, size, Orientation())


def _by_tiff(path: Path, form: Format, limits: Limits) -> Iterator[_Header]:
    for page in tiff.pages(path, limits):
        limits.check_raster(page.size, where=str(path))
        limits.check_buffered(page.piece, kind="strip or row of tiles", where=str(path))
        yield _Header(page.number, page.size, Orientation.exif(page.orientation), page.alpha)


def _by_vips(path: Path, form: Format, limits: Limits) -> Iterator[_Header]:
    where = str(path)
    with vips.translated(where):
        image = vips.load(path, form, page=0)
        size, pages = Size(image.width, image.height), vips.number(image, "n-pages", default=1)
        orientation = Orientation.exif(vips.number(image, "orientation", default=1))
        limits.check_raster(size, where=where)
        limits.check_pages(pages, where=where)
        if kind := vips.buffered(image, form):
            limits.check_buffered(size, kind=kind, where=where)
    for number in range(pages):  # the frames of an animation are all of one size
        yield _Header(number, size, orientation)


_CHECKS = {Format.JPEG2000: _by_pillow, Format.BMP: _by_pillow, Format.TIFF: _by_tiff}
