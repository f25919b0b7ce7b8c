"""A web server for one person on this machine: pages behind a key that nobody else has.

The address that is printed holds the key, which then lives in a cookie, so that no link, log or other page shows it.
What asks under another name than this machine's own is refused: no page elsewhere reaches in through the name service.
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

_EMPTY_STYLE_HASH = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
_log = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {_EMPTY_STYLE_HASH}; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
"""Nothing but the site's own files; the hash is that of an empty style. The viewer's page says the same by itself."""

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

_IDLE_TIMEOUT = 60
"""After which a connection without a request is closed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a page answers: a file or bytes, and the name under which it is to be saved, if it is."""

    content: bytes | Path
    media_type: str = ""
    save_as: str = ""
    status: HTTPStatus = HTTPStatus.OK


PathHandler = Callable[[str], Reply | None]
"""Path of an address -> what is there; None where there is nothing. Any `OcrfarmError` that it raises is shown."""


def reply_with_text(message: str, status: HTTPStatus) -> Reply:
    """Give a page of plain words."""
    return Reply(f"{message}\n".encode(), _MEDIA_TYPES[".txt"], status=status)


def reply_with_file(folder: Path, path: str) -> Reply | None:
    """Find a file of a folder, never one outside it."""
    if "\0" in path:
        return None
    root = folder.resolve()
    file = (root / (path.strip("/") or "index.html")).resolve()
    return Reply(file) if file.is_relative_to(root) and file.is_file() else None


@contextmanager
def serve(handle_path: PathHandler, *, port: int = 0) -> Iterator[str]:
    """Serve on 127.0.0.1 until the block ends, and give the address to open; `FarmError` where the port is taken."""
    key = secrets.token_urlsafe(24)
    try:
        server = _Server(handle_path, key, port)
    except OSError as error:
        raise FarmError(f"port {port} cannot be used ({error.strerror}); choose another") from error
    thread = threading.Thread(target=partial(server.serve_forever, 0.1), name="ocrfarm-site", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/?key={key}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    """Ends with all its connections: browsers keep them open, and nobody is to wait for that."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handle_path: PathHandler, key: str, port: int) -> None:
        self._connections: set[Any] = set()
        super().__init__(("127.0.0.1", port), partial(_RequestHandler, handle_path, key))

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Remember the connection."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Forget the connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Take no more connections, and end those that are open."""
        super().server_close()
        for connection in tuple(self._connections):
            with suppress(OSError):  # the other side was faster
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Note what went wrong; a browser that went away is no news."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            _log.exception("a request of %s was not answered", client_address)


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ocrfarm", ""
    timeout = _IDLE_TIMEOUT
    server: _Server

    def __init__(self, handle_path: PathHandler, key: str, *arguments: object) -> None:
        self._handle_path, self._key = handle_path, key
        super().__init__(*arguments)  # type: ignore[arg-type]  # as the server calls it

    def do_GET(self) -> None:
        """Answer."""
        self._send(self._reply())

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def _reply(self) -> Reply:
        address = urlsplit(self.path)
        if (
            self.headers.get("Host", "").partition(":")[0] not in _ALLOWED_HOSTS
        ):  # any port: a tunnel has one of its own
            return reply_with_text("This address is not mine.", HTTPStatus.MISDIRECTED_REQUEST)
        if not self._has_key():
            if self._is_key("".join(parse_qs(address.query).get("key", []))):
                return Reply(b"", status=HTTPStatus.SEE_OTHER)
            return reply_with_text("Open the address that ocrfarm printed: it holds the key.", HTTPStatus.FORBIDDEN)
        try:
            return self._handle_path(unquote(address.path)) or reply_with_text(
                "There is nothing here.", HTTPStatus.NOT_FOUND
            )
        except OcrfarmError as error:
            return reply_with_text(f"{type(error).__name__}: {error}", HTTPStatus.CONFLICT)

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
        """Name the cookie, with the port: a browser has one jar for all servers of a machine."""
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
