"""PDF pages as rasters: each page is rendered by a separate process (`pdfium.py`), so that no file can crash this one.

Both processes hold one strip of rows: a page of 16,384 x 16,384 pixels with one JPEG takes 132 MB.
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

from ocrfarm.errors import DamagedImage, find_error
from ocrfarm.geometry import Size
from ocrfarm.image.limits import Limits
from ocrfarm.image.pixels import Pixels
from ocrfarm.selection import Selection

_PROGRAM = (sys.executable, "-P", "-m", "ocrfarm.image.pdfium")

ERROR_EXIT_CODE = 3
"""Exit code of the process if the last line of its stderr is an `OcrfarmError` as JSON."""

_ADVICE = "print it to a new PDF, or export the page as an image"


@dataclass(frozen=True, slots=True)
class PdfPage:
    """A page before it is rendered.

    Attributes:
        number: Index of the page in the file (0 = first).
        size: Size at which it will be rendered, in pixels.
        dpi: Resolution at which it will be rendered, in pixels per inch.
        has_text: Whether the page contains text of its own, visible or hidden.
    """

    number: int
    size: Size
    dpi: float
    has_text: bool


@dataclass(frozen=True, slots=True)
class PdfPages:
    """The selected pages, and the total number of pages in the file."""

    pages: tuple[PdfPage, ...]
    total: int


def list_pages(path: Path, limits: Limits, *, selection: Selection) -> PdfPages:
    """Inspect the selected pages; none of them is rendered.

    Args:
        path: The file.
        limits: Limits on the pages and on the images on them.
        selection: Which pages, and the resolution.

    Raises:
        EncryptedFile: The file requires a password.
        DamagedImage: The file cannot be decoded.
        TooLarge: A page, or an image on it, exceeds the limits.
        InputError: None of the selected pages exists.
        MissingPackage: pypdfium2 is not installed.
    """
    request = {"path": str(path), "limits": asdict(limits), "selection": selection.to_json()}
    with _run_pdfium(request, location=str(path)) as output:
        text = output.read()
    data = json.loads(text)
    return PdfPages(tuple(PdfPage(**{**page, "size": Size(**page["size"])}) for page in data["pages"]), data["total"])


@dataclass(frozen=True, slots=True)
class PdfRows:
    """The rows of one page, always RGB; see `StoredRaster`."""

    path: Path
    page: PdfPage
    location: str
    bands: int = 3

    @property
    def size(self) -> Size:
        """Width and height, in pixels."""
        return self.page.size

    def strips(self, step: int) -> Iterator[Pixels]:
        """Render the page from top to bottom and yield `step` rows at a time; a strip is valid until the next one."""
        size = self.page.size
        request = {"path": str(self.path), "number": self.page.number, "size": [size.width, size.height]}
        pixels: Pixels = np.empty((min(step, size.height), size.width, 3), np.uint8)
        with _run_pdfium({**request, "limits": {}, "location": self.location}, location=self.location) as output:
            for top in range(0, size.height, step):
                rows = pixels[: size.height - top]
                if output.readinto(rows.data.cast("B")) < rows.nbytes:
                    break
                yield rows
            else:
                return
        raise DamagedImage(f"{self.location}: only a part of it was rendered; {_ADVICE}")


@contextmanager
def _run_pdfium(request: dict[str, Any], *, location: str) -> Iterator[Any]:
    """Yield the output stream of the process; at the end of the block raise its error, if there is one."""
    with tempfile.TemporaryFile() as stderr:
        command = [*_PROGRAM, json.dumps(request)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr) as process:
            try:
                yield process.stdout
                code = process.wait()
            finally:
                process.kill()
        if code:
            raise _make_error(code, stderr, location)


def _make_error(code: int, stderr: IO[bytes], location: str) -> Exception:
    """Return the process's own error, `DamagedImage` if a signal ended it, or RuntimeError if it has a bug."""
    stderr.seek(0)
    last = stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
    if code == ERROR_EXIT_CODE:
        kind, text = json.loads(last)
        return find_error(kind, DamagedImage)(text)
    if code > 0:
        return RuntimeError(f"{location}: {last}")
    crash = f"pdfium ended with {signal.Signals(-code).name}: damage, or too little memory"
    reason = "it takes too long" if code == -signal.SIGXCPU else crash
    return DamagedImage(f"{location}: cannot be rendered ({reason}); {_ADVICE}")
