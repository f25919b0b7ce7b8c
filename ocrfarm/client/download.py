"""Images from https:// addresses: what comes is bounded, and where it comes from is checked.

The client fetches, never a worker: the splitter, which decodes what strangers send, needs no way out of its network.
Off unless the setting `allow_url_sources` is 1, because whoever hands in an address makes this machine talk to it.
"""

import http.client
import time
from contextlib import closing
from pathlib import Path

from ocrfarm.errors import InputError, SettingsError, TooLarge
from ocrfarm.public_http import open_connection, parse_https_url, redact_url, request_target
from ocrfarm.settings import Security

_CHUNK_BYTES = 1 << 16
"""Bytes between two looks at the clock."""

_READ_TIMEOUT = 15.0
"""Seconds that a server may say nothing."""


def download_url(url: str, path: Path, *, access: Security) -> None:
    """Write what is at `url` to a file.

    `SettingsError` where addresses are not allowed. `InputError` for anything but https to a public address that
    answers 200 at once: redirects are not followed. `TooLarge` beyond `url_max_bytes`.
    """
    if not access.allow_url_sources:
        raise SettingsError("images are not fetched from addresses: download it, or set OCRFARM_ALLOW_URL_SOURCES=1")
    parts = parse_https_url(url, "an image's address")
    where = redact_url(parts)
    ends = time.monotonic() + access.url_timeout
    try:
        with closing(open_connection(parts, min(_READ_TIMEOUT, access.url_timeout))) as connection:
            connection.request(
                "GET", request_target(parts), headers={"Accept-Encoding": "identity", "User-Agent": "ocrfarm"}
            )
            with connection.getresponse() as response:
                _save(response, path, address=where, access=access, deadline=ends)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{where}: cannot be fetched ({error}); download it and hand in the file") from error


def _save(response: http.client.HTTPResponse, path: Path, *, address: str, access: Security, deadline: float) -> None:
    if response.status != http.HTTPStatus.OK:
        raise InputError(f"{address}: answers {response.status}; redirects are not followed, give the final address")
    size = 0
    with path.open("wb") as file:
        while chunk := response.read1(_CHUNK_BYTES):
            size += len(chunk)
            if max(size, response.length or 0) > access.url_max_bytes:
                raise TooLarge(
                    f"{address}: has more than {access.url_max_bytes:,} bytes; download it and hand in the file"
                )
            if time.monotonic() > deadline:
                raise InputError(
                    f"{address}: was not there in {access.url_timeout} s; download it and hand in the file"
                )
            file.write(chunk)
