"""HTTPS to public hosts only: the guard against server-side request forgery (SSRF).

The farm fetches sources from URLs and posts webhooks to URLs that users choose. A user must not reach the farm's own
network that way. A connection is therefore opened to the address that was checked, not to the name: a name that
resolves to another address a moment later (DNS rebinding) gains nothing. Redirects are not followed.
"""

import http.client
import ipaddress
import socket
import ssl
from urllib.parse import SplitResult, urlsplit

from ocrfarm.errors import InputError, SettingsError

_PORT = 443
"""The only port that is allowed: services that were never meant for strangers listen on others."""


def parse_https_url(url: str, label: str) -> SplitResult:
    """Parse a URL that a user chose.

    Args:
        url: The URL, as the user wrote it.
        label: What the error message calls the URL, for example "a webhook".

    Returns:
        The parts of the URL.

    Raises:
        InputError: The URL is not plain `https://host/path`, or it names a user, a password or a port.

    >>> parse_https_url("https://example.org/a.tif", "a source").hostname
    'example.org'
    >>> parse_https_url("http://example.org/", "a source")
    Traceback (most recent call last):
    ocrfarm.errors.InputError: a source must be https://host/path, without user, password or port
    """
    try:
        parts = urlsplit(url)
        wrong = parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.port not in (None, _PORT)
    except ValueError:
        wrong = True
    if wrong or not url.isprintable() or " " in url:
        raise InputError(f"{label} must be https://host/path, without user, password or port")
    return parts


def validate_webhook_url(url: str) -> str:
    """Return the URL of a webhook unchanged; raise `SettingsError` if it is not plain HTTPS."""
    try:
        parse_https_url(url, "a webhook")
    except InputError as error:
        raise SettingsError(str(error)) from error
    return url


def redact_url(parts: SplitResult) -> str:
    """Return the URL without its query, which may hold a secret."""
    return f"https://{parts.hostname}{parts.path}"


def request_target(parts: SplitResult) -> str:
    """Return the path and the query, as the first line of a request names them."""
    return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"


def open_connection(parts: SplitResult, timeout: float) -> http.client.HTTPSConnection:
    """Return a connection to the host of a URL; it opens when it is first used.

    Args:
        parts: The URL.
        timeout: Seconds without an answer after which the connection fails.

    Raises:
        InputError: The host has an address that is not public.
    """
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
    """Return an address of the host; raise `InputError` if any of its addresses is not public."""
    found = {str(each[4][0]) for each in socket.getaddrinfo(host, _PORT, type=socket.SOCK_STREAM)}
    for address in found:
        if not _is_public(ipaddress.ip_address(address.partition("%")[0])):
            raise InputError(f"https://{host}: resolves to {address}, which is not a public address")
    return min(found)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if hidden or address.is_site_local or address in _NAT64_PREFIX:
            return False  # such an address hides another one, and no public host needs it
    return address.is_global and not address.is_multicast and not address.is_reserved


_NAT64_PREFIX = ipaddress.ip_network("64:ff9b::/96")
"""A gateway turns these addresses into IPv4 addresses, private ones included."""
