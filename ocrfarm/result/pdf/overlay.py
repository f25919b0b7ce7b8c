"""Invisible text over the pages of a PDF, which do not change. It needs pikepdf (`ocrfarm[pdf]`)."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ocrfarm.errors import InputError, MissingPackage
from ocrfarm.result.pdf.image import ORIENTATION_MATRICES

_MAGIC = b"%PDF-"
_MAGIC_WINDOW = 1024
"""Bytes at the start of a file in which viewers accept it."""

_ORIENTATION_BY_ROTATION = {0: 1, 90: 8, 180: 3, 270: 6}
"""/Rotate, degrees clockwise -> the EXIF orientation that maps the page as shown to the page as stored."""


def is_pdf(path: Path) -> bool:
    """Return whether the file is a PDF."""
    with path.open("rb") as file:
        return _MAGIC in file.read(_MAGIC_WINDOW)


def overlay_text(path: Path, file: BinaryIO, *, layer: BinaryIO, numbers: Sequence[int]) -> None:
    """Write a copy of a PDF with text over its pages.

    Args:
        path: The PDF.
        file: A file that is open for writing bytes.
        layer: A PDF of the text, which `pdf.text` wrote.
        numbers: For each page of `layer`, the page of the PDF (0 = first) that gets its text.

    Raises:
        MissingPackage: pikepdf is not installed.
        InputError: The PDF is locked or damaged, or has no page of such a number.
    """
    try:
        import pikepdf
    except ImportError as error:
        raise MissingPackage(f"{path.name}: text on a PDF needs pikepdf; pip install 'ocrfarm[pdf]'") from error
    try:
        # Opened by number: pikepdf keeps the name of a file, and refuses one that is not UTF-8.
        with (
            os.fdopen(os.open(path, os.O_RDONLY), "rb") as image,
            pikepdf.open(image) as pdf,
            pikepdf.open(layer) as text,
        ):
            if max(numbers) >= len(pdf.pages):
                counts = f"page {max(numbers) + 1} was read, and the PDF has {len(pdf.pages)}"
                raise InputError(f"{path.name}: {counts}; the file may have changed since. Read it again")
            _overlay_pages(pikepdf, [pdf.pages[number] for number in numbers], layer=text, font=_copy_font(pdf, text))
            pdf.save(file)
    except pikepdf.PdfError as error:
        advice = "save a copy of it without a password"
        raise InputError(f"{path.name}: no text can be added to this PDF ({error}); {advice}") from error


def _copy_font(pdf: Any, layer: Any) -> Any:  # noqa: ANN401 - pikepdf's, which may not be there
    return pdf.copy_foreign(layer.pages[0].Resources.Font.OcrfarmText)


def _overlay_pages(pikepdf: Any, pages: list[Any], *, layer: Any, font: Any) -> None:  # noqa: ANN401 - likewise
    for page, text in zip(pages, layer.pages, strict=True):
        page.add_resource(font, pikepdf.Name.Font, pikepdf.Name.OcrfarmText)
        page.contents_add(b"q", prepend=True)
        page.contents_add(b"Q q %b cm\n%b\nQ" % (_overlay_matrix(page, text), text.Contents.read_bytes()))


def _overlay_matrix(page: Any, text: Any) -> bytes:  # noqa: ANN401 - pages of pikepdf
    """Return the matrix from the coordinates of the text's page to those of the page below."""
    a, b, c, d, e, f = ORIENTATION_MATRICES[_ORIENTATION_BY_ROTATION[page.rotation % 360]]
    left, bottom, right, top = map(float, page.cropbox)
    wide, high = right - left, top - bottom
    _, _, width, height = map(float, text.mediabox)
    across = (a * wide / width, b * high / width, c * wide / height, d * high / height)
    return b"%.8f %.8f %.8f %.8f %.4f %.4f" % (*across, left + e * wide, bottom + f * high)
