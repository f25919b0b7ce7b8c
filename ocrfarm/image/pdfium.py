"""The process that looks at the pages of a PDF and draws one, for `pdf.py`; pdfium is touched here only.

python -m ocrfarm.image.pdfium gets one JSON object as its argument. pdfium ends its process where a file wants more
memory than there is, and may go on for hours where a file wants it to: nobody else's work must be in that process.
"""

import importlib
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

from ocrfarm.errors import DamagedImage, Locked, MissingPackage, OcrfarmError
from ocrfarm.geometry import Size
from ocrfarm.image.limits import Limits
from ocrfarm.image.pdf import PASSED_ON, PdfPage, PdfPages
from ocrfarm.scope import Scope

USUAL_DPI = 300.0
"""Of a page that is drawn from lines and letters."""

_LEAST_DPI, _MOST_DPI = 72.0, 600.0
"""Of a page that is one picture; finer ones would have letters larger than any reader needs."""

_INCH = 72.0
"""Points."""

_BAND_BYTES = 32_000_000
"""Of the rows that are drawn in one go: each go costs a look at the whole page."""

_MOST_OBJECTS = 100_000
"""Objects of a page that are looked at: a map has more, and the first ones tell."""

_DEPTH = 5
"""How deep forms within forms are looked at."""

_COVERS = 0.5
"""Share of a page from which on a picture is what the page is."""

_WHITE = 255


CPU_SECONDS = 600
"""What a look at a page, or drawing it, may take: a map of 100,000 lines takes some seconds."""

MOST_BYTES = 4_000 << 20
"""Memory of this process, where the splitter's own limit, which it inherits, is not lower."""


def main() -> None:
    """Do what the argument says and write the answer to stdout."""
    inherited = resource.getrlimit(resource.RLIMIT_DATA)[0]
    _limit(resource.RLIMIT_DATA, MOST_BYTES if inherited < 0 else min(inherited, MOST_BYTES))
    _limit(resource.RLIMIT_CPU, CPU_SECONDS)
    order = json.loads(sys.argv[1])
    path, limits = Path(order["path"]), Limits(**order["limits"])
    try:
        if "number" in order:
            _write(path, order["number"], size=Size(*order["size"]), where=order["where"])
        else:
            json.dump(asdict(_looked_at(path, limits, Scope.from_json(order["scope"]))), sys.stdout)
    except OcrfarmError as error:
        json.dump([type(error).__name__, str(error)], sys.stderr)
        sys.exit(PASSED_ON)
    except MemoryError:
        os.kill(os.getpid(), signal.SIGABRT)  # as pdfium does, where it is the first to have too little


def _limit(what: int, most: int) -> None:
    """Let the kernel end this process at so much, or at what it may have anyway where that is less."""
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (most if hard < 0 else min(most, hard), hard))


def _looked_at(path: Path, limits: Limits, scope: Scope) -> PdfPages:
    with _opened(path) as document:
        chosen = scope.chosen(len(document), where=str(path))
        limits.check_pages(len(chosen), where=str(path))
        found = tuple(_page(document, number, limits=limits, dpi=scope.dpi, path=path) for number in chosen)
        return PdfPages(found, len(document))


def _write(path: Path, number: int, *, size: Size, where: str) -> None:
    """Draw a page from top to bottom and write its pixels, RGB, row by row."""
    rows = min(max(_BAND_BYTES // (3 * size.width), 1), size.height)
    with _opened(path) as document, _translated(where), closing(document[number]) as page:
        bitmap = _pdfium().PdfBitmap.new_native(size.width, rows, _pdfium().raw.FPDFBitmap_BGR)
        pixels = bitmap.to_numpy()
        for top in range(0, size.height, rows):
            pixels[:] = _WHITE
            _draw(page, bitmap, size, top=top)
            sys.stdout.buffer.write(pixels[: size.height - top].data)


def _draw(page: Any, bitmap: Any, size: Size, *, top: int) -> None:  # noqa: ANN401 - pdfium's
    """Draw what of the page, made as large as `size`, lies in the bitmap, whose first row is the page's row `top`."""
    raw = _pdfium().raw
    place = (0, -top, size.width, size.height, 0, raw.FPDF_ANNOT | raw.FPDF_REVERSE_BYTE_ORDER)
    raw.FPDF_RenderPageBitmap(bitmap, page, *place)
    if page.formenv:
        raw.FPDF_FFLDraw(page.formenv, bitmap, page, *place)


def _one_more_page() -> None:
    """Give the next page the time that each may take."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + CPU_SECONDS)


def _page(document: Any, number: int, *, limits: Limits, dpi: float, path: Path) -> PdfPage:  # noqa: ANN401 - pdfium's
    where = f"{path}, page {number + 1}"
    _one_more_page()
    with _translated(where), closing(document[number]) as page:
        seen = _look(page, limits, where=where)
        dpi = float(dpi) or seen.dpi
        # pdfium gives a page without a size that makes sense that of a letter
        size = Size(*(max(round(points * dpi / _INCH), 1) for points in page.get_size()))
    limits.check_raster(size, where=f"{where} at {dpi:.0f} dpi", advice="name a lower dpi, or ")
    return PdfPage(number, size, dpi, seen.has_text)


@dataclass(slots=True)
class _Seen:
    """What a look at a page's objects tells: the dpi of a picture that it is, text, and whether anything is drawn."""

    picture_dpi: float = 0.0
    has_text: bool = False
    drawn: bool = False

    @property
    def dpi(self) -> float:
        """As fine as the page's picture; not coarser than usual where there are letters or lines besides."""
        if not self.picture_dpi:
            return USUAL_DPI
        return min(max(self.picture_dpi, USUAL_DPI if self.drawn else _LEAST_DPI), _MOST_DPI)


def _look(page: Any, limits: Limits, *, where: str) -> _Seen:  # noqa: ANN401 - pdfium's
    raw, seen = _pdfium().raw, _Seen()
    for each in islice(page.get_objects(max_depth=_DEPTH), _MOST_OBJECTS):
        if each.type == raw.FPDF_PAGEOBJ_IMAGE:
            _check(each, limits, where=f"{where}, a picture on it")
            if not each.level:  # what is in a form may be shrunk with it
                seen.picture_dpi = max(seen.picture_dpi, _picture_dpi(each, page))
        elif each.type == raw.FPDF_PAGEOBJ_TEXT:
            seen.has_text = True
            hidden = raw.FPDFTextObj_GetTextRenderMode(each) == raw.FPDF_TEXTRENDERMODE_INVISIBLE
            seen.drawn = seen.drawn or not hidden
        elif each.type != raw.FPDF_PAGEOBJ_FORM:
            seen.drawn = True
    return seen


def _check(picture: Any, limits: Limits, *, where: str) -> None:  # noqa: ANN401 - pdfium's
    """Refuse a picture that pdfium would have to hold as a whole; others it reads row by row."""
    size = Size(*picture.get_px_size())
    limits.check_raster(size, where=where)
    if "JPXDecode" in picture.get_filters():
        limits.check_buffered(size, kind="JPEG-2000", where=where)


def _picture_dpi(picture: Any, page: Any) -> float:  # noqa: ANN401 - pdfium's
    """Give the pixels an inch of a picture that is most of its page; 0 for another."""
    matrix, (width, height) = picture.get_matrix(), picture.get_px_size()
    across, down = math.hypot(matrix.a, matrix.b), math.hypot(matrix.c, matrix.d)
    if across * down < _COVERS * math.prod(page.get_size()):
        return 0.0
    return float(max(width / across, height / down) * _INCH)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Give the document, with its forms filled in; no script in it runs, for pdfium is built without any."""
    pdfium = _pdfium()
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if error.err_code in (pdfium.raw.FPDF_ERR_PASSWORD, pdfium.raw.FPDF_ERR_SECURITY):
            raise Locked(f"{path}: this PDF asks for a password; save it without one") from error
        raise _damaged(str(path), error) from error
    with closing(document), _translated(str(path)):
        document.init_forms()
        yield document


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except _pdfium().PdfiumError as error:
        raise _damaged(where, error) from error


def _damaged(where: str, error: Exception) -> DamagedImage:
    return DamagedImage(f"{where}: cannot be decoded, copy or export the PDF again ({error})")


@cache
def _pdfium() -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module("pypdfium2")
    except ImportError as error:
        raise MissingPackage(
            "PDFs are read with pypdfium2; pip install 'ocrfarm[pdf]' where pictures are split"
        ) from error


if __name__ == "__main__":
    main()
