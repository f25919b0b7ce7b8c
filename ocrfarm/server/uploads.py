"""The body of a request -> a file: chunk by chunk, within a number of bytes and a time."""

import asyncio
from pathlib import Path

from fastapi import HTTPException, Request

from ocrfarm.errors import TooLarge, UnidentifiedImage
from ocrfarm.settings import Api
from ocrfarm.storage.atomic import translate_os_errors


async def save_body(request: Request, path: Path, *, limits: Api) -> None:
    """Write the body of a request to a file.

    Args:
        request: The request.
        path: The file, which is made.
        limits: The settings, with the maximum of bytes and seconds.

    Raises:
        TooLarge: The body exceeds the maximum; if `Content-Length` says so, nothing is read.
        UnidentifiedImage: The body is empty.
        HTTPException: 408, since the upload took too long.
        StoreFull: The disk is full.
    """
    _check_content_length(request.headers.get("content-length", "0"), limits)
    try:
        async with asyncio.timeout(limits.api_upload_timeout):
            size = await _copy_body(request, path, limits)
    except TimeoutError as error:
        raise HTTPException(408, f"the upload took more than {limits.api_upload_timeout} seconds") from error
    if not size:
        raise UnidentifiedImage("the request has no body: send the image's bytes as the body")


def _check_content_length(header: str, limits: Api) -> None:
    """Raise `TooLarge` if the header announces too many bytes; a header that is no number is left to the server.

    >>> _check_content_length("1000", Api(api_max_upload_bytes=1_000))
    >>> _check_content_length("1001", Api(api_max_upload_bytes=1_000))
    Traceback (most recent call last):
    ocrfarm.errors.TooLarge: the upload exceeds the 1,000 bytes that this server accepts
    """
    if header.isdecimal() and int(header) > limits.api_max_upload_bytes:
        raise _too_large(limits)


async def _copy_body(request: Request, path: Path, limits: Api) -> int:
    size = 0
    with translate_os_errors("cannot store the upload"), path.open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.api_max_upload_bytes:
                raise _too_large(limits)
            file.write(chunk)  # 64 kB into the page cache take less time than handing them to a thread
    return size


def _too_large(limits: Api) -> TooLarge:
    return TooLarge(f"the upload exceeds the {limits.api_max_upload_bytes:,} bytes that this server accepts")
