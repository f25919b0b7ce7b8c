"""PDF pages as rasters: each is drawn by a process of its own (`pdfium.py`), which no file can make harm this one.

Memory is that of a band in either process: a page of 16384 x 16384 pixels with one JPEG takes it 132 MB.
"""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ocrfarm import errors
from ocrfarm.errors import DamagedImage, OcrfarmError
from ocrfarm.geometry import Size
from ocrfarm.image.limits import Limits
from ocrfarm.image.pixels import Pixels
from ocrfarm.selection import Selection

_PROGRAM = (sys.executable, "-P", "-m", "ocrfarm.image.pdfium")

ERROR_EXIT_CODE = 3
"""Exit code of the process where the last line of its complaint is an error of ocrfarm's, as JSON."""

_ADVICE = "print it into a new PDF, or export the page as an image"


@dataclass(frozen=True, slots=True)
class PdfPage:
    """A page before it is drawn: its number in the file (0 = first), size and dpi, and whether it has text."""

    number: int
    size: Size
    dpi: float
    has_text: bool


@dataclass(frozen=True, slots=True)
class PdfPages:
    """The wanted pages, and how many the file has."""

    pages: tuple[PdfPage, ...]
    total: int


def list_pages(path: Path, limits: Limits, *, selection: Selection) -> PdfPages:
    """Look at the wanted pages; none is drawn.

    `EncryptedFile` where a password is asked for, `DamagedImage`, `TooLarge` for a raster or an image beyond
    the limits, `InputError` where the file has none of the wanted pages, `MissingPackage` without pypdfium2.
    """
    order = {"path": str(path), "limits": asdict(limits), "selection": selection.to_json()}
    with _run_pdfium(order, location=str(path)) as output:
        answer = output.read()
    found = json.loads(answer)
    return PdfPages(tuple(PdfPage(**{**page, "size": Size(**page["size"])}) for page in found["pages"]), found["total"])


@dataclass(frozen=True, slots=True)
class PdfRows:
    """The rows of one page, always RGB."""

    path: Path
    page: PdfPage
    location: str
    bands: int = 3

    @property
    def size(self) -> Size:
        """Pixels."""
        return self.page.size

    def strips(self, step: int) -> Iterator[Pixels]:
        """Have the page drawn from top to bottom and give `step` rows at a time; valid until the next ones come."""
        size = self.page.size
        order = {"path": str(self.path), "number": self.page.number, "size": [size.width, size.height]}
        pixels: Pixels = np.empty((min(step, size.height), size.width, 3), np.uint8)
        with _run_pdfium({**order, "limits": {}, "location": self.location}, location=self.location) as drawn:
            for top in range(0, size.height, step):
                rows = pixels[: size.height - top]
                if drawn.readinto(rows.data.cast("B")) < rows.nbytes:
                    break
                yield rows
            else:
                return
        raise DamagedImage(f"{self.location}: only a part of it was drawn; {_ADVICE}")


@contextmanager
def _run_pdfium(order: dict[str, Any], *, location: str) -> Iterator[Any]:
    """Give what the process writes; at the end, raise what was wrong with it."""
    with tempfile.TemporaryFile() as complaint:
        command = [*_PROGRAM, json.dumps(order)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaint) as process:
            try:
                yield process.stdout
                code = process.wait()
            finally:
                process.kill()
        if code:
            raise _make_error(code, complaint, location)


def _make_error(code: int, complaint: IO[bytes], location: str) -> Exception:
    """Give the error that the process passed on, or say how it ended; a RuntimeError where a fault of ours ended it."""
    complaint.seek(0)
    last = complaint.read().decode(errors="replace").strip().rpartition("\n")[2]
    if code == ERROR_EXIT_CODE:
        kind, text = json.loads(last)
        error: OcrfarmError = getattr(errors, kind)(text)
        return error
    if code > 0:
        return RuntimeError(f"{location}: {last}")
    broke = f"pdfium ended with {signal.Signals(-code).name}: damage, or too little memory"
    reason = "it takes too long" if code == -signal.SIGXCPU else broke
    return DamagedImage(f"{location}: cannot be drawn ({reason}); {_ADVICE}")
