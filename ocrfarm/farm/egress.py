"""The way out of the farm: https to public addresses, and to the one that was checked, whatever a name means later."""

import http.client
import ipaddress
import socket
import ssl
from urllib.parse import SplitResult, urlsplit

from ocrfarm.errors import InputError, SettingsError

_PORT = 443
"""The only one: on others listen services that were never meant for strangers."""


def parse_https_url(url: str, label: str) -> SplitResult:
    """Give the parts of an address; `InputError`, which calls it `label`, for anything but plain https."""
    try:
        parts = urlsplit(url)
        wrong = parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.port not in (None, _PORT)
    except ValueError:
        wrong = True
    if wrong or not url.isprintable() or " " in url:
        raise InputError(f"{label} must be https://host/path, without user, password or port")
    return parts


def validate_webhook_url(url: str) -> str:
    """Give the address back; `SettingsError` where nobody could be told there."""
    try:
        parse_https_url(url, "a webhook")
    except InputError as error:
        raise SettingsError(str(error)) from error
    return url


def redact_url(parts: SplitResult) -> str:
    """Give the address without what may be a secret."""
    return f"https://{parts.hostname}{parts.path}"


def request_target(parts: SplitResult) -> str:
    """Give what stands in the first line of a request."""
    return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"


def open_connection(parts: SplitResult, timeout: float) -> http.client.HTTPSConnection:
    """Give a connection that opens when it is used; `InputError` where the host has an address that is not public."""
    host = str(parts.hostname)
    return _PinnedConnection(host, _resolve_public_address(host), timeout=timeout)


class _PinnedConnection(http.client.HTTPSConnection):
    def __init__(self, host: str, address: str, timeout: float) -> None:
        super().__init__(host, _PORT, timeout=timeout, context=ssl.create_default_context())
        self._address = address

    def connect(self) -> None:
        plain = socket.create_connection((self._address, _PORT), self.timeout)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)


def _resolve_public_address(host: str) -> str:
    """Give an address of the host; `InputError` where any of them is not public: one name can have several."""
    found = {str(each[4][0]) for each in socket.getaddrinfo(host, _PORT, type=socket.SOCK_STREAM)}
    for address in found:
        if not _is_public(ipaddress.ip_address(address.partition("%")[0])):
            raise InputError(f"https://{host}: leads to {address}, which is not a public address")
    return min(found)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if hidden or address.is_site_local or address in _NAT64_PREFIX:
            return False  # whatever lies behind: nobody needs this form
    return address.is_global and not address.is_multicast and not address.is_reserved


_NAT64_PREFIX = ipaddress.ip_network("64:ff9b::/96")
"""Addresses that a gateway turns into IPv4 ones, private ones too."""
