"""A PDF 1.7 file (ISO 32000-1) that is written object by object; streams are copied in pieces.

pikepdf and img2pdf hold an image in memory two or three times, and an image may have gigabytes here.

    %PDF-1.7
    1 0 obj ... endobj      objects in any order; each one's offset is recorded
    ...
    N 0 obj                 the cross-reference stream: (1, offset, 0) for each object
    startxref               offset of object N
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

_HEADER = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_XREF_ROW = struct.Struct(">BQH")
"""A row of the cross-reference stream: 1 (in use), the offset of the object in bytes, generation 0."""


class PdfFile:
    """Numbers the objects of a file from 1 and records their offsets; `close` writes the cross-reference stream.

    Examples:
        >>> import io
        >>> file = io.BytesIO()
        >>> pdf = PdfFile(file)
        >>> pages = pdf.reserve_number()
        >>> pdf.add_object(b"<< /Type /Catalog /Pages %d 0 R >>" % pages)
        2
    """

    def __init__(self, file: BinaryIO) -> None:
        """Write the header to a file that is open for writing bytes."""
        self._file = file
        self._position = 0
        self._offsets: list[int] = []
        self._write(_HEADER)

    def reserve_number(self) -> int:
        """Return the number of an object that will be written later."""
        self._offsets.append(0)
        return len(self._offsets)

    def add_object(self, body: bytes, *, number: int = 0) -> int:
        """Write an object.

        Args:
            body: The object in PDF's syntax.
            number: A number that was reserved; a new one if 0.

        Returns:
            The number of the object.
        """
        number = number or self.reserve_number()
        self._offsets[number - 1] = self._position
        self._write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        return number

    def add_stream(self, entries: bytes, chunks: Iterable[bytes], *, number: int = 0) -> int:
        """Write a stream, and after it an object with its length, which is not known before.

        Args:
            entries: Entries of its dictionary in PDF's syntax, without /Length.
            chunks: Its bytes.
            number: A number that was reserved; a new one if 0.

        Returns:
            The number of the stream.
        """
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
        """Write a stream that is compressed with Flate.

        Args:
            chunks: Its bytes, not compressed.
            entries: Further entries of its dictionary.
            number: A number that was reserved; a new one if 0.

        Returns:
            The number of the stream.
        """
        return self.add_stream(entries + b" /Filter /FlateDecode", deflate(chunks), number=number)

    def close(self, *, root: int, info: int) -> None:
        """Write the cross-reference stream and the end of the file.

        Args:
            root: Number of the catalog.
            info: Number of the document information dictionary.
        """
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
    """Return the chunks as one zlib stream.

    Examples:
        >>> zlib.decompress(b"".join(deflate([b"0 0 1 ", b"rg"])))
        b'0 0 1 rg'
    """
    packer = zlib.compressobj()
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()
