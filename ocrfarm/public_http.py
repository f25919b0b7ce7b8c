"""HTTPS to public hosts: the guard against server-side request forgery (SSRF).

The farm fetches sources from URLs and posts webhooks to URLs that users choose. A user must not reach the farm's own
network that way, unless the operator has allowed a host for webhooks. A connection is therefore opened to the address
that was checked, not to the name: a name that resolves to another address a moment later (DNS rebinding) gains
nothing. Redirects are not followed.
"""

import http.client
import ipaddress
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from ocrfarm.errors import InputError, SettingsError

_PORT = 443
"""The only port that is allowed of public hosts: services that were never meant for strangers listen on others."""

_HTTP_PORT = 80

_HOST_NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.IGNORECASE)

_LOCAL_NAMES = re.compile(r"(.*\.)?localhost\.?", re.IGNORECASE)
"""Names that never have a public address (RFC 6761)."""

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class AllowedHosts:
    """Hosts that need not be public, by their names or by the networks of their addresses.

    >>> hosts = AllowedHosts("hooks.internal:8080, *.corp.example, 10.1.0.0/16, [fd00::/8]:8443")
    >>> hosts.allow_name("hooks.internal", 8080), hosts.allow_name("hooks.internal", 443)
    (True, False)
    >>> hosts.allow_name("a.corp.example", 80), hosts.allow_name("corp.example", 80)
    (True, False)
    >>> hosts.allow_address(ipaddress.ip_address("10.1.2.3"), 9000)
    True
    """

    def __init__(self, text: str) -> None:
        """Parse a list that is separated by commas; raise `SettingsError` if an entry is malformed."""
        self._names: list[tuple[str, int]] = []
        self._networks: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int]] = []
        for entry in filter(None, map(str.strip, text.split(","))):
            host, port = _split_port(entry)
            try:
                self._networks.append((ipaddress.ip_network(host, strict=False), port))
            except ValueError:
                if not _HOST_NAME.fullmatch(host):
                    advice = "write host, *.domain or a network such as 10.1.0.0/16, each with :port if needed"
                    raise SettingsError(f"OCRFARM_WEBHOOK_ALLOWED_HOSTS: {entry!r} is not a host; {advice}") from None
                self._names.append((host.lower(), port))

    def allow_name(self, host: str, port: int) -> bool:
        """Return whether a host is allowed by its name, whatever its addresses are.

        Args:
            host: The name.
            port: The TCP port.
        """
        host = host.lower().rstrip(".")
        return any(
            allowed in (0, port) and (host == name or (name.startswith("*.") and host.endswith(name[1:])))
            for name, allowed in self._names
        )

    def allow_address(self, address: IpAddress, port: int) -> bool:
        """Return whether an address is in one of the networks.

        Args:
            address: The address.
            port: The TCP port.
        """
        return any(address in network and allowed in (0, port) for network, allowed in self._networks)

    def may_allow(self, port: int) -> bool:
        """Return whether a name that is not resolved yet may have an allowed address."""
        return any(allowed in (0, port) for _, allowed in self._networks)


def _split_port(entry: str) -> tuple[str, int]:
    """Return the host or network of an entry and its port, 0 if it has none.

    >>> _split_port("a.example:8080"), _split_port("[fd00::/8]:8443"), _split_port("fd00::/8")
    (('a.example', 8080), ('fd00::/8', 8443), ('fd00::/8', 0))
    """
    match = re.fullmatch(r"\[(.*)\](?::(\d{1,5}))?|([^:]*):(\d{1,5})", entry)
    if not match:
        return entry, 0
    return (match[1] or match[3] or "", int(match[2] or match[4] or 0))


NO_HOSTS = AllowedHosts("")
"""Public hosts only."""


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


def parse_webhook_url(url: str, allowed: AllowedHosts = NO_HOSTS) -> SplitResult:
    """Parse the URL of a webhook, and refuse it if nothing can ever be delivered to it.

    A name is not resolved here, since its addresses may change before the job ends.

    Args:
        url: The URL, as the user wrote it.
        allowed: Hosts that need not be public, and may have `http://` and another port.

    Returns:
        The parts of the URL.

    Raises:
        SettingsError: The URL is malformed, or its address is neither public nor allowed.

    >>> parse_webhook_url("https://10.0.0.5/x")
    Traceback (most recent call last):
    ocrfarm.errors.SettingsError: a webhook cannot reach 10.0.0.5, which is not a public address; ...
    >>> parse_webhook_url("http://10.0.0.5:8080/x", AllowedHosts("10.0.0.0/8")).port
    8080
    """
    parts = _split_webhook_url(url)
    host, port = str(parts.hostname), _port_of(parts)
    if allowed.allow_name(host, port):
        return parts
    address, is_plain = _parse_numeric_host(host), parts.scheme == "https" and parts.port in (None, _PORT)
    advice = "the operator can allow it by OCRFARM_WEBHOOK_ALLOWED_HOSTS"
    if (address and not allowed.allow_address(address, port) and not _is_public(address)) or _LOCAL_NAMES.fullmatch(
        host
    ):
        raise SettingsError(f"a webhook cannot reach {host}, which is not a public address; {advice}")
    is_allowed = allowed.allow_address(address, port) if address else allowed.may_allow(port)
    if not is_plain and not is_allowed:
        raise SettingsError(f"{_WEBHOOK_FORM}; {advice}")
    return parts


_WEBHOOK_FORM = "a webhook must be https://host/path, without user, password or port"


def _split_webhook_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_wrong = parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.port == 0
    except ValueError:
        is_wrong = True
    if is_wrong or not url.isprintable() or " " in url:
        raise SettingsError(_WEBHOOK_FORM)
    return parts


def _port_of(parts: SplitResult) -> int:
    return parts.port or (_HTTP_PORT if parts.scheme == "http" else _PORT)


def _parse_numeric_host(host: str) -> IpAddress | None:
    """Return the address that a host is, in any form that the system reads; None if it is a name.

    >>> _parse_numeric_host("127.1"), _parse_numeric_host("0x7f000001"), _parse_numeric_host("example.org")
    (IPv4Address('127.0.0.1'), IPv4Address('127.0.0.1'), None)
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return _parse_address(str(found[0][4][0]))


def _parse_address(text: str) -> IpAddress:
    return ipaddress.ip_address(text.partition("%")[0])


def redact_url(parts: SplitResult) -> str:
    """Return the URL without its query, which may hold a secret."""
    return f"https://{parts.hostname}{parts.path}"


def request_target(parts: SplitResult) -> str:
    """Return the path and the query, as the first line of a request names them."""
    return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"


def open_connection(
    parts: SplitResult, timeout: float, *, allowed: AllowedHosts = NO_HOSTS
) -> http.client.HTTPConnection:
    """Return a connection to the host of a URL; it opens when it is first used.

    Args:
        parts: The URL.
        timeout: Seconds without an answer after which the connection fails.
        allowed: Hosts that need not be public.

    Raises:
        InputError: The host has an address that is neither public nor allowed.
    """
    host, port = str(parts.hostname), _port_of(parts)
    kind = _PinnedConnection if parts.scheme == "http" else _PinnedTlsConnection
    connection = kind(host, port, timeout=timeout)
    connection.addresses = _resolve(parts, port, allowed=allowed)
    return connection


@contextmanager
def limit_duration(connection: http.client.HTTPConnection, seconds: float) -> Iterator[None]:
    """Cut a connection off after some time, even if its server sends a byte now and then.

    Args:
        connection: The connection, which need not be open yet.
        seconds: The time that the block may take.

    Raises:
        TimeoutError: The time was over before the block ended.
    """
    timer = Timer(seconds, _hang_up, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        if timer.finished.is_set():
            raise TimeoutError(f"not finished after {seconds:g} seconds") from error
        raise
    finally:
        timer.cancel()


def _hang_up(connection: http.client.HTTPConnection) -> None:
    if connection.sock:
        with suppress(OSError):
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)  # below TLS: a blocked read returns


class _PinnedConnection(http.client.HTTPConnection):
    """A connection to one of the addresses that were checked."""

    addresses: tuple[str, ...] = ()

    def connect(self) -> None:
        """Connect to the first address that accepts; all of them together have the time of one."""
        timeout = (self.timeout or 0) / len(self.addresses)
        for address in self.addresses:
            try:
                self.sock = socket.create_connection((address, self.port), timeout)
            except OSError:
                if address == self.addresses[-1]:
                    raise
            else:
                self.sock.settimeout(self.timeout)
                return


class _PinnedTlsConnection(_PinnedConnection):
    default_port = _PORT

    def connect(self) -> None:
        """Connect, and verify the certificate for the name."""
        super().connect()
        context = ssl.create_default_context()
        # The handshake follows when `sock` is set, so that `limit_duration` can cut it off.
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock.do_handshake()


def _resolve(parts: SplitResult, port: int, *, allowed: AllowedHosts) -> tuple[str, ...]:
    """Return the addresses of the host, IPv4 first; raise `InputError` if any is neither public nor allowed."""
    host, is_plain = str(parts.hostname), parts.scheme == "https" and parts.port in (None, _PORT)
    found = {str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    for text in found if not allowed.allow_name(host, port) else ():
        address = _parse_address(text)
        if not allowed.allow_address(address, port) and not (is_plain and _is_public(address)):
            raise InputError(f"{parts.scheme}://{host}: resolves to {text}, which is not a public address")
    return tuple(sorted(found, key=lambda text: (":" in text, text)))


def _is_public(address: IpAddress) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour or address.teredo
        if hidden or address not in _GLOBAL_UNICAST:
            return False  # such an address hides another one, or no public host can have it
    is_reserved = any(address in network for network in _RESERVED)
    return address.is_global and not address.is_multicast and not address.is_reserved and not is_reserved


_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""The part of IPv6 from which public addresses are given out."""

_RESERVED = [ipaddress.ip_network(each) for each in ("192.88.99.0/24", "2001::/23", "3fff::/20")]
"""Relays, protocols and documentation: networks of the IANA's registries that Python does not know as such."""
