"""A web server for the user of this machine, whose pages require a secret key.

The address that is printed contains the key. The server moves it into a cookie, so that links, logs and other pages
do not reveal it. Requests for a host name other than 127.0.0.1 or localhost are refused, which prevents DNS
rebinding.
"""

import logging
import secrets
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from ocrfarm.errors import FarmError, OcrfarmError
from ocrfarm.printable import printable

_EMPTY_STYLE_HASH = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
_log = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {_EMPTY_STYLE_HASH}; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
"""Allows the site's own files only; the hash is that of an empty style. The viewer's page contains the same policy."""

_HEADERS = {
    "Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}
_DEFAULT_MEDIA_TYPE = "application/octet-stream"

_ALLOWED_HOSTS = ("127.0.0.1", "localhost")

MAX_CONNECTIONS = 64
"""Open connections, each of which has a thread; a browser opens six for one page."""

_IDLE_TIMEOUT = 60
"""Seconds after which a connection without a request is closed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a request.

    Attributes:
        content: Bytes, or the path of a file.
        media_type: Media type; if empty, it follows from the suffix of the file.
        save_as: File name under which the browser saves the content; if empty, the browser shows it.
        status: HTTP status.
    """

    content: bytes | Path
    media_type: str = ""
    save_as: str = ""
    status: HTTPStatus = HTTPStatus.OK


PathHandler = Callable[[str], Reply | None]
"""Path of a URL -> the reply, or None if there is nothing. If it raises an `OcrfarmError`, the browser shows it."""


def reply_with_text(message: str, status: HTTPStatus) -> Reply:
    r"""Return a reply of plain text.

    Args:
        message: The text, without line end.
        status: HTTP status.

    Examples:
        >>> reply_with_text("There is no such page.", HTTPStatus.NOT_FOUND).content
        b'There is no such page.\n'
    """
    return Reply(f"{message}\n".encode(), _MEDIA_TYPES[".txt"], status=status)


def reply_with_error(error: OcrfarmError, *, hidden: Path | None = None) -> Reply:
    r"""Return the reply to a request that failed for a reason that the user can understand.

    Args:
        error: The error.
        hidden: A folder whose path the message must not contain.

    Examples:
        >>> reply_with_error(OcrfarmError("/tmp/a/source.png: is damaged"), hidden=Path("/tmp/a")).content
        b'OcrfarmError: source.png: is damaged\n'
    """
    text = printable(f"{type(error).__name__}: {error}")
    if hidden:
        text = text.replace(f"{hidden}/", "").replace(str(hidden), "the folder for viewers")
    return reply_with_text(text, HTTPStatus.CONFLICT)


def reply_with_file(folder: Path, path: str) -> Reply | None:
    """Return a file in a folder, or None if it does not exist or is outside the folder.

    Args:
        folder: The folder.
        path: Path of a URL; "/" stands for index.html.

    Examples:
        >>> reply_with_file(Path(__file__).parent, "/../secrets") is None
        True
    """
    if "\0" in path:
        return None
    root = folder.resolve()
    file = (root / (path.strip("/") or "index.html")).resolve()
    return Reply(file) if file.is_relative_to(root) and file.is_file() else None


@contextmanager
def serve(handle_path: PathHandler, *, port: int = 0) -> Iterator[str]:
    """Serve on 127.0.0.1 until the `with` block ends.

    Args:
        handle_path: Returns the reply to each path.
        port: The port; 0 chooses a free one.

    Yields:
        The address to open, which contains the key.

    Raises:
        FarmError: The port cannot be used.
    """
    key = secrets.token_urlsafe(24)
    try:
        server = _Server(handle_path, key, port)
    except OSError as error:
        raise FarmError(f"port {port} cannot be used ({error.strerror}); choose another one") from error
    thread = threading.Thread(target=partial(server.serve_forever, 0.1), name="ocrfarm-site", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/?key={key}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    """A server that closes all connections when it stops, because browsers keep them open."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # with the default of 5, a burst of connections makes the others wait a second

    def __init__(self, handle_path: PathHandler, key: str, port: int) -> None:
        self._idle: dict[Any, None] = {}
        self._busy: set[Any] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), partial(_RequestHandler, handle_path, key))

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Record the connection, and close the one that has been idle longest if there are too many."""
        with self._lock:
            if len(self._idle) + len(self._busy) >= MAX_CONNECTIONS:
                oldest = next(iter(self._idle), request)
                self._idle.pop(oldest, None)
                _close(oldest)
            self._idle[request] = None
        super().process_request(request, client_address)

    @contextmanager
    def busy(self, request: Any) -> Iterator[None]:  # noqa: ANN401
        """Surround the reply to a request, during which its connection is not idle."""
        with self._lock:
            self._idle.pop(request, None)
            self._busy.add(request)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(request)
                self._idle[request] = None

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Forget the connection."""
        with self._lock:
            self._idle.pop(request, None)
            self._busy.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Accept no more connections, and close those that are open."""
        super().server_close()
        for connection in (*self._idle, *self._busy):
            _close(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log an error, unless the browser closed the connection."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            _log.exception("a request from %s failed", client_address)


def _close(connection: Any) -> None:  # noqa: ANN401 - a socket
    """End the connection; the thread that reads from it sees its end."""
    with suppress(OSError):  # the browser has closed it
        connection.shutdown(socket.SHUT_RDWR)


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ocrfarm", ""
    timeout = _IDLE_TIMEOUT
    server: _Server

    def __init__(self, handle_path: PathHandler, key: str, *arguments: object) -> None:
        self._handle_path, self._key = handle_path, key
        super().__init__(*arguments)  # type: ignore[arg-type]  # as the server calls it

    def do_GET(self) -> None:
        """Send the reply to a request."""
        with self.server.busy(self.connection):
            self._send(self._reply_or_error())

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""

    def _reply_or_error(self) -> Reply:
        """Return a reply to every request, also to one that meets a bug."""
        try:
            return self._reply()
        except Exception:  # noqa: BLE001 - the path is not logged: it may contain the key
            _log.exception("a request failed")
            return reply_with_text(
                "This request met a bug in ocrfarm; its log has the details.", HTTPStatus.INTERNAL_SERVER_ERROR
            )

    def _reply(self) -> Reply:
        try:
            address = urlsplit(self.path)
        except ValueError:
            return reply_with_text("This address makes no sense.", HTTPStatus.BAD_REQUEST)
        if (
            self.headers.get("Host", "").partition(":")[0] not in _ALLOWED_HOSTS
        ):  # any port: a tunnel has one of its own
            return reply_with_text(
                "This server answers to 127.0.0.1 and localhost only.", HTTPStatus.MISDIRECTED_REQUEST
            )
        if not self._has_key():
            if self._is_key("".join(parse_qs(address.query).get("key", []))):
                return Reply(b"", status=HTTPStatus.SEE_OTHER)
            return reply_with_text("Open the address that ocrfarm printed; it contains the key.", HTTPStatus.FORBIDDEN)
        try:
            return self._handle_path(unquote(address.path)) or reply_with_text(
                "This page does not exist.", HTTPStatus.NOT_FOUND
            )
        except OcrfarmError as error:
            return reply_with_error(error)

    def _has_key(self) -> bool:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and self._is_key(cookie.value)

    def _is_key(self, candidate: str) -> bool:
        return secrets.compare_digest(candidate.encode(), self._key.encode())

    @property
    def _cookie(self) -> str:
        """Name of the cookie, with the port, because browsers share cookies among all ports of a host."""
        return f"ocrfarm-{self.server.server_port}"

    def _send(self, reply: Reply) -> None:
        size = reply.content.stat().st_size if isinstance(reply.content, Path) else len(reply.content)
        suffix = reply.content.suffix if isinstance(reply.content, Path) else ""
        headers = _HEADERS | {
            "Content-Type": reply.media_type or _MEDIA_TYPES.get(suffix, _DEFAULT_MEDIA_TYPE),
            "Content-Length": str(size),
        }
        if reply.status is HTTPStatus.SEE_OTHER:
            headers["Location"] = urlsplit(self.path).path
            headers["Set-Cookie"] = f"{self._cookie}={self._key}; Path=/; HttpOnly; SameSite=Strict"
        if reply.save_as:
            headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(reply.save_as)}"
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._write(reply.content)

    def _write(self, content: bytes | Path) -> None:
        if isinstance(content, bytes):
            self.wfile.write(content)
            return
        with content.open("rb") as file:
            shutil.copyfileobj(file, self.wfile, 1 << 18)
