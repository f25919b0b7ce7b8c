"""Image file -> ImageSource: the header of every page is checked against the limits before anything is decoded."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ocrfarm.document import PageSource
from ocrfarm.geometry import Size
from ocrfarm.image import pillow, tiff, tiff_page, vips
from ocrfarm.image.animation import Animation
from ocrfarm.image.decoding import StopCheck, never_stop, translate_decoder_errors
from ocrfarm.image.formats import Format, detect_format
from ocrfarm.image.limits import Limits
from ocrfarm.image.orientation import Orientation
from ocrfarm.image.pdf import PdfFile, PdfPage
from ocrfarm.image.pixels import Pixels
from ocrfarm.image.raster import Raster, StoredRaster
from ocrfarm.selection import SELECT_ALL, Selection

_PILLOW_FORMATS = (Format.JPEG2000, Format.BMP, Format.HEIC)


@dataclass(frozen=True, slots=True)
class _PageHeader:
    """What is known about one page before it is decoded; `number` is its index in an animation."""

    stored: Size
    orientation: Orientation = field(default_factory=Orientation)
    number: int = 0
    directory: tiff.Directory | None = None
    pdf_page: PdfPage | None = None

    @property
    def size(self) -> Size:
        return self.orientation.size(self.stored)

    def page_source(self, number: int | None) -> PageSource:
        """Return the description of the page that is stored in the result."""
        return PageSource(number, self.pdf_page.dpi, self.pdf_page.has_text) if self.pdf_page else PageSource(number)


@dataclass(frozen=True, slots=True)
class ImageSource:
    """An image file whose header passed every check.

    Attributes:
        path: The file.
        format: Its format.
        headers: One header for each selected page.
        page_numbers: Indexes of the selected pages in the file (0 = first); empty if all pages are selected.
        open_rows: Opens the rows of a page; takes its header, and file and page for messages.
        check: Called while pages are decoded; it raises an exception to stop.
    """

    path: Path
    format: Format
    headers: tuple[_PageHeader, ...]
    page_numbers: tuple[int, ...]
    open_rows: "_OpenRows"
    check: StopCheck
    _started: dict[int, Raster] = field(default_factory=dict, compare=False, repr=False)

    @property
    def page_sizes(self) -> tuple[Size, ...]:
        """The size of every selected page, upright, in pixels."""
        return tuple(header.size for header in self.headers)

    @property
    def page_sources(self) -> tuple[PageSource, ...]:
        """Where every selected page comes from."""
        numbers = self.page_numbers or (None,) * len(self.headers)
        return tuple(header.page_source(number) for header, number in zip(self.headers, numbers, strict=True))

    def top_rows(self, index: int, *, row_count: int) -> Pixels:
        """Return the first rows of a page, see `Raster.top_rows`; the next `page` call continues from them.

        Args:
            index: Index among the selected pages (0 = first).
            row_count: Number of rows.
        """
        raster = self._started[index] = self.page(index)
        return raster.top_rows(row_count)

    def page(self, index: int) -> Raster:
        """Return one of the selected pages (0 = first); raise IndexError if it does not exist."""
        if started := self._started.pop(index, None):
            return started
        header = self.headers[index]
        number = self.page_numbers[index] if self.page_numbers else index
        location = f"{self.path}, page {number + 1}" if len(self.headers) > 1 or number else str(self.path)
        decode = partial(self.open_rows, header, location)
        return Raster(header.size, decode, orientation=header.orientation, location=location, check=self.check)


_OpenRows = Callable[[_PageHeader, str], StoredRaster]

_DEFAULT_LIMITS = Limits()


def open_source(
    path: Path,
    limits: Limits = _DEFAULT_LIMITS,
    *,
    selection: Selection = SELECT_ALL,
    check: StopCheck = never_stop,
) -> ImageSource:
    """Open an image file and check its headers; no pixel is decoded.

    The format is detected by the content of the file. TIFF, animated GIF and WebP have one page for each image in the
    file; reduced copies in a TIFF are not pages. JPEG-2000, BMP and HEIC are decoded as a whole when they are cut; all
    other formats are streamed, except for those that `Limits.buffered_pixels` lists.

    Args:
        path: The file.
        limits: Limits on the file and its pages.
        selection: Which pages to open, and the resolution of PDF pages; regions and mask are ignored here.
        check: Called several times a second while the file is opened and its pages are decoded, except in a decoder
            that decodes a page as a whole; it raises an exception to stop.

    Raises:
        ImageNotFound: The file does not exist.
        UnidentifiedImage: The file is empty or has an unknown format.
        DamagedImage: A header cannot be decoded.
        EncryptedFile: The file requires a password.
        TooLarge: The file exceeds the limits.
        MissingPackage: The format needs a package that is not installed.
        InputError: None of the selected pages exists.
    """
    form = detect_format(path)
    limits.check_bytes(path.stat().st_size, location=str(path))
    if form is Format.PDF:
        return _open_pdf(path, limits, selection, check)
    headers = tuple(_HEADER_READERS.get(form, _read_vips_headers)(path, form, limits))
    chosen = selection.select_pages(len(headers), source=str(path))
    limits.check_total([headers[number].stored for number in chosen], path.stat().st_size, location=str(path))
    open_rows: _OpenRows = partial(_open_rows, path, form)
    if headers[-1].number:
        animation = Animation(path, form, frame_size=headers[0].stored, count=len(headers), check=check)
        open_rows = partial(_open_frame, animation)
    numbers = _partial_numbers(chosen, len(headers))
    source = ImageSource(path, form, tuple(headers[number] for number in chosen), numbers, open_rows, check)
    if form not in _PILLOW_FORMATS:
        open_rows(source.headers[0], str(path))
    return source


def _partial_numbers(chosen: Sequence[int], count: int) -> tuple[int, ...]:
    return tuple(chosen) if len(chosen) < count else ()


def _open_rows(path: Path, image_format: Format, header: _PageHeader, location: str) -> StoredRaster:
    """Open one page; libvips reads only its header now, Pillow decodes all of it."""
    file, has_alpha = None, True
    with translate_decoder_errors(location):
        if image_format in _PILLOW_FORMATS:
            image = pillow.load(path, image_format)
        elif header.directory and header.directory.links:
            file = tiff_page.open_page(path, header.directory)
            image = vips.load_source(file, image_format)
        else:
            image = vips.load(path, image_format)
        if header.directory:
            has_alpha = header.directory.has_alpha
        return vips.VipsRows(vips.normalise(image, location=location, has_alpha=has_alpha), location, file)


def _open_frame(animation: Animation, header: _PageHeader, location: str) -> StoredRaster:
    return animation.open_rows(header.number, location=location)


def _open_pdf(path: Path, limits: Limits, selection: Selection, check: StopCheck) -> ImageSource:
    file = PdfFile(path, check)
    listed = file.list_pages(limits, selection=selection)
    headers = tuple(_PageHeader(page.size, pdf_page=page) for page in listed.pages)
    numbers = _partial_numbers([page.number for page in listed.pages], listed.total)
    return ImageSource(path, Format.PDF, headers, numbers, partial(_open_pdf_page, file), check)


def _open_pdf_page(file: PdfFile, header: _PageHeader, location: str) -> StoredRaster:
    assert header.pdf_page
    return file.open_rows(header.pdf_page, location=location)


def _read_pillow_headers(path: Path, image_format: Format, limits: Limits) -> Iterator[_PageHeader]:
    size = pillow.read_size(path, image_format)
    limits.check_raster(size, location=str(path))
    limits.check_buffered(size, kind=image_format.value, location=str(path))
    yield _PageHeader(size)


def _read_tiff_headers(path: Path, image_format: Format, limits: Limits) -> Iterator[_PageHeader]:
    for page in tiff.list_pages(path, limits):
        limits.check_raster(page.size, location=str(path))
        limits.check_buffered(page.decode_unit, kind="strip or row of tiles", location=str(path))
        yield _PageHeader(page.size, Orientation.from_exif(page.orientation), directory=page)


def _read_vips_headers(path: Path, image_format: Format, limits: Limits) -> Iterator[_PageHeader]:
    location = str(path)
    with translate_decoder_errors(location):
        image = vips.load(path, image_format)
        size, pages = Size(image.width, image.height), vips.read_number(image, "n-pages", default=1)
        orientation = Orientation.from_exif(vips.read_number(image, "orientation", default=1))
        limits.check_raster(size, location=location)
        limits.check_pages(pages, location=location)
        if kind := vips.find_buffered_kind(image, image_format):
            limits.check_buffered(size, kind=kind, location=location)
    for number in range(pages):  # all frames of an animation have the same size
        yield _PageHeader(size, orientation, number)


_HEADER_READERS = {**dict.fromkeys(_PILLOW_FORMATS, _read_pillow_headers), Format.TIFF: _read_tiff_headers}
