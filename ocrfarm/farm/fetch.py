"""Pictures from https:// addresses: what comes is bounded, and where it comes from is checked.

The client fetches, never a worker: the splitter, which decodes what strangers send, needs no way out of its network.
Off unless the setting `url_sources` is 1, because whoever hands in an address makes this machine talk to it.
"""

import http.client
import time
from contextlib import closing
from pathlib import Path

from ocrfarm.errors import InputError, SettingsError, TooLarge
from ocrfarm.farm.outside import checked, connect, shown, target
from ocrfarm.settings import Access

_CHUNK = 1 << 16
"""Bytes between two looks at the clock."""

_SLOWEST = 15.0
"""Seconds that a server may say nothing."""


def fetch(url: str, path: Path, *, access: Access) -> None:
    """Write what is at `url` to a file.

    `SettingsError` where addresses are not allowed. `InputError` for anything but https to a public address that
    answers 200 at once: redirects are not followed. `TooLarge` beyond `url_bytes`.
    """
    if not access.url_sources:
        raise SettingsError("pictures are not fetched from addresses: download it, or set OCRFARM_URL_SOURCES=1")
    parts = checked(url, "a picture's address")
    where = shown(parts)
    ends = time.monotonic() + access.url_seconds
    try:
        with closing(connect(parts, min(_SLOWEST, access.url_seconds))) as connection:
            connection.request("GET", target(parts), headers={"Accept-Encoding": "identity", "User-Agent": "ocrfarm"})
            with connection.getresponse() as response:
                _save(response, path, where=where, access=access, ends=ends)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{where}: cannot be fetched ({error}); download it and hand in the file") from error


def _save(response: http.client.HTTPResponse, path: Path, *, where: str, access: Access, ends: float) -> None:
    if response.status != http.HTTPStatus.OK:
        raise InputError(f"{where}: answers {response.status}; redirects are not followed, give the final address")
    size = 0
    with path.open("wb") as file:
        while chunk := response.read1(_CHUNK):
            size += len(chunk)
            if max(size, response.length or 0) > access.url_bytes:
                raise TooLarge(f"{where}: has more than {access.url_bytes:,} bytes; download it and hand in the file")
            if time.monotonic() > ends:
                raise InputError(f"{where}: was not there in {access.url_seconds} s; download it and hand in the file")
            file.write(chunk)
