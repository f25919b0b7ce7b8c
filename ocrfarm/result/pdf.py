"""Document -> searchable PDF: the picture as it was, and its text where it stands, to be found and copied but not seen.

A JPEG, JPEG-2000, PNG or fax TIFF goes in as it is. Other pictures go in by pieces that lose nothing, but for those
that had lost something before. A PDF keeps its own pages and gets the text on top.
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
from ocrfarm.result.about import SYSTEM, VERSION
from ocrfarm.result.origin import Origin
from ocrfarm.result.pdffile import PdfFile
from ocrfarm.result.pdffont import PdfFont
from ocrfarm.result.pdfoverlay import is_pdf, lay_over
from ocrfarm.result.pdfpicture import UPRIGHT, PdfPicture, as_it_is
from ocrfarm.result.pdftext import text_layer
from ocrfarm.result.resolution import resolution

_POINTS = 72
"""Of an inch."""

_USUAL = 300.0
"""Pixels an inch where the picture does not say."""

_LARGEST = 14_400
"""Points of a page's side; viewers know no larger ones."""

_Part = tuple[Box, PdfPicture, BinaryIO]
"""A part of a page: its place, what a PDF needs of it, and the file that has its bytes."""


def write_pdf(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write a page a page; memory is that of the text of one page, whatever the picture's size."""
    path = origin.picture()
    if is_pdf(path):
        with tempfile.TemporaryFile() as text:
            _Pdf(text, _USUAL).write(document, origin, parts=lambda number: ())
            lay_over(path, file, layer=text, numbers=document.numbers)
    else:
        alone = len(document.pages) == 1 and document.pages[0].leaf.number is None
        parts = partial(_parts, origin, path if alone else None)
        _Pdf(file, resolution(path) or _USUAL).write(document, origin, parts=parts)


class _Pdf:
    """A PDF that is being written."""

    def __init__(self, file: BinaryIO, dpi: float) -> None:
        self._pdf, self._font, self._dpi = PdfFile(file), PdfFont(), dpi
        self._font_number, self._tree = self._pdf.reserve(), self._pdf.reserve()

    def write(self, document: Document, origin: Origin, *, parts: Callable[[int], Iterable[_Part]]) -> None:
        """Write the document's pages, each with its parts below its text."""
        pages = [
            self._page(page, [self._place(*part) for part in parts(number)])
            for number, page in zip(document.numbers, document.pages, strict=True)
        ]
        self._font.write(self._pdf, number=self._font_number)
        kids = b" ".join(b"%d 0 R" % number for number in pages)
        self._pdf.add(b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, len(pages)), number=self._tree)
        title = ("\ufeff" + origin.name).encode("utf-16-be").hex().encode()
        info = self._pdf.add(b"<< /Title <%b> /Producer (%b %b) >>" % (title, SYSTEM.encode(), VERSION.encode()))
        self._pdf.close(root=self._pdf.add(b"<< /Type /Catalog /Pages %d 0 R >>" % self._tree), info=info)

    def _page(self, page: Page, placed: list[tuple[int, Box, int]]) -> int:
        scale = min(_POINTS / self._dpi, _LARGEST / max(page.size.width, page.size.height))
        drawn = (_drawn(number, box, orientation, page.size) for number, box, orientation in placed)
        start = b"q %.8f 0 0 %.8f 0 0 cm\n" % (scale, scale)
        content = self._pdf.packed(chain([start], drawn, text_layer(page, self._font), [b"Q\n"]))
        names = b" ".join(b"/I%d %d 0 R" % (number, number) for number, _, _ in placed)
        resources = b"<< /XObject << %b >> /Font << /OcrfarmText %d 0 R >> >>" % (names, self._font_number)
        size = b"%.4f %.4f" % (page.size.width * scale, page.size.height * scale)
        body = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 %b] /Resources %b /Contents %d 0 R >>"
        return self._pdf.add(body % (self._tree, size, resources, content))

    def _place(self, box: Box, picture: PdfPicture, file: BinaryIO) -> tuple[int, Box, int]:
        """Add the picture; give its number, where it lies on the page, and its orientation."""
        space = picture.space
        if picture.profile:
            profile = self._pdf.packed([picture.profile], entries=b"/N %d" % picture.channels)
            space = b"[/ICCBased %d 0 R]" % profile
        size = b"/Width %d /Height %d /ColorSpace %b " % (picture.size.width, picture.size.height, space)
        entries = b"/Type /XObject /Subtype /Image " + size + picture.entries
        return self._pdf.stream(entries, picture.data(file)), box, picture.orientation


def _parts(origin: Origin, path: Path | None, number: int) -> Iterator[_Part]:
    """Give the parts of a page: the file at `path` as it is where that can be, else cut."""
    if path:
        with path.open("rb") as file:
            if picture := as_it_is(file):
                yield Box(0, 0, *picture.upright), picture, file
                return
    for box, data in origin.pieces(number):
        piece = io.BytesIO(data)
        picture = as_it_is(piece)
        assert picture
        yield box, picture, piece


def _drawn(number: int, box: Box, orientation: int, page: Size) -> bytes:
    a, b, c, d, e, f = UPRIGHT.get(orientation, UPRIGHT[1])
    w, h = box.width, box.height
    place = (a * w, b * h, c * w, d * h, e * w + box.x0, f * h + page.height - box.y1)
    return b"q %d %d %d %d %d %d cm /I%d Do Q\n" % (*place, number)
