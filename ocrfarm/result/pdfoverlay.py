"""Text written over the pages of a PDF, which stay as they are. Needs pikepdf (`ocrfarm[pdf]`)."""

import importlib
from pathlib import Path
from typing import Any, BinaryIO

from ocrfarm.errors import InputError, MissingPackage
from ocrfarm.result.pdfpicture import UPRIGHT

_MAGIC = b"%PDF-"
_WITHIN = 1024
"""Bytes in which viewers look for it."""

_TURNED_BACK = {0: 1, 90: 8, 180: 3, 270: 6}
"""/Rotate, degrees clockwise -> the EXIF orientation that turns the page as seen back to the page as written."""


def is_pdf(path: Path) -> bool:
    """Say whether the file is a PDF."""
    with path.open("rb") as file:
        return _MAGIC in file.read(_WITHIN)


def lay_over(path: Path, file: BinaryIO, *, layer: BinaryIO) -> None:
    """Write the PDF at `path` with the text of each page of `layer` on the page of the same number.

    `MissingPackage` without pikepdf, `InputError` for a PDF that is locked, broken or has another number of pages.
    """
    try:
        pikepdf = importlib.import_module("pikepdf")
    except ImportError as error:
        raise MissingPackage(f"{path.name}: text on a PDF needs pikepdf; pip install 'ocrfarm[pdf]'") from error
    try:
        with pikepdf.open(path) as pdf, pikepdf.open(layer) as text:
            if len(pdf.pages) != len(text.pages):
                counts = f"{len(text.pages)} pages were read of the {len(pdf.pages)} of the PDF"
                raise InputError(f"{path.name}: {counts}; read all of them, or ask for another format")
            _write_over(pikepdf, pdf, layer=text)
            pdf.save(file)
    except pikepdf.PdfError as error:
        advice = "save it anew, without a password"
        raise InputError(f"{path.name}: no text can be added to this PDF ({error}); {advice}") from error


def _write_over(pikepdf: Any, pdf: Any, *, layer: Any) -> None:  # noqa: ANN401 - a module that may not be there
    font = pdf.copy_foreign(layer.pages[0].Resources.Font.OcrfarmText)
    for page, text in zip(pdf.pages, layer.pages, strict=True):
        page.add_resource(font, pikepdf.Name.Font, pikepdf.Name.OcrfarmText)
        page.contents_add(b"q", prepend=True)
        page.contents_add(b"Q q %b cm\n%b\nQ" % (_matrix(page, text), text.Contents.read_bytes()))


def _matrix(page: Any, text: Any) -> bytes:  # noqa: ANN401 - pages of pikepdf
    """Give the matrix from the points of the text's page to those of the page that it is written on."""
    a, b, c, d, e, f = UPRIGHT[_TURNED_BACK[page.rotation % 360]]
    left, bottom, right, top = map(float, page.cropbox)
    wide, high = right - left, top - bottom
    _, _, width, height = map(float, text.mediabox)
    across = (a * wide / width, b * high / width, c * wide / height, d * high / height)
    return b"%.8f %.8f %.8f %.8f %.4f %.4f" % (*across, left + e * wide, bottom + f * high)
