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
        decode = partial(_decode, self.path, self.format, number=header.number, where=where)
        return Raster(header.size, decode, orientation=header.orientation, where=where)


_DEFAULT = Limits()


def open_source(path: Path, limits: Limits = _DEFAULT) -> Source:
    """Open an image file of any format in `Format`, told by its content; no pixel is decoded.

    TIFF, animated GIF and WebP have as many pages as the file has pictures; reduced copies in a TIFF do not count.
    `NotAnImage`, `DamagedImage` or `TooLarge` say why a file is not let in.
    """
    form = detect(path)
    limits.check_bytes(path.stat().st_size, where=str(path))
    headers = tuple(_by_pillow(path, form, limits) if form in _BY_PILLOW else _by_vips(path, form, limits))
    return Source(path, form, headers)


def _decode(path: Path, form: Format, *, number: int, where: str) -> pyvips.Image:
    image = pillow.load(path, form) if form in _BY_PILLOW else vips.load(path, form, number)
    return vips.normalised(image, where=where)


def _by_pillow(path: Path, form: Format, limits: Limits) -> Iterator[_Header]:
    size = pillow.size(path, form)
    limits.check_raster(size, where=str(path))
    limits.check_buffered(size, kind=form.value, where=str(path))
    yield _Header(0, size, Orientation())


def _by_vips(path: Path, form: Format, limits: Limits) -> Iterator[_Header]:
    for number in _numbers(path, form, limits):
        with vips.translated(str(path)):
            yield _header(vips.load(path, form, number), number, limits=limits, where=str(path))


def _numbers(path: Path, form: Format, limits: Limits) -> tuple[int, ...]:
    if form is Format.TIFF:
        return tiff.pages(path, limits)
    with vips.translated(str(path)):
        count = vips.number(vips.load(path, form, 0), "n-pages", 1)
    limits.check_pages(count, where=str(path))
    return tuple(range(count))


def _header(image: pyvips.Image, number: int, *, limits: Limits, where: str) -> _Header:
    size = Size(image.width, image.height)
    limits.check_raster(size, where=where)
    if kind := _buffered(image):
        limits.check_buffered(size, kind=kind, where=where)
    vips.normalised(image, where=where)
    return _Header(number, size, Orientation.exif(vips.number(image, "orientation", 1)))


def _buffered(image: pyvips.Image) -> str | None:
    """Name what makes the decoder hold the whole raster, or None where it goes row by row."""
    loader = image.get("vips-loader")
    if loader.startswith("webp"):
        return Format.WEBP.value
    if loader.startswith("gif"):
        return Format.GIF.value
    if vips.number(image, "jpeg-multiscan", 0) and loader.startswith("jpeg"):
        return "progressive JPEG"
    if vips.number(image, "interlaced", 0) and loader.startswith("png"):
        return "interlaced PNG"
    return None
