"""A source: an image file whose header was checked, page by page, before anything is decoded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ocrfarm.document import Leaf
from ocrfarm.geometry import Size
from ocrfarm.image import pdf, pillow, tiff, vips
from ocrfarm.image.formats import Format, detect
from ocrfarm.image.limits import Limits
from ocrfarm.image.orientation import Orientation
from ocrfarm.image.pixels import Pixels
from ocrfarm.image.raster import Raster, Rows
from ocrfarm.scope import ALL, Scope

_BY_PILLOW = (Format.JPEG2000, Format.BMP, Format.HEIC)


@dataclass(frozen=True, slots=True)
class _Header:
    """What is known of one page before decoding; `number` is the loader's own number of the page."""

    number: int
    stored: Size
    orientation: Orientation = field(default_factory=Orientation)
    alpha: bool = True
    of_pdf: pdf.PdfPage | None = None

    @property
    def size(self) -> Size:
        return self.orientation.size(self.stored)

    def leaf(self, number: int | None) -> Leaf:
        """Give what the result says of the page."""
        return Leaf(number, self.of_pdf.dpi, self.of_pdf.has_text) if self.of_pdf else Leaf(number)


@dataclass(frozen=True, slots=True)
class Source:
    """An image file that passed every check of its header; `numbers` (0 = first) where not all its pages are wanted."""

    path: Path
    format: Format
    headers: tuple[_Header, ...]
    numbers: tuple[int, ...] = ()
    _begun: dict[int, Raster] = field(default_factory=dict, compare=False, repr=False)

    @property
    def pages(self) -> tuple[Size, ...]:
        """The size of every page, upright."""
        return tuple(header.size for header in self.headers)

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """What is known of every page besides its size."""
        numbers = self.numbers or (None,) * len(self.headers)
        return tuple(header.leaf(number) for header, number in zip(self.headers, numbers, strict=True))

    def beginning(self, index: int, *, rows: int) -> Pixels:
        """Give the first rows of a page, see `Raster.beginning`; it need not be decoded again when it is asked for."""
        raster = self._begun[index] = self.page(index)
        return raster.beginning(rows)

    def page(self, index: int) -> Raster:
        """Give one of the wanted pages; IndexError where there is none of this number (0 = first)."""
        if begun := self._begun.pop(index, None):
            return begun
        header = self.headers[index]
        number = self.numbers[index] if self.numbers else index
        where = f"{self.path}, page {number + 1}" if len(self.headers) > 1 or number else str(self.path)
        decode = partial(_decode, self.path, self.format, header=header, where=where)
        return Raster(header.size, decode, orientation=header.orientation, where=where)


_DEFAULT = Limits()


def open_source(path: Path, limits: Limits = _DEFAULT, *, scope: Scope = ALL) -> Source:
    """Open an image file of any format in `Format`, told by its content; no pixel is decoded.

    TIFF, animated GIF and WebP have as many pages as the file has pictures; reduced copies in a TIFF do not count. Of
    the scope, pages and dpi count here. `NotAnImage`, `DamagedImage`, `Locked` or `TooLarge` say why a file is not let
    in, `InputError` that it has none of the wanted pages. JPEG-2000, BMP and HEIC are decoded as a whole when they are
    cut; everything else streams, but for what `Limits.buffered_pixels` lists.
    """
    form = detect(path)
    limits.check_bytes(path.stat().st_size, where=str(path))
    if form is Format.PDF:
        return _pdf_source(path, limits, scope)
    headers = tuple(_CHECKS.get(form, _by_vips)(path, form, limits))
    chosen = scope.chosen(len(headers), where=str(path))
    source = Source(path, form, tuple(headers[number] for number in chosen), _numbers(chosen, len(headers)))
    if form not in _BY_PILLOW:
        _decode(path, form, header=source.headers[0], where=str(path))
    return source


def _numbers(chosen: Sequence[int], count: int) -> tuple[int, ...]:
    return tuple(chosen) if len(chosen) < count else ()


def _decode(path: Path, form: Format, *, header: _Header, where: str) -> Rows:
    """Open one page; by libvips only its header is read now, by Pillow all of it."""
    if header.of_pdf:
        return pdf.PdfRows(path, header.of_pdf, where)
    with vips.translated(where):
        image = pillow.load(path, form) if form in _BY_PILLOW else vips.load(path, form, page=header.number)
        return vips.VipsRows(vips.normalised(image, where=where, alpha=header.alpha))


def _pdf_source(path: Path, limits: Limits, scope: Scope) -> Source:
    found = pdf.pages(path, limits, scope=scope)
    headers = tuple(_Header(page.number, page.size, of_pdf=page) for page in found.pages)
    return Source(path, Format.PDF, headers, _numbers([page.number for page in found.pages], found.total))


def _by_pillow(path: Path, form: Format, limits: Limits) -> Iterator[_Header]:
    size = pillow.size(path, form)
    limits.check_raster(size, where=str(path))
    limits.check_buffered(size, kind=form.value, where=str(path))
    yield _Header(0, size)


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


_CHECKS = {**dict.fromkeys(_BY_PILLOW, _by_pillow), Format.TIFF: _by_tiff}
