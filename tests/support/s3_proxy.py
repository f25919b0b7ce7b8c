"""An HTTP proxy before a store that is slow, answers with errors or wrongly, ignores conditions or has another time."""

import hashlib
import http.client
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_ERROR = b"<Error><Code>InternalError</Code><Message>as told</Message></Error>"
_FULL = b"<Error><Code>InsufficientStorage</Code><Message>as told</Message></Error>"

_HTML = b"<!DOCTYPE html><html><body><h1>It works!</h1></body></html>"

_Answer = tuple[int, list[tuple[str, str]], bytes, str]
"""Status, headers, body, and the length that the store gave."""

ANSWERED_BY_PROXY: dict[str, tuple[int, bytes]] = {
    "500": (500, _ERROR),
    "507": (507, _FULL),
    "503": (503, b"<Error><Code>SlowDown</Code><Message>as told</Message></Error>"),
    "403": (403, b"<Error><Code>AccessDenied</Code><Message>as told</Message></Error>"),
    "404": (404, b"<Error><Code>NoSuchKey</Code><Message>as told</Message></Error>"),
    "404 of a proxy": (404, _HTML),
    "HTML with 200": (200, _HTML),
    "empty with 200": (200, b""),
}
"""Faults that the store does not hear of: name, status and body."""

CHANGED_BY_PROXY = ("truncated", "truncated, no ETag", "wrong body, right headers", "another object's answer")
"""Faults of the answer alone: what was asked for is done."""

BROKEN_BY_PROXY = ("hang up", "timeout", "cut body")
"""Faults of the connection: before the store hears of the request, before the answer, and in the middle of it."""

FAULT_KINDS = (*list(ANSWERED_BY_PROXY)[2:], *CHANGED_BY_PROXY, *BROKEN_BY_PROXY)
"""Everything that an `AimedFault` can do to a request."""


@dataclass
class AimedFault:
    """A fault of one request, of some, or of all during some seconds.

    `kind`: one of `FAULT_KINDS`. `number`: the request at which it begins; the first one is 1. `repeats`: how many
    requests fail, counting only those that repeat the first one. `seconds`: instead, all requests fail for so long.
    `methods` and `path`: which requests are counted; the path need only contain it. `hits`: what was hit.
    """

    kind: str
    number: int = 1
    repeats: int = 1
    seconds: float = 0.0
    methods: str = "GET PUT POST DELETE"
    path: str = ""
    hits: list[str] = field(default_factory=list)
    seen: int = 0
    _until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def strikes(self, method: str, path: str) -> bool:
        """Count a request, and say whether it fails."""
        name = f"{method} {path}"
        with self._lock:
            if method not in self.methods or self.path not in path:
                return False
            self.seen += 1
            if self.seen == self.number:
                self._until = time.monotonic() + self.seconds
            elif self.seen < self.number or not self._goes_on(name):
                return False
            self.hits.append(name)
            return True

    def _goes_on(self, name: str) -> bool:
        if self.seconds:
            return time.monotonic() < self._until
        return len(self.hits) < self.repeats and name == self.hits[0]


class S3Faults:
    """How the store seems just now: slow by so many seconds, failing at every n-th request, full.

    clock_skew: seconds by which its clock is ahead. overwrite: writes an object (its path and bytes) as a store does
    that knows no conditions. aimed: a fault of certain requests. stall_seconds: how long a request hangs that meets a
    timeout. last_answers: by method, the last path that was asked for and its answer.
    """

    def __init__(self) -> None:
        self.delay, self.error_every, self.request_count, self.is_full = 0.0, 0, itertools.count(1), False
        self.clock_skew = 0.0
        self.aimed: AimedFault | None = None
        self.stall_seconds = 1.5
        self.last_answers: dict[str, tuple[str, _Answer]] = {}
        self.overwrite: Callable[[str, bytes], None] | None = None

    def choose_kind(self, method: str, path: str) -> str:
        """Count a request and give the fault that it meets, if any."""
        if self.error_every and next(self.request_count) % self.error_every == 0:
            return "500"
        if self.is_full and method == "PUT":
            return "507"
        return self.aimed.kind if self.aimed and self.aimed.strikes(method, path) else ""


_CONNECTION_HEADERS = ("content-length", "connection", "transfer-encoding", "keep-alive")
"""Headers that belong to one connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target = ""
    faults = S3Faults()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(self.faults.delay)
        kind = self.faults.choose_kind(self.command, self.path)
        if self.faults.overwrite and "If-None-Match" in self.headers:
            self.faults.overwrite(self.path, body)
            self._answer(200, [("ETag", f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')], b"")
        elif kind in ANSWERED_BY_PROXY:
            status, told = ANSWERED_BY_PROXY[kind]
            self._answer(status, [("Content-Type", "text/html" if told == _HTML else "application/xml")], told)
        elif kind == "hang up":
            self.close_connection = True
        else:
            self._pass_on(body, kind)

    def _pass_on(self, body: bytes, kind: str) -> None:
        connection = http.client.HTTPConnection(self.target, timeout=30)
        try:
            answer = self._request(connection, body)
            if kind in BROKEN_BY_PROXY:
                self._break_off(kind, answer)
            elif kind:
                self._answer(*_change(kind, answer, self.faults.last_answers.get(self.command), self.path))
            else:
                self.faults.last_answers[self.command] = self.path, answer
                self._answer(*answer)
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # as the store itself when it is away
        finally:
            connection.close()

    def _break_off(self, kind: str, answer: _Answer) -> None:
        if kind == "timeout":
            time.sleep(self.faults.stall_seconds)
        else:
            half = max(len(answer[2]) // 2, 1)
            self._answer(answer[0], answer[1], answer[2][:half], str(len(answer[2]) + 1))
        self.close_connection = True

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
        is_longer = length and int(length) > len(body)
        self.send_header("Content-Length", length if is_longer else str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _change(kind: str, answer: _Answer, other: tuple[str, _Answer] | None, path: str) -> _Answer:
    """Give the answer that a client sees instead."""
    status, headers, body, _ = answer
    half = body[: len(body) // 2]
    if kind == "truncated":
        return status, headers, half, ""
    if kind == "wrong body, right headers":
        return status, headers, _HTML, ""
    if kind == "another object's answer" and other and other[0] != path:
        return other[1]
    return status, [pair for pair in headers if not pair[0].lower().startswith(("etag", "x-amz"))], half, ""


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
