"""An HTTP proxy before a store that is slow, answers with errors, ignores conditions or has another time."""

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_ERROR = b"<Error><Code>InternalError</Code><Message>as told</Message></Error>"
_FULL = b"<Error><Code>InsufficientStorage</Code><Message>as told</Message></Error>"

_Answer = tuple[int, list[tuple[str, str]], bytes, str]
"""Status, headers, body, and the length that the store gave."""


class S3Faults:
    """How the store seems just now: slow by so many seconds, failing at every n-th request, full.

    clock: seconds by which its clock is ahead. overwrite: writes an object (its path and bytes) as a store does that
    knows no conditions.
    """

    def __init__(self) -> None:
        self.delay, self.error_every, self.request_count, self.is_full = 0.0, 0, itertools.count(1), False
        self.clock_skew = 0.0
        self.overwrite: Callable[[str, bytes], None] | None = None

    def should_fail(self) -> bool:
        """Say whether this request is one that fails."""
        return bool(self.error_every) and next(self.request_count) % self.error_every == 0


_CONNECTION_HEADERS = ("content-length", "connection", "transfer-encoding", "keep-alive")
"""Headers that belong to one connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target = ""
    faults = S3Faults()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(self.faults.delay)
        if self.faults.should_fail():
            self._answer(500, [], _ERROR)
            return
        if self.faults.is_full and self.command == "PUT":
            self._answer(507, [], _FULL)
            return
        if self.faults.overwrite and "If-None-Match" in self.headers:
            self.faults.overwrite(self.path, body)
            self._answer(200, [], b"")
            return
        connection = http.client.HTTPConnection(self.target, timeout=30)
        try:
            self._answer(*self._request(connection, body))
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # as the store itself when it is away
        finally:
            connection.close()

    def _request(self, connection: http.client.HTTPConnection, body: bytes) -> _Answer:
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        headers = [pair for pair in response.getheaders() if pair[0].lower() not in _CONNECTION_HEADERS]
        if self.faults.clock_skew:
            date = ("Date", formatdate(time.time() + self.faults.clock_skew, usegmt=True))
            headers = [date, *(pair for pair in headers if pair[0] != "Date")]
        return response.status, headers, response.read(), response.getheader("Content-Length", "0")

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, length: str = "") -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that were killed."""


@contextmanager
def run_faulty_s3_proxy(endpoint: str) -> Iterator[tuple[str, S3Faults]]:
    """Pass requests on to the endpoint as they are (their signatures stay good); give its URL and its faults."""
    faults = S3Faults()
    handler = type("Handler", (_Handler,), {"target": urlsplit(endpoint).netloc, "faults": faults})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", faults
        finally:
            server.shutdown()
            thread.join()
