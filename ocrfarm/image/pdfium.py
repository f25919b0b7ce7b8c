"""The process that inspects the pages of a PDF and renders one, for `pdf.py`; the only module that imports pypdfium2.

`python -m ocrfarm.image.pdfium` takes one JSON object as its argument. A malicious file can make pdfium abort or run
for hours, so no other work may share the process with it.
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
from typing import Any, BinaryIO

from ocrfarm.errors import DamagedImage, EncryptedFile, MissingPackage, OcrfarmError
from ocrfarm.geometry import Size
from ocrfarm.image.limits import Limits
from ocrfarm.image.pdf import ERROR_EXIT_CODE, PdfPage, PdfPages
from ocrfarm.selection import Selection

DEFAULT_DPI = 300.0
"""Pixels per inch: resolution of a page of vector graphics and text."""

_MIN_DPI, _MAX_DPI = 72.0, 600.0
"""Pixels per inch: limits for a page that is one image; above, its letters would be larger than recognition needs."""

_POINTS_PER_INCH = 72.0
"""PDF points in an inch."""

_MAX_STRIP_BYTES = 32_000_000
"""Bytes of the rows that are rendered at once; each call traverses the whole page."""

_MAX_OBJECTS = 100_000
"""Maximum number of objects of a page that are inspected; a map has more, but the first ones are representative."""

_MAX_FORM_DEPTH = 5
"""Maximum depth of nested forms that are inspected."""

_MIN_IMAGE_COVERAGE = 0.5
"""Minimum fraction of the page that an image must cover to decide the page's resolution."""

_WHITE = 255


CPU_TIME_LIMIT = 600
"""CPU seconds for inspecting or rendering one page; a map of 100,000 lines takes a few seconds."""

MEMORY_LIMIT = 4_000 << 20
"""Maximum memory of this process in bytes, unless the limit inherited from the splitter is lower."""


def main() -> None:
    """Process the request in the first argument and write the result to stdout."""
    inherited = resource.getrlimit(resource.RLIMIT_DATA)[0]
    _set_limit(resource.RLIMIT_DATA, MEMORY_LIMIT if inherited < 0 else min(inherited, MEMORY_LIMIT))
    _set_limit(resource.RLIMIT_CPU, CPU_TIME_LIMIT)
    request = json.loads(sys.argv[1])
    path, limits = Path(request["path"]), Limits(**request["limits"])
    try:
        if "number" in request:
            _write_page(path, request["number"], size=Size(*request["size"]), location=request["location"])
        else:
            json.dump(asdict(_inspect_document(path, limits, Selection.from_json(request["selection"]))), sys.stdout)
    except OcrfarmError as error:
        json.dump([type(error).__name__, str(error)], sys.stderr)
        sys.exit(ERROR_EXIT_CODE)
    except MemoryError:
        os.kill(os.getpid(), signal.SIGABRT)  # as pdfium does if its own allocation fails


def _set_limit(kind: int, maximum: int) -> None:
    """Set a resource limit of this process, or the hard limit if that is lower."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (maximum if hard < 0 else min(maximum, hard), hard))


def _inspect_document(path: Path, limits: Limits, selection: Selection) -> PdfPages:
    with _open_document(path) as document:
        chosen = selection.select_pages(len(document), source=str(path))
        limits.check_pages(len(chosen), location=str(path))
        pages = tuple(_inspect_page(document, number, limits=limits, dpi=selection.dpi, path=path) for number in chosen)
        return PdfPages(pages, len(document))


def _write_page(path: Path, number: int, *, size: Size, location: str) -> None:
    """Render a page from top to bottom and write its RGB pixels row by row."""
    rows = min(max(_MAX_STRIP_BYTES // (3 * size.width), 1), size.height)
    with _open_document(path) as document, _translate_errors(location), closing(document[number]) as page:
        bitmap = _load_pdfium().PdfBitmap.new_native(size.width, rows, _load_pdfium().raw.FPDFBitmap_BGR)
        pixels = bitmap.to_numpy()
        for top in range(0, size.height, rows):
            pixels[:] = _WHITE
            _draw_strip(page, bitmap, size, top=top)
            sys.stdout.buffer.write(pixels[: size.height - top].data)


def _draw_strip(page: Any, bitmap: Any, size: Size, *, top: int) -> None:  # noqa: ANN401 - pdfium's
    """Render a strip of the page, scaled to `size`, into the bitmap, whose first row is the page's row `top`."""
    raw = _load_pdfium().raw
    place = (0, -top, size.width, size.height, 0, raw.FPDF_ANNOT | raw.FPDF_REVERSE_BYTE_ORDER)
    raw.FPDF_RenderPageBitmap(bitmap, page, *place)
    if page.formenv:
        raw.FPDF_FFLDraw(page.formenv, bitmap, page, *place)


def _extend_time_limit() -> None:
    """Raise the CPU time limit by the time that the next page may take."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _set_limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + CPU_TIME_LIMIT)


def _inspect_page(document: Any, number: int, *, limits: Limits, dpi: float, path: Path) -> PdfPage:  # noqa: ANN401 - pdfium's
    location = f"{path}, page {number + 1}"
    _extend_time_limit()
    with _translate_errors(location), closing(document[number]) as page:
        content = _inspect_objects(page, limits, location=location)
        dpi = float(dpi) or content.dpi
        # pdfium returns the size of a letter for a page without a valid size
        size = Size(*(max(round(points * dpi / _POINTS_PER_INCH), 1) for points in page.get_size()))
    limits.check_raster(size, location=f"{location} at {dpi:.0f} dpi", advice="use a lower dpi, or ")
    return PdfPage(number, size, dpi, content.has_text)


@dataclass(slots=True)
class _PageContent:
    """Summary of a page's objects.

    Attributes:
        image_dpi: Resolution of the image that covers most of the page; 0 if there is none.
        has_text: Whether there is text, visible or hidden.
        has_drawing: Whether there is visible text or a vector graphic.
    """

    image_dpi: float = 0.0
    has_text: bool = False
    has_drawing: bool = False

    @property
    def dpi(self) -> float:
        """Resolution for rendering: that of the page's image, but at least the default if anything else is drawn."""
        if not self.image_dpi:
            return DEFAULT_DPI
        return min(max(self.image_dpi, DEFAULT_DPI if self.has_drawing else _MIN_DPI), _MAX_DPI)


def _inspect_objects(page: Any, limits: Limits, *, location: str) -> _PageContent:  # noqa: ANN401 - pdfium's
    raw, content = _load_pdfium().raw, _PageContent()
    for item in islice(page.get_objects(max_depth=_MAX_FORM_DEPTH), _MAX_OBJECTS):
        if item.type == raw.FPDF_PAGEOBJ_IMAGE:
            _check_image(item, limits, location=f"{location}, an image on it")
            if not item.level:  # an image in a form may be scaled with the form
                content.image_dpi = max(content.image_dpi, _measure_image_dpi(item, page))
        elif item.type == raw.FPDF_PAGEOBJ_TEXT:
            content.has_text = True
            hidden = raw.FPDFTextObj_GetTextRenderMode(item) == raw.FPDF_TEXTRENDERMODE_INVISIBLE
            content.has_drawing = content.has_drawing or not hidden
        elif item.type != raw.FPDF_PAGEOBJ_FORM:
            content.has_drawing = True
    return content


def _check_image(image: Any, limits: Limits, *, location: str) -> None:  # noqa: ANN401 - pdfium's
    """Check the size of an image; JPEG-2000 is checked as well because pdfium decodes it as a whole."""
    size = Size(*image.get_px_size())
    limits.check_raster(size, location=location)
    if "JPXDecode" in image.get_filters():
        limits.check_buffered(size, kind="JPEG-2000", location=location)


def _measure_image_dpi(image: Any, page: Any) -> float:  # noqa: ANN401 - pdfium's
    """Return the resolution of an image that covers most of its page, in pixels per inch; 0 for other images."""
    matrix, (width, height) = image.get_matrix(), image.get_px_size()
    across, down = math.hypot(matrix.a, matrix.b), math.hypot(matrix.c, matrix.d)
    if across * down < _MIN_IMAGE_COVERAGE * math.prod(page.get_size()):
        return 0.0
    return float(max(width / across, height / down) * _POINTS_PER_INCH)


@contextmanager
def _open_document(path: Path) -> Iterator[Any]:
    """Yield the document with its forms; scripts do not run, because this build of pdfium has no JavaScript."""
    pdfium = _load_pdfium()
    try:
        document = pdfium.PdfDocument(_openable(path), autoclose=True)
    except pdfium.PdfiumError as error:
        if error.err_code in (pdfium.raw.FPDF_ERR_PASSWORD, pdfium.raw.FPDF_ERR_SECURITY):
            raise EncryptedFile(f"{path}: this PDF requires a password; save it without one") from error
        raise _damage_error(str(path), error) from error
    with closing(document), _translate_errors(str(path)):
        document.init_forms()
        yield document


def _openable(path: Path) -> Path | BinaryIO:
    """Return the path, or its open file if its name is not UTF-8, in which pdfium takes names."""
    return path if os.fsencode(path) == str(path).encode(errors="replace") else path.open("rb")


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
            "reading PDFs needs pypdfium2; pip install 'ocrfarm[pdf]' for the split workers"
        ) from error
    return pypdfium2


if __name__ == "__main__":
    main()
