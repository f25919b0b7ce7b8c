"""Pictures from https:// addresses: what comes is bounded, and where it comes from is checked.

The client fetches, never a worker: the splitter, which decodes what strangers send, needs no way out of its network.
Off unless the setting `url_sources` is 1, because whoever hands in an address makes this machine talk to it.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ocrfarm.errors import InputError, SettingsError, TooLarge
from ocrfarm.settings import Access

_PORT = 443
"""The only one: on others listen services that were never meant for strangers."""

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
    parts = _checked(url)
    host = str(parts.hostname)
    where = f"https://{host}{parts.path}"  # without what may be a secret
    ends = time.monotonic() + access.url_seconds
    try:
        with closing(_Connection(host, _public_address(host), timeout=min(_SLOWEST, access.url_seconds))) as connection:
            target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            connection.request("GET", target, headers={"Accept-Encoding": "identity", "User-Agent": "ocrfarm"})
            with connection.getresponse() as response:
                _save(response, path, where=where, access=access, ends=ends)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{where}: cannot be fetched ({error}); download it and hand in the file") from error


class _Connection(http.client.HTTPSConnection):
    """Goes to the address that was checked, whatever the name means a moment later."""

    def __init__(self, host: str, address: str, timeout: float) -> None:
        super().__init__(host, _PORT, timeout=timeout, context=ssl.create_default_context())
        self._address = address

    def connect(self) -> None:
        plain = socket.create_connection((self._address, _PORT), self.timeout)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        wrong = parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.port not in (None, _PORT)
    except ValueError:
        wrong = True
    if wrong or not url.isprintable() or " " in url:
        raise InputError("a picture's address must be https://host/path, without user, password or port")
    return parts


def _public_address(host: str) -> str:
    """Give an address of the host; `InputError` where any of them is not public: one name can have several."""
    found = {str(each[4][0]) for each in socket.getaddrinfo(host, _PORT, type=socket.SOCK_STREAM)}
    for address in found:
        if not _is_public(ipaddress.ip_address(address.partition("%")[0])):
            raise InputError(f"https://{host}: leads to {address}, which is not a public address; hand in the file")
    return min(found)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if hidden or address.is_site_local or address in _TRANSLATED:
            return False  # whatever lies behind: nobody needs this form
    return address.is_global and not address.is_multicast and not address.is_reserved


_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""Addresses that a gateway turns into IPv4 ones, private ones too."""


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
