"""The process that inspects and renders the pages of a PDF, for `pdf.py`; the only module that imports pypdfium2.

A malicious file can make pdfium abort or run for hours, so no other work may share the process with it. A request is a
line of JSON on stdin, see `pdfium_process.py`. At the end of stdin the process ends, whatever it is doing.
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
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO, NoReturn

from ocrfarm.errors import EncryptedFile, MissingPackage, OcrfarmError
from ocrfarm.geometry import Size
from ocrfarm.image.decoding import translate_decoder_errors
from ocrfarm.image.limits import Limits
from ocrfarm.image.pdf import PdfPage, PdfPages
from ocrfarm.image.pdfium_process import ERROR_EXIT_CODE
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

_MAX_PAGES_PER_OPENING = 20
"""Pages that are rendered before the document is opened afresh, because pdfium keeps what it has parsed."""


def main() -> None:
    """Answer requests until stdin ends."""
    requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
    Thread(target=_read_requests, args=[requests], daemon=True).start()
    try:
        _answer_all(requests)
    except OcrfarmError as error:
        json.dump([type(error).__name__, str(error)], sys.stderr)
        sys.exit(ERROR_EXIT_CODE)
    except MemoryError:
        os.kill(os.getpid(), signal.SIGABRT)  # as pdfium does if its own allocation fails


def _read_requests(requests: SimpleQueue[dict[str, Any]]) -> None:
    """Read the requests; runs in a thread of its own, so that the end of stdin is noticed while pdfium draws."""
    unread = b""
    try:
        while chunk := os.read(sys.stdin.fileno(), 1 << 16):
            *lines, unread = (unread + chunk).split(b"\n")
            for line in lines:
                requests.put(json.loads(line))
    finally:
        os._exit(0)


def _answer_all(requests: SimpleQueue[dict[str, Any]]) -> NoReturn:
    request = _receive(requests)
    while True:
        with _open_document(Path(request["path"])) as document:
            for _ in range(_MAX_PAGES_PER_OPENING):
                _answer(document, request)
                request = _receive(requests)


def _receive(requests: SimpleQueue[dict[str, Any]]) -> dict[str, Any]:
    """Wait for the next request and set its limits."""
    request = requests.get()
    _set_limit(resource.RLIMIT_CPU, math.ceil(request["seconds"]))
    _set_limit(resource.RLIMIT_DATA, request["memory"])
    return request


def _set_limit(kind: int, maximum: int) -> None:
    """Set a resource limit of this process, unless the one that it inherited is lower."""
    inherited, hard = _read_inherited_limits(kind)
    resource.setrlimit(kind, (maximum if inherited < 0 else min(maximum, inherited), hard))


@cache
def _read_inherited_limits(kind: int) -> tuple[int, int]:
    """Return the limits, soft and hard, that this process had before it set any."""
    return resource.getrlimit(kind)


def _answer(document: Any, request: dict[str, Any]) -> None:  # noqa: ANN401 - pdfium's
    if "number" in request:
        _write_page(document, request["number"], size=Size(*request["size"]), location=request["location"])
    else:
        limits, selection = Limits(**request["limits"]), Selection.from_json(request["selection"])
        pages = _inspect_document(document, Path(request["path"]), limits=limits, selection=selection)
        sys.stdout.buffer.write(json.dumps(asdict(pages)).encode() + b"\n")
    sys.stdout.buffer.flush()


def _inspect_document(document: Any, path: Path, *, limits: Limits, selection: Selection) -> PdfPages:  # noqa: ANN401
    chosen = selection.select_pages(len(document), source=str(path))
    limits.check_pages(len(chosen), location=str(path))
    pages = tuple(_inspect_page(document, number, limits=limits, dpi=selection.dpi, path=path) for number in chosen)
    return PdfPages(pages, len(document))


def _write_page(document: Any, number: int, *, size: Size, location: str) -> None:  # noqa: ANN401 - pdfium's
    """Render a page from top to bottom and write its RGB pixels row by row."""
    rows = min(max(_MAX_STRIP_BYTES // (3 * size.width), 1), size.height)
    with translate_decoder_errors(location), closing(document[number]) as page:
        bitmap = _load_pdfium().PdfBitmap.new_native(size.width, rows, _load_pdfium().raw.FPDFBitmap_BGR)
        with closing(bitmap):
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


def _inspect_page(document: Any, number: int, *, limits: Limits, dpi: float, path: Path) -> PdfPage:  # noqa: ANN401 - pdfium's
    location = f"{path}, page {number + 1}"
    with translate_decoder_errors(location), closing(document[number]) as page:
        content = _inspect_objects(page, limits, location=location)
        dpi = float(dpi) or content.dpi
        # pdfium returns the size of a letter for a page without a valid size
        size = Size(*(max(round(points * dpi / _POINTS_PER_INCH), 1) for points in page.get_size()))
    limits.check_raster(size, location=f"{location} at {dpi:.0f} dpi", advice="use a lower dpi, or ")
    return PdfPage(number, size, dpi, content.has_text, content.buffered_pixels)


@dataclass(slots=True)
class _PageContent:
    """Summary of a page's objects.

    Attributes:
        image_dpi: Resolution of the image that covers most of the page; 0 if there is none.
        has_text: Whether there is text, visible or hidden.
        has_drawing: Whether there is visible text or a vector graphic.
        buffered_pixels: Number of pixels of the largest image that must be decoded as a whole.
    """

    image_dpi: float = 0.0
    has_text: bool = False
    has_drawing: bool = False
    buffered_pixels: int = 0

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
            buffered_pixels = _check_image(item, limits, location=f"{location}, an image on it")
            content.buffered_pixels = max(content.buffered_pixels, buffered_pixels)
            if not item.level:  # an image in a form may be scaled with the form
                content.image_dpi = max(content.image_dpi, _measure_image_dpi(item, page))
        elif item.type == raw.FPDF_PAGEOBJ_TEXT:
            content.has_text = True
            hidden = raw.FPDFTextObj_GetTextRenderMode(item) == raw.FPDF_TEXTRENDERMODE_INVISIBLE
            content.has_drawing = content.has_drawing or not hidden
        elif item.type != raw.FPDF_PAGEOBJ_FORM:
            content.has_drawing = True
    return content


def _check_image(image: Any, limits: Limits, *, location: str) -> int:  # noqa: ANN401 - pdfium's
    """Check the size of an image; return its pixels if it is a JPEG-2000, which pdfium decodes as a whole, else 0."""
    size = Size(*image.get_px_size())
    limits.check_raster(size, location=location)
    if "JPXDecode" not in image.get_filters():
        return 0
    limits.check_buffered(size, kind="JPEG-2000", location=location)
    return size.area


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
    with translate_decoder_errors(str(path)):
        document = _load_document(path)
    with closing(document):
        yield document


def _load_document(path: Path) -> Any:  # noqa: ANN401 - pdfium's
    pdfium = _load_pdfium()
    try:
        document = pdfium.PdfDocument(_openable(path), autoclose=True)
    except pdfium.PdfiumError as error:
        if error.err_code in (pdfium.raw.FPDF_ERR_PASSWORD, pdfium.raw.FPDF_ERR_SECURITY):
            raise EncryptedFile(f"{path}: this PDF requires a password; save it without one") from error
        raise
    document.init_forms()
    return document


def _openable(path: Path) -> Path | BinaryIO:
    """Return the path, or its open file if its name is not UTF-8, in which pdfium takes names."""
    return path if os.fsencode(path) == str(path).encode(errors="replace") else path.open("rb")


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
