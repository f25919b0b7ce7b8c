"""Pixels that wait in a file: memory stays the same however wide the page is."""

import os
import tempfile
from collections import defaultdict
from types import TracebackType
from typing import Self

import numpy as np

from ocrfarm.errors import StoreFull
from ocrfarm.image.pixels import Pixels


class SpillFile:
    """Pieces of a temporary file without a name, each of which is used again and again; a context manager.

    The file lies in the folder for temporary files and is mostly in the system's cache: it lives for seconds.
    `StoreFull` where there is no room.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by __exit__
        self._end = 0
        self._free_places: dict[int, list[int]] = defaultdict(list)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the room back."""
        self._file.close()

    def allocate(self, size: int) -> int:
        """Give the place of a piece of so many bytes."""
        if self._free_places[size]:
            return self._free_places[size].pop()
        self._end += size
        return self._end - size

    def release(self, place: int, size: int) -> None:
        """Let somebody else have the piece."""
        self._free_places[size].append(place)

    def write(self, place: int, pixels: Pixels) -> None:
        """Write pixels to a place in the file."""
        data = np.ascontiguousarray(pixels).data.cast("B")
        try:
            while data:
                written = os.pwrite(self._file.fileno(), data, place)
                place, data = place + written, data[written:]
        except OSError as error:
            raise StoreFull(
                f"{tempfile.gettempdir()}: a page that is cut does not fit ({error.strerror}); free some room, or set "
                "TMPDIR to another folder"
            ) from error

    def read(self, place: int, shape: tuple[int, ...]) -> Pixels:
        """Give the pixels that were written there."""
        pixels: Pixels = np.empty(shape, np.uint8)
        data = pixels.data.cast("B")
        while data:
            count = os.preadv(self._file.fileno(), [data], place)
            place, data = place + count, data[count:]
        return pixels
