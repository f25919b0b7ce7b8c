"""The body of a request -> a file: piece by piece, no more of it than is allowed, no longer than is allowed."""

import asyncio
from pathlib import Path

from fastapi import HTTPException, Request

from ocrfarm.errors import TooLarge, UnidentifiedImage
from ocrfarm.settings import Api
from ocrfarm.storage.atomic import translate_os_errors


async def save_body(request: Request, path: Path, *, limits: Api) -> None:
    """Write the body to a file.

    `TooLarge` beyond the allowed bytes, at once where the header says so; `UnidentifiedImage` where it is empty;
    HTTPException 408 where it took too long; `StoreFull` where the disk is.
    """
    claimed = request.headers.get("content-length", "0")
    if claimed.isdecimal() and int(claimed) > limits.api_max_upload_bytes:
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.api_upload_timeout):
            size = await _copy_body(request, path, limits)
    except TimeoutError as error:
        raise HTTPException(408, f"the upload took longer than {limits.api_upload_timeout} seconds") from error
    if not size:
        raise UnidentifiedImage("the request has no body: send the image's bytes")


async def _copy_body(request: Request, path: Path, limits: Api) -> int:
    size = 0
    with translate_os_errors("cannot keep the upload"), path.open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.api_max_upload_bytes:
                raise _too_large(limits)
            file.write(chunk)  # 64 kB into the system's cache: shorter than handing it to a thread
    return size


def _too_large(limits: Api) -> TooLarge:
    return TooLarge(f"the image has more than the {limits.api_max_upload_bytes:,} bytes that this server takes")
