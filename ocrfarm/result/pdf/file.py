"""A PDF file, written object by object: what a stream holds is copied in pieces and never in memory as a whole.

pikepdf and img2pdf write the same and hold an image in memory two or three times; it may have gigabytes here.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

_HEADER = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_XREF_ROW = struct.Struct(">BQH")
"""A row of the table of objects: 1 (used), the byte where it begins, generation 0."""


class PdfFile:
    """Numbers the objects of a file from 1 and remembers where each begins; `close` writes the table of them."""

    def __init__(self, file: BinaryIO) -> None:
        """Begin the file."""
        self._file = file
        self._position = 0
        self._offsets: list[int] = []
        self._write(_HEADER)

    def reserve_number(self) -> int:
        """Give the number of an object that will be written later."""
        self._offsets.append(0)
        return len(self._offsets)

    def add_object(self, body: bytes, *, number: int = 0) -> int:
        """Write an object, under a number that was reserved or a new one; give the number."""
        number = number or self.reserve_number()
        self._offsets[number - 1] = self._position
        self._write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        return number

    def add_stream(self, entries: bytes, chunks: Iterable[bytes], *, number: int = 0) -> int:
        """Write a stream whose dictionary has these entries; give its number."""
        number, length = number or self.reserve_number(), self.reserve_number()
        self._offsets[number - 1] = self._position
        self._write(b"%d 0 obj\n<< %b /Length %d 0 R >>\nstream\n" % (number, entries, length))
        begin = self._position
        for chunk in chunks:
            self._write(chunk)
        end = self._position
        self._write(b"\nendstream\nendobj\n")
        self.add_object(b"%d" % (end - begin), number=length)
        return number

    def add_compressed_stream(self, chunks: Iterable[bytes], *, entries: bytes = b"", number: int = 0) -> int:
        """Write a stream, compressed; give its number."""
        return self.add_stream(entries + b" /Filter /FlateDecode", deflate(chunks), number=number)

    def close(self, *, root: int, info: int) -> None:
        """Write the table of objects and the end of the file."""
        begin, number = self._position, self.reserve_number()
        self._offsets[number - 1] = begin
        table = _XREF_ROW.pack(0, 0, 65535) + b"".join(_XREF_ROW.pack(1, at, 0) for at in self._offsets)
        entries = b"/Type /XRef /W [1 8 2] /Size %d /Root %d 0 R /Info %d 0 R" % (number + 1, root, info)
        self._write(b"%d 0 obj\n<< %b /Length %d >>\nstream\n" % (number, entries, len(table)))
        self._write(table + b"\nendstream\nendobj\n")
        self._write(b"startxref\n%d\n%%%%EOF\n" % begin)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._position += len(data)


def deflate(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give the chunks as one zlib stream."""
    packer = zlib.compressobj()
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()
