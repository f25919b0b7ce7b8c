"""The body of a submission -> files and form fields: chunk by chunk, within a number of bytes and a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import HTTPException, Request

from ocrfarm.errors import SettingsError, TooLarge
from ocrfarm.server.multipart import FormParser, Part, parse_boundary
from ocrfarm.settings import Api
from ocrfarm.storage.atomic import translate_os_errors

_STALL_TIMEOUT = 60
"""Seconds without a byte after which an upload is given up."""

_MAX_FIELD_BYTES = 20_000
"""Bytes of a form field that is not a file."""

FILE_FIELDS = ("file", "mask")
"""Form fields that are files: the image and the mask."""


@dataclass(slots=True)
class Upload:
    """What a request has sent.

    Attributes:
        folder: The folder of the files, each of which is named after its field; a body that is no form is `file`.
        fields: The values of the other form fields, by name.
        filename: The name of the image, if the form says so.
    """

    folder: Path
    fields: dict[str, list[str]] = field(default_factory=dict)
    filename: str = ""

    def find_file(self, name: str) -> Path | None:
        """Return the file of a field, or None if it was not sent or is empty."""
        path = self.folder / name
        return path if path.is_file() and path.stat().st_size else None


async def receive_upload(request: Request, folder: Path, *, limits: Api) -> Upload:
    """Write the body of a request, or the files of the form in it, to a folder.

    Args:
        request: The request.
        folder: The folder, which is empty.
        limits: The settings, with the maximum of bytes and seconds.

    Raises:
        TooLarge: The body exceeds the maximum; if `Content-Length` says so, nothing is read.
        SettingsError: The form is malformed or has an unknown file.
        HTTPException: 408, since the upload took too long.
        StoreFull: The disk is full.
    """
    _check_content_length(request.headers.get("content-length", "0"), limits)
    boundary, upload = parse_boundary(request.headers.get("content-type", "")), Upload(folder)
    try:
        async with asyncio.timeout(limits.api_upload_timeout):
            chunks = _iter_chunks(request, limits)
            with translate_os_errors("cannot store the upload"):
                await (_save_form(chunks, boundary, upload) if boundary else _save_body(chunks, upload))
    except TimeoutError as error:
        raise HTTPException(408, f"the upload took more than {limits.api_upload_timeout} seconds") from error
    return upload


def _check_content_length(header: str, limits: Api) -> None:
    """Raise `TooLarge` if the header announces too many bytes; a header that is no number is left to the server.

    >>> _check_content_length("1000", Api(api_max_upload_bytes=1_000))
    >>> _check_content_length("1001", Api(api_max_upload_bytes=1_000))
    Traceback (most recent call last):
    ocrfarm.errors.TooLarge: the upload exceeds the 1,000 bytes that this server accepts
    """
    if header.isdecimal() and int(header) > limits.api_max_upload_bytes:
        raise _too_large(limits)


async def _iter_chunks(request: Request, limits: Api) -> AsyncIterator[bytes]:
    size, stream = 0, request.stream()
    while True:
        try:
            async with asyncio.timeout(_STALL_TIMEOUT):
                chunk = await anext(stream, b"")
        except TimeoutError as error:
            raise HTTPException(408, f"no byte of the upload arrived for {_STALL_TIMEOUT} seconds") from error
        if not chunk:
            return
        size += len(chunk)
        if size > limits.api_max_upload_bytes:
            raise _too_large(limits)
        yield chunk  # writing 64 kB into the page cache takes less time than handing them to a thread


async def _save_body(chunks: AsyncIterator[bytes], upload: Upload) -> None:
    with (upload.folder / FILE_FIELDS[0]).open("wb") as file:
        async for chunk in chunks:
            file.write(chunk)


async def _save_form(chunks: AsyncIterator[bytes], boundary: bytes, upload: Upload) -> None:
    parser = FormParser(boundary)
    with ExitStack() as files:
        writer = _PartWriter(upload, files)
        async for chunk in chunks:
            for event in parser.feed(chunk):
                writer.begin(event) if isinstance(event, Part) else writer.write(event)
    if not parser.has_ended:
        raise SettingsError("the form is malformed: it ends before its last boundary")
    upload.fields |= writer.decode_fields()


class _PartWriter:
    """Writes the parts of a form: files to the disk, and other fields to memory."""

    def __init__(self, upload: Upload, files: ExitStack) -> None:
        self._upload, self._files = upload, files
        self._file: BinaryIO | None = None
        self._values: list[tuple[str, bytearray]] = []

    def begin(self, part: Part) -> None:
        """Begin a part, which ends where the next one begins."""
        self._file = None
        if part.name not in FILE_FIELDS:
            if part.filename is not None:
                raise SettingsError(f"the form has a file {part.name[:40]!r}; files are {' and '.join(FILE_FIELDS)}")
            self._values.append((part.name, bytearray()))
            return
        path = self._upload.folder / part.name
        if path.exists():
            raise SettingsError(f"the form has several files {part.name!r}; send one image in each request")
        self._file = self._files.enter_context(path.open("wb"))
        if part.name == FILE_FIELDS[0]:
            self._upload.filename = part.filename or ""

    def write(self, data: bytes) -> None:
        """Write more bytes of the part."""
        if self._file:
            self._file.write(data)
            return
        name, value = self._values[-1]
        value += data
        if len(value) > _MAX_FIELD_BYTES:
            raise SettingsError(f"the field {name[:40]!r} of the form has more than {_MAX_FIELD_BYTES:,} bytes")

    def decode_fields(self) -> dict[str, list[str]]:
        """Return the values of the fields that are not files."""
        fields: dict[str, list[str]] = {}
        for name, value in self._values:
            fields.setdefault(name, []).append(value.decode(errors="replace"))
        return fields


def _too_large(limits: Api) -> TooLarge:
    return TooLarge(f"the upload exceeds the {limits.api_max_upload_bytes:,} bytes that this server accepts")
