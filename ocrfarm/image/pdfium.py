"""The process that looks at the pages of a PDF and draws one, for `pdf.py`; pdfium is touched here only.

python -m ocrfarm.image.pdfium gets one JSON object as its argument. pdfium ends its process where a file wants more
memory than there is, and may go on for hours where a file wants it to: nobody else's work must be in that process.
"""

import json
import math
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from ocrfarm.errors import DamagedImage, EncryptedFile, MissingPackage, OcrfarmError
from ocrfarm.geometry import Size
from ocrfarm.image.limits import Limits
from ocrfarm.image.pdf import ERROR_EXIT_CODE, PdfPage, PdfPages
from ocrfarm.selection import Selection

DEFAULT_DPI = 300.0
"""Of a page that is drawn from lines and letters."""

_MIN_DPI, _MAX_DPI = 72.0, 600.0
"""Of a page that is one image; finer ones would have letters larger than any reader needs."""

_POINTS_PER_INCH = 72.0
"""Points."""

_MAX_STRIP_BYTES = 32_000_000
"""Of the rows that are drawn in one go: each go costs a look at the whole page."""

_MAX_OBJECTS = 100_000
"""Objects of a page that are looked at: a map has more, and the first ones tell."""

_MAX_FORM_DEPTH = 5
"""How deep forms within forms are looked at."""

_MIN_IMAGE_COVERAGE = 0.5
"""Share of a page from which on an image is what the page is."""

_WHITE = 255


CPU_TIME_LIMIT = 600
"""What a look at a page, or drawing it, may take: a map of 100,000 lines takes some seconds."""

MEMORY_LIMIT = 4_000 << 20
"""Memory of this process, where the splitter's own limit, which it inherits, is not lower."""


def main() -> None:
    """Do what the argument says and write the answer to stdout."""
    inherited = resource.getrlimit(resource.RLIMIT_DATA)[0]
    _set_limit(resource.RLIMIT_DATA, MEMORY_LIMIT if inherited < 0 else min(inherited, MEMORY_LIMIT))
    _set_limit(resource.RLIMIT_CPU, CPU_TIME_LIMIT)
    order = json.loads(sys.argv[1])
    path, limits = Path(order["path"]), Limits(**order["limits"])
    try:
        if "number" in order:
            _write_page(path, order["number"], size=Size(*order["size"]), location=order["location"])
        else:
            json.dump(asdict(_inspect_document(path, limits, Selection.from_json(order["selection"]))), sys.stdout)
    except OcrfarmError as error:
        json.dump([type(error).__name__, str(error)], sys.stderr)
        sys.exit(ERROR_EXIT_CODE)
    except MemoryError:
        os.kill(os.getpid(), signal.SIGABRT)  # as pdfium does, where it is the first to have too little


def _set_limit(what: int, maximum: int) -> None:
    """Let the kernel end this process at so much, or at what it may have anyway where that is less."""
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (maximum if hard < 0 else min(maximum, hard), hard))


def _inspect_document(path: Path, limits: Limits, selection: Selection) -> PdfPages:
    with _open_document(path) as document:
        chosen = selection.select_pages(len(document), source=str(path))
        limits.check_pages(len(chosen), location=str(path))
        found = tuple(_inspect_page(document, number, limits=limits, dpi=selection.dpi, path=path) for number in chosen)
        return PdfPages(found, len(document))


def _write_page(path: Path, number: int, *, size: Size, location: str) -> None:
    """Draw a page from top to bottom and write its pixels, RGB, row by row."""
    rows = min(max(_MAX_STRIP_BYTES // (3 * size.width), 1), size.height)
    with _open_document(path) as document, _translate_errors(location), closing(document[number]) as page:
        bitmap = _load_pdfium().PdfBitmap.new_native(size.width, rows, _load_pdfium().raw.FPDFBitmap_BGR)
        pixels = bitmap.to_numpy()
        for top in range(0, size.height, rows):
            pixels[:] = _WHITE
            _draw_strip(page, bitmap, size, top=top)
            sys.stdout.buffer.write(pixels[: size.height - top].data)


def _draw_strip(page: Any, bitmap: Any, size: Size, *, top: int) -> None:  # noqa: ANN401 - pdfium's
    """Draw what of the page, made as large as `size`, lies in the bitmap, whose first row is the page's row `top`."""
    raw = _load_pdfium().raw
    place = (0, -top, size.width, size.height, 0, raw.FPDF_ANNOT | raw.FPDF_REVERSE_BYTE_ORDER)
    raw.FPDF_RenderPageBitmap(bitmap, page, *place)
    if page.formenv:
        raw.FPDF_FFLDraw(page.formenv, bitmap, page, *place)


def _extend_time_limit() -> None:
    """Give the next page the time that each may take."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _set_limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + CPU_TIME_LIMIT)


def _inspect_page(document: Any, number: int, *, limits: Limits, dpi: float, path: Path) -> PdfPage:  # noqa: ANN401 - pdfium's
    where = f"{path}, page {number + 1}"
    _extend_time_limit()
    with _translate_errors(where), closing(document[number]) as page:
        seen = _inspect_objects(page, limits, location=where)
        dpi = float(dpi) or seen.dpi
        # pdfium gives a page without a size that makes sense that of a letter
        size = Size(*(max(round(points * dpi / _POINTS_PER_INCH), 1) for points in page.get_size()))
    limits.check_raster(size, location=f"{where} at {dpi:.0f} dpi", advice="name a lower dpi, or ")
    return PdfPage(number, size, dpi, seen.has_text)


@dataclass(slots=True)
class _PageContent:
    """What a look at a page's objects tells: the dpi of an image that it is, text, and whether anything is drawn."""

    image_dpi: float = 0.0
    has_text: bool = False
    has_drawing: bool = False

    @property
    def dpi(self) -> float:
        """As fine as the page's image; not coarser than usual where there are letters or lines besides."""
        if not self.image_dpi:
            return DEFAULT_DPI
        return min(max(self.image_dpi, DEFAULT_DPI if self.has_drawing else _MIN_DPI), _MAX_DPI)


def _inspect_objects(page: Any, limits: Limits, *, location: str) -> _PageContent:  # noqa: ANN401 - pdfium's
    raw, seen = _load_pdfium().raw, _PageContent()
    for each in islice(page.get_objects(max_depth=_MAX_FORM_DEPTH), _MAX_OBJECTS):
        if each.type == raw.FPDF_PAGEOBJ_IMAGE:
            _check_image(each, limits, location=f"{location}, an image on it")
            if not each.level:  # what is in a form may be shrunk with it
                seen.image_dpi = max(seen.image_dpi, _measure_image_dpi(each, page))
        elif each.type == raw.FPDF_PAGEOBJ_TEXT:
            seen.has_text = True
            hidden = raw.FPDFTextObj_GetTextRenderMode(each) == raw.FPDF_TEXTRENDERMODE_INVISIBLE
            seen.has_drawing = seen.has_drawing or not hidden
        elif each.type != raw.FPDF_PAGEOBJ_FORM:
            seen.has_drawing = True
    return seen


def _check_image(image: Any, limits: Limits, *, location: str) -> None:  # noqa: ANN401 - pdfium's
    """Refuse an image that pdfium would have to hold as a whole; others it reads row by row."""
    size = Size(*image.get_px_size())
    limits.check_raster(size, location=location)
    if "JPXDecode" in image.get_filters():
        limits.check_buffered(size, kind="JPEG-2000", location=location)


def _measure_image_dpi(image: Any, page: Any) -> float:  # noqa: ANN401 - pdfium's
    """Give the pixels an inch of an image that is most of its page; 0 for another."""
    matrix, (width, height) = image.get_matrix(), image.get_px_size()
    across, down = math.hypot(matrix.a, matrix.b), math.hypot(matrix.c, matrix.d)
    if across * down < _MIN_IMAGE_COVERAGE * math.prod(page.get_size()):
        return 0.0
    return float(max(width / across, height / down) * _POINTS_PER_INCH)


@contextmanager
def _open_document(path: Path) -> Iterator[Any]:
    """Give the document, with its forms filled in; no script in it runs, for pdfium is built without any."""
    pdfium = _load_pdfium()
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if error.err_code in (pdfium.raw.FPDF_ERR_PASSWORD, pdfium.raw.FPDF_ERR_SECURITY):
            raise EncryptedFile(f"{path}: this PDF asks for a password; save it without one") from error
        raise _damage_error(str(path), error) from error
    with closing(document), _translate_errors(str(path)):
        document.init_forms()
        yield document


@contextmanager
def _translate_errors(location: str) -> Iterator[None]:
    try:
        yield
    except _load_pdfium().PdfiumError as error:
        raise _damage_error(location, error) from error


def _damage_error(location: str, error: Exception) -> DamagedImage:
    return DamagedImage(f"{location}: cannot be decoded, copy or export the PDF again ({error})")


@cache
def _load_pdfium() -> Any:  # noqa: ANN401 - a module
    try:
        import pypdfium2
    except ImportError as error:
        raise MissingPackage(
            "PDFs are read with pypdfium2; pip install 'ocrfarm[pdf]' where images are split"
        ) from error
    return pypdfium2


if __name__ == "__main__":
    main()
