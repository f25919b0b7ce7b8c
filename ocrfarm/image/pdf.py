"""PDF pages as rasters: they are rendered by a separate process (`pdfium.py`), so that no file can crash this one.

One process renders the pages one after the other. Both processes hold one strip of rows: a page of 16,384 x 16,384
pixels with one JPEG takes 132 MB.

The time and the memory of that process are limited by the size of the file and of its pages, since a file of 800 bytes
can contain hours of work.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ocrfarm.geometry import Size
from ocrfarm.image.decoding import StopCheck
from ocrfarm.image.limits import Limits
from ocrfarm.image.pdfium_process import PdfiumProcess
from ocrfarm.image.pixels import Pixels
from ocrfarm.selection import Selection

_BASE_SECONDS, _SECONDS_PER_BYTE, _SECONDS_PER_PIXEL = 5.0, 1e-4, 3e-8
"""CPU seconds for a whole file, for each of its bytes and for each pixel that is rendered. A map of 300,000 lines has
2.7 MB and takes 7 s; a page with little on it takes 1e-8 s for each pixel."""

_BASE_MEMORY, _MEMORY_PER_BYTE = 384 << 20, 64
"""Bytes of memory for any file, and for each of its bytes: the process of the same map takes 150 MB."""

_MEMORY_PER_BUFFERED_PIXEL, _MAX_BUFFERED_MEMORY_PER_BYTE = 16, 2_000
"""Bytes of memory for each pixel of a JPEG-2000, which pdfium decodes as a whole, and their maximum for each byte of
the file, since the file's claim may be false. 64 megapixels of RGB take 960 MB."""


@dataclass(frozen=True, slots=True)
class PdfPage:
    """A page before it is rendered.

    Attributes:
        number: Index of the page in the file (0 = first).
        size: Size at which it will be rendered, in pixels.
        dpi: Resolution at which it will be rendered, in pixels per inch.
        has_text: Whether the page contains text of its own, visible or hidden.
        buffered_pixels: Number of pixels of the largest image on it that must be decoded as a whole.
    """

    number: int
    size: Size
    dpi: float
    has_text: bool
    buffered_pixels: int = 0


@dataclass(frozen=True, slots=True)
class PdfPages:
    """The selected pages, and the total number of pages in the file."""

    pages: tuple[PdfPage, ...]
    total: int


class PdfFile:
    """A PDF, inspected and rendered by a process that ends with this object."""

    def __init__(self, path: Path, check: StopCheck) -> None:
        """Start nothing yet.

        Args:
            path: The file.
            check: Called while the process works; it raises an exception to end the process.
        """
        self._path, self._check = path, check
        self._file_bytes = path.stat().st_size
        self._idle: list[PdfiumProcess] = []

    def list_pages(self, limits: Limits, *, selection: Selection) -> PdfPages:
        """Inspect the selected pages; none of them is rendered.

        Args:
            limits: Limits on the pages and on the images on them.
            selection: Which pages, and the resolution.

        Raises:
            EncryptedFile: The file requires a password.
            DamagedImage: The file cannot be decoded, or inspecting it takes too long or too much memory.
            TooLarge: A page, or an image on it, exceeds the limits.
            InputError: None of the selected pages exists.
            MissingPackage: pypdfium2 is not installed.
        """
        chosen = Selection(selection.pages, selection.dpi)  # regions and mask are of no use here
        request = {"limits": asdict(limits), "selection": chosen.to_json()}
        with self._run_request(0, 0, request) as process:
            data = json.loads(process.read_line(self._check, location=str(self._path)))
            pages = tuple(PdfPage(**{**page, "size": Size(**page["size"])}) for page in data["pages"])
            limits.check_total([page.size for page in pages], self._file_bytes, location=str(self._path))
        return PdfPages(pages, data["total"])

    def open_rows(self, page: PdfPage, *, location: str) -> "PdfRows":
        """Return the rows of a page; it is rendered when they are read.

        Args:
            page: The page.
            location: File and page, for messages.
        """
        return PdfRows(self, page, location)

    def render(self, page: PdfPage, step: int, *, location: str) -> Iterator[Pixels]:
        """Render a page from top to bottom and yield `step` rows at a time; a strip is valid until the next one.

        Args:
            page: The page.
            step: Number of rows of a strip; the last strip may have fewer.
            location: File and page, for messages.

        Raises:
            DamagedImage: The page cannot be rendered, or takes too long or too much memory.
        """
        size, details = page.size, {"number": page.number, "location": location}
        pixels: Pixels = np.empty((min(step, size.height), size.width, 3), np.uint8)
        request = details | {"size": [size.width, size.height]}
        with self._run_request(size.area, page.buffered_pixels, request) as process:
            for top in range(0, size.height, step):
                rows = pixels[: size.height - top]
                process.read_into(rows.data.cast("B"), self._check, location=location)
                yield rows

    @contextmanager
    def _run_request(self, pixels: int, buffered_pixels: int, details: dict[str, Any]) -> Iterator[PdfiumProcess]:
        """Send a request; a process whose answer is not read to its end cannot take another one, and is ended."""
        process = self._start_request(pixels, buffered_pixels, details)
        try:
            yield process
        except BaseException:
            process.end()
            raise
        self._idle.append(process)

    def _start_request(self, pixels: int, buffered_pixels: int, details: dict[str, Any]) -> PdfiumProcess:
        """Send a request to an idle process or a new one, with the memory and the additional CPU time that it gets."""
        size = self._file_bytes
        buffered = min(_MEMORY_PER_BUFFERED_PIXEL * buffered_pixels, _MAX_BUFFERED_MEMORY_PER_BYTE * size)
        memory = _BASE_MEMORY + _MEMORY_PER_BYTE * size + buffered
        if not (process := self._take_idle()):
            process = PdfiumProcess()
            process.granted_seconds = _BASE_SECONDS + _SECONDS_PER_BYTE * size
        process.granted_seconds += _SECONDS_PER_PIXEL * pixels
        process.send({"path": str(self._path), "seconds": process.granted_seconds, "memory": memory, **details})
        return process

    def _take_idle(self) -> PdfiumProcess | None:
        """Return a process that has answered all of its requests, unless there is none or it has crashed since."""
        while self._idle:
            if (process := self._idle.pop()).is_alive:
                return process
        return None


@dataclass(frozen=True, slots=True)
class PdfRows:
    """The rows of one page, always RGB; see `StoredRaster`."""

    file: PdfFile
    page: PdfPage
    location: str
    bands: int = 3

    @property
    def size(self) -> Size:
        """Width and height, in pixels."""
        return self.page.size

    def strips(self, step: int) -> Iterator[Pixels]:
        """Render the page and yield `step` rows at a time, see `PdfFile.render`."""
        return self.file.render(self.page, step, location=self.location)
