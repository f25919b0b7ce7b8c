r"""A form that uploads files (multipart/form-data, RFC 7578), parsed chunk by chunk without I/O.

```
 --BOUNDARY\r\n                                      <- the first delimiter may follow a preamble
 Content-Disposition: form-data; name="file"; filename="a.png"\r\n
 \r\n
 ...bytes of the file, of any length...              <- handed on as they come
 \r\n--BOUNDARY\r\n                                  <- the next part
 ...
 \r\n--BOUNDARY--\r\n                                <- the end
```

The parser keeps at most one chunk and a delimiter in memory. However the bytes are cut into chunks, the parts are the
same; a property test checks that.
"""

import re
from collections.abc import Iterator
from email.message import Message
from enum import Enum, auto
from typing import NamedTuple

from ocrfarm.errors import SettingsError

_MAX_HEADER_BYTES = 8_192
_MAX_PARTS = 100
"""A form has a file, perhaps a mask, and a field for each parameter and region."""

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{1,70}")
"""RFC 2046, section 5.1.1."""


class Part(NamedTuple):
    """The beginning of a part; its bytes follow.

    Attributes:
        name: The name of the field.
        filename: The name of the file; None if the part is not a file.
    """

    name: str
    filename: str | None


class _State(Enum):
    PREAMBLE = auto()
    HEADERS = auto()
    BODY = auto()
    END = auto()


def parse_boundary(content_type: str) -> bytes | None:
    """Return the boundary that a `Content-Type` names, or None if the body is not a form with files.

    Raises:
        SettingsError: The boundary is missing or malformed.

    >>> parse_boundary("multipart/form-data; boundary=x1")
    b'x1'
    >>> parse_boundary("image/png") is None
    True
    """
    header = Message()
    header["Content-Type"] = content_type
    if header.get_content_type() != "multipart/form-data":
        return None
    boundary = header.get_param("boundary", "")
    if not isinstance(boundary, str) or not _BOUNDARY.fullmatch(boundary):
        raise SettingsError("the Content-Type of the form has no valid boundary")
    return boundary.encode()


class FormParser:
    r"""Turns chunks into parts: a `Part`, then its bytes in pieces.

    >>> parser = FormParser(b"x")
    >>> list(parser.feed(b'--x\r\nContent-Disposition: form-data; name="dpi"\r\n\r\n30'))
    [Part(name='dpi', filename=None)]
    >>> list(parser.feed(b"0\r\n--x--\r\n")), parser.has_ended
    ([b'300'], True)
    """

    def __init__(self, boundary: bytes) -> None:
        """Begin before the first part; `boundary` is what `parse_boundary` returns."""
        self._delimiter = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # the first delimiter need not follow a line
        self._state = _State.PREAMBLE
        self._parts = 0

    @property
    def has_ended(self) -> bool:
        """Whether the last part was read."""
        return self._state is _State.END

    def feed(self, chunk: bytes) -> Iterator[Part | bytes]:
        """Yield what a chunk completes.

        Raises:
            SettingsError: The form is malformed.
        """
        self._buffer += chunk
        while self._state is not _State.END:
            before = (self._state, len(self._buffer))
            yield from self._parse_headers() if self._state is _State.HEADERS else self._parse_body()
            if before == (self._state, len(self._buffer)):
                return
        self._buffer = b""

    def _parse_body(self) -> Iterator[bytes]:
        """Yield bytes up to the next delimiter, or up to what may be the beginning of one."""
        at = self._buffer.find(self._delimiter)
        safe = len(self._buffer) - len(self._delimiter) + 1 if at < 0 else at
        if safe > 0:
            if self._state is _State.BODY:
                yield self._buffer[:safe]
            self._buffer = self._buffer[safe:]
        if at >= 0:
            self._end_part()

    def _end_part(self) -> None:
        """Read what follows a delimiter: a line break, or two dashes after the last part."""
        rest = self._buffer[len(self._delimiter) :]
        if rest.startswith(b"--"):
            self._state = _State.END
        elif b"\r\n" in rest:
            padding, _, self._buffer = rest.partition(b"\r\n")
            if padding.strip(b" \t"):
                raise SettingsError("the form is malformed: something follows its boundary")
            self._state = _State.HEADERS
        elif len(rest) > _MAX_HEADER_BYTES:
            raise SettingsError("the form is malformed: no line ends after its boundary")

    def _parse_headers(self) -> Iterator[Part]:
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if len(head) > _MAX_HEADER_BYTES:
            raise SettingsError(f"a part of the form has more than {_MAX_HEADER_BYTES:,} bytes of headers")
        if separator:
            self._parts += 1
            if self._parts > _MAX_PARTS:
                raise SettingsError(f"the form has more than {_MAX_PARTS} parts")
            self._buffer, self._state = rest, _State.BODY
            yield _parse_part(head)


def _parse_part(head: bytes) -> Part:
    r"""Return the part that its headers describe.

    >>> _parse_part(b'Content-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png')
    Part(name='file', filename='a.png')
    """
    headers = Message()
    for line in head.decode(errors="replace").split("\r\n"):
        key, _, value = line.partition(":")
        headers[key.strip()] = value.strip()
    name, filename = (headers.get_param(each, header="content-disposition") for each in ("name", "filename"))
    if not isinstance(name, str) or headers.get("content-transfer-encoding", "binary").lower() not in _ENCODINGS:
        raise SettingsError("a part of the form has no name, or its bytes are encoded")
    return Part(name, headers.get_filename() if filename else None)


_ENCODINGS = ("binary", "7bit", "8bit")
"""Values of a deprecated header that leave the bytes as they are."""
