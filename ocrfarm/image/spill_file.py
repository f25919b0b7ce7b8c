"""SpillFile: pixels of unfinished boxes in a temporary file, so that memory does not grow with the width of a page.

Segregated free lists: released segments are kept in one list per size and reused for the next segment of this size.
Tiles have few different sizes, so the file stays small:

    file        | seg 0 | seg 1 | seg 2 |      allocate(size): take from the free list of this size, else append
    free lists    {size: [offset of seg 1]}    release(offset, size): put into the free list

Invariant: segments never overlap. Cost: O(1) per allocation; the file grows only if no segment of the size is free. It
is unnamed and mostly stays in the system's page cache, since it exists for seconds.
"""

import os
import tempfile
from collections import defaultdict
from types import TracebackType
from typing import Self

import numpy as np

from ocrfarm.errors import StoreFull
from ocrfarm.image.pixels import Pixels


class SpillFile:
    """Segments of an unnamed file in the folder for temporary files; a context manager that closes the file.

    Examples:
        >>> with SpillFile() as spill:
        ...     offset = spill.allocate(4)
        ...     spill.write(offset, np.array([[1, 2], [3, 4]], np.uint8))
        ...     spill.read(offset, (2, 2)).tolist()
        [[1, 2], [3, 4]]
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by __exit__
        self._end = 0
        self._free_offsets: dict[int, list[int]] = defaultdict(list)

    def __enter__(self) -> Self:
        """Return this file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, which removes it."""
        self._file.close()

    def allocate(self, size: int) -> int:
        """Return the offset of an unused segment of this size, in bytes."""
        if self._free_offsets[size]:
            return self._free_offsets[size].pop()
        self._end += size
        return self._end - size

    def release(self, offset: int, size: int) -> None:
        """Make a segment available again.

        Args:
            offset: Offset of the segment, from `allocate`.
            size: Its size, in bytes.
        """
        self._free_offsets[size].append(offset)

    def write(self, offset: int, pixels: Pixels) -> None:
        """Write pixels to a segment.

        Args:
            offset: Where to write, in bytes from the start of the file.
            pixels: An array of any shape, uint8.

        Raises:
            StoreFull: The folder for temporary files is full.
        """
        data = np.ascontiguousarray(pixels).data.cast("B")
        try:
            while data:
                written = os.pwrite(self._file.fileno(), data, offset)
                offset, data = offset + written, data[written:]
        except OSError as error:
            raise StoreFull(
                f"{tempfile.gettempdir()}: no space for the rows of a page ({error.strerror}); free some space, or set "
                "TMPDIR to another folder"
            ) from error

    def read(self, offset: int, shape: tuple[int, ...]) -> Pixels:
        """Return the pixels that were written to a segment.

        Args:
            offset: Where to read, in bytes from the start of the file.
            shape: Shape of the array.
        """
        pixels: Pixels = np.empty(shape, np.uint8)
        data = pixels.data.cast("B")
        while data:
            count = os.preadv(self._file.fileno(), [data], offset)
            offset, data = offset + count, data[count:]
        return pixels
