"""A PDF file, written object by object: what a stream holds is copied in pieces and never in memory as a whole.

pikepdf and img2pdf write the same and hold a picture in memory two or three times; it may have gigabytes here.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

_HEAD = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_PLACE = struct.Struct(">BQH")
"""A row of the table of objects: 1 (used), the byte where it begins, generation 0."""


class PdfFile:
    """Numbers the objects of a file from 1 and remembers where each begins; `close` writes the table of them."""

    def __init__(self, file: BinaryIO) -> None:
        """Begin the file."""
        self._file = file
        self._at = 0
        self._begins: list[int] = []
        self._write(_HEAD)

    def reserve(self) -> int:
        """Give the number of an object that will be written later."""
        self._begins.append(0)
        return len(self._begins)

    def add(self, body: bytes, *, number: int = 0) -> int:
        """Write an object, under a number that was reserved or a new one; give the number."""
        number = number or self.reserve()
        self._begins[number - 1] = self._at
        self._write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        return number

    def stream(self, entries: bytes, chunks: Iterable[bytes], *, number: int = 0) -> int:
        """Write a stream whose dictionary has these entries; give its number."""
        number, length = number or self.reserve(), self.reserve()
        self._begins[number - 1] = self._at
        self._write(b"%d 0 obj\n<< %b /Length %d 0 R >>\nstream\n" % (number, entries, length))
        begin = self._at
        for chunk in chunks:
            self._write(chunk)
        end = self._at
        self._write(b"\nendstream\nendobj\n")
        self.add(b"%d" % (end - begin), number=length)
        return number

    def packed(self, chunks: Iterable[bytes], *, entries: bytes = b"", number: int = 0) -> int:
        """Write a stream, compressed; give its number."""
        return self.stream(entries + b" /Filter /FlateDecode", deflated(chunks), number=number)

    def close(self, *, root: int, info: int) -> None:
        """Write the table of objects and the end of the file."""
        begin, number = self._at, self.reserve()
        self._begins[number - 1] = begin
        table = _PLACE.pack(0, 0, 65535) + b"".join(_PLACE.pack(1, at, 0) for at in self._begins)
        entries = b"/Type /XRef /W [1 8 2] /Size %d /Root %d 0 R /Info %d 0 R" % (number + 1, root, info)
        self._write(b"%d 0 obj\n<< %b /Length %d >>\nstream\n" % (number, entries, len(table)))
        self._write(table + b"\nendstream\nendobj\n")
        self._write(b"startxref\n%d\n%%%%EOF\n" % begin)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._at += len(data)


def deflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give the chunks as one zlib stream."""
    packer = zlib.compressobj()
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()
