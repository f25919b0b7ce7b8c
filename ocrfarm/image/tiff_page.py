"""A TIFF of many pages, read as if it had one of them alone.

libvips walks the whole chain of directories whenever it opens a page, which for all pages together takes a time that
grows with the square of their number. Here the two offsets that link a page to the others are replaced while the file
is read: the header leads to the page's directory, and no directory follows it.

    stored:   header --> directory 0 --> directory 1 --> directory 2 --> end
    as read:  header -----------------> directory 1 --> end
"""

import os
import weakref
from pathlib import Path

import pyvips

from ocrfarm.image.tiff import Directory


def open_page(path: Path, directory: Directory) -> pyvips.Source:
    """Return the file as libvips reads it for one page; it must live as long as the image that is loaded from it.

    Args:
        path: The file.
        directory: The page.
    """
    file = _PatchedFile(path, directory.links)
    source = pyvips.SourceCustom()
    source.on_read(file.read)
    source.on_seek(file.seek)
    return source


class _PatchedFile:
    """A file in which some bytes are replaced as they are read."""

    def __init__(self, path: Path, patches: tuple[tuple[int, bytes], ...]) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self._patches = patches

    def read(self, size: int) -> bytearray:
        """Return at most `size` bytes from the current position on."""
        start = self.seek(0, os.SEEK_CUR)
        data = bytearray(os.read(self._descriptor, size))
        for offset, patch in self._patches:
            for position, byte in enumerate(patch, offset - start):
                if 0 <= position < len(data):
                    data[position] = byte
        return data

    def seek(self, offset: int, whence: int) -> int:
        """Change the current position and return it.

        Args:
            offset: Bytes from where `whence` says.
            whence: As for `os.lseek`.
        """
        return os.lseek(self._descriptor, offset, whence)
