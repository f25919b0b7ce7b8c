"""The body of a request -> a file: piece by piece, no more of it than is allowed, no longer than is allowed."""

import asyncio
from pathlib import Path

from fastapi import HTTPException, Request

from ocrfarm.errors import NotAnImage, TooLarge
from ocrfarm.settings import Api
from ocrfarm.storage.files import translated


async def save(request: Request, path: Path, *, limits: Api) -> None:
    """Write the body to a file.

    `TooLarge` beyond the allowed bytes, at once where the header says so; `NotAnImage` where it is empty; HTTPException
    408 where it took too long; `StoreFull` where the disk is.
    """
    claimed = request.headers.get("content-length", "0")
    if claimed.isdecimal() and int(claimed) > limits.api_bytes:
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.api_seconds):
            size = await _copy(request, path, limits)
    except TimeoutError as error:
        raise HTTPException(408, f"the upload took longer than {limits.api_seconds} seconds") from error
    if not size:
        raise NotAnImage("the request has no body: send the picture's bytes")


async def _copy(request: Request, path: Path, limits: Api) -> int:
    size = 0
    with translated("cannot keep the upload"), path.open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.api_bytes:
                raise _too_large(limits)
            file.write(chunk)  # 64 kB into the system's cache: shorter than handing it to a thread
    return size


def _too_large(limits: Api) -> TooLarge:
    return TooLarge(f"the picture has more than the {limits.api_bytes:,} bytes that this server takes")
