"""Document -> searchable PDF 1.7: the image of each page, with invisible text that can be found and copied.

A JPEG, JPEG 2000, PNG or Group 4 TIFF is embedded as it is. Other images are embedded in tiles, without loss unless the
source is lossy. If the source is a PDF, its pages stay and the text is added to them.
"""

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from ocrfarm.document import Document, Page
from ocrfarm.geometry import Box, Size
from ocrfarm.result.generator import SOFTWARE_NAME, SOFTWARE_VERSION
from ocrfarm.result.pdf.file import PdfFile
from ocrfarm.result.pdf.font import PdfFont
from ocrfarm.result.pdf.image import ORIENTATION_MATRICES, PdfImage, parse_embeddable
from ocrfarm.result.pdf.overlay import is_pdf, overlay_text
from ocrfarm.result.pdf.text import iter_text_layer
from ocrfarm.result.resolution import read_dpi
from ocrfarm.result.source_info import SourceInfo

_POINTS_PER_INCH = 72
"""Points of PDF in an inch."""

_DEFAULT_DPI = 300.0
"""Pixels per inch, if the image does not state its resolution."""

_MAX_PAGE_POINTS = 14_400
"""Longest side of a page in points; viewers support no longer ones."""

_PlacedImage = tuple[Box, PdfImage, BinaryIO]
"""A part of a page: its place in page pixels, the image, and the file that has its bytes."""


def write_pdf(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write one PDF page for each page. Memory is bounded by the text of one page, whatever the size of the image.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; `image_path` or `image_tiles` provides its bytes.

    Raises:
        MissingPackage: The source is a PDF, and pikepdf is not installed.
        InputError: The source is a PDF that cannot be changed.
    """
    path = source.image_path()
    if is_pdf(path):
        with tempfile.TemporaryFile() as text:
            _PdfWriter(text, _DEFAULT_DPI).write(document, source, images=lambda number: ())
            overlay_text(path, file, layer=text, numbers=document.page_numbers)
    else:
        alone = len(document.pages) == 1 and document.pages[0].source.number is None
        parts = partial(_iter_images, source, path if alone else None)
        _PdfWriter(file, read_dpi(path) or _DEFAULT_DPI).write(document, source, images=parts)


class _PdfWriter:
    """Writes one PDF."""

    def __init__(self, file: BinaryIO, dpi: float) -> None:
        self._pdf, self._font, self._dpi = PdfFile(file), PdfFont(), dpi
        self._font_number, self._page_tree = self._pdf.reserve_number(), self._pdf.reserve_number()

    def write(self, document: Document, source: SourceInfo, *, images: Callable[[int], Iterable[_PlacedImage]]) -> None:
        """Write the pages, each with its images below its text.

        Args:
            document: The document.
            source: The image, whose name becomes the title.
            images: Returns the images of a page (0 = first).
        """
        pages = [
            self._write_page(page, [self._add_image(*part) for part in images(number)])
            for number, page in zip(document.page_numbers, document.pages, strict=True)
        ]
        self._font.write(self._pdf, number=self._font_number)
        kids = b" ".join(b"%d 0 R" % number for number in pages)
        self._pdf.add_object(b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, len(pages)), number=self._page_tree)
        title = ("\ufeff" + source.name).encode("utf-16-be").hex().encode()
        info = self._pdf.add_object(
            b"<< /Title <%b> /Producer (%b %b) >>" % (title, SOFTWARE_NAME.encode(), SOFTWARE_VERSION.encode())
        )
        self._pdf.close(root=self._pdf.add_object(b"<< /Type /Catalog /Pages %d 0 R >>" % self._page_tree), info=info)

    def _write_page(self, page: Page, placed: list[tuple[int, Box, int]]) -> int:
        scale = min(_POINTS_PER_INCH / self._dpi, _MAX_PAGE_POINTS / max(page.size.width, page.size.height))
        drawn = (_draw_image(number, box, orientation, page.size) for number, box, orientation in placed)
        start = b"q %.8f 0 0 %.8f 0 0 cm\n" % (scale, scale)
        content = self._pdf.add_compressed_stream(chain([start], drawn, iter_text_layer(page, self._font), [b"Q\n"]))
        names = b" ".join(b"/I%d %d 0 R" % (number, number) for number, _, _ in placed)
        resources = b"<< /XObject << %b >> /Font << /OcrfarmText %d 0 R >> >>" % (names, self._font_number)
        size = b"%.4f %.4f" % (page.size.width * scale, page.size.height * scale)
        body = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 %b] /Resources %b /Contents %d 0 R >>"
        return self._pdf.add_object(body % (self._page_tree, size, resources, content))

    def _add_image(self, box: Box, image: PdfImage, file: BinaryIO) -> tuple[int, Box, int]:
        """Add an image; return its number, its place on the page and its orientation."""
        space = image.colour_space
        if image.icc_profile:
            profile = self._pdf.add_compressed_stream([image.icc_profile], entries=b"/N %d" % image.channels)
            space = b"[/ICCBased %d 0 R]" % profile
        size = b"/Width %d /Height %d /ColorSpace %b " % (image.size.width, image.size.height, space)
        entries = b"/Type /XObject /Subtype /Image " + size + image.entries
        return self._pdf.add_stream(entries, image.iter_stream(file)), box, image.orientation


def _iter_images(source: SourceInfo, path: Path | None, number: int) -> Iterator[_PlacedImage]:
    """Return the images of a page: the file at `path` if a PDF can contain it as it is, otherwise its tiles."""
    if path:
        with path.open("rb") as file:
            if image := parse_embeddable(file):
                yield Box(0, 0, *image.upright_size), image, file
                return
    for box, data in source.image_tiles(number):
        piece = io.BytesIO(data)
        image = parse_embeddable(piece)
        assert image
        yield box, image, piece


def _draw_image(number: int, box: Box, orientation: int, page: Size) -> bytes:
    a, b, c, d, e, f = ORIENTATION_MATRICES.get(orientation, ORIENTATION_MATRICES[1])
    w, h = box.width, box.height
    place = (a * w, b * h, c * w, d * h, e * w + box.x0, f * h + page.height - box.y1)
    return b"q %d %d %d %d %d %d cm /I%d Do Q\n" % (*place, number)
