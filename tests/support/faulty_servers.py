"""Servers between a client and its server, or in place of it, that do what a sound one does not."""

import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, create_connection, socket
from urllib.parse import urlsplit


@contextmanager
def corrupting_proxy(endpoint: str, old: bytes, new: bytes, *, upwards: bool = False) -> Iterator[str]:
    """Pass everything on to the endpoint and back, but write `new` for `old` in one direction; gives its own URL."""
    target = (urlsplit(endpoint).hostname, urlsplit(endpoint).port)
    damage, nothing = (old, new), (b"", b"")
    ends: list[socket] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with create_connection(target) as server:
                ends.extend((self.request, server))
                downwards = (server, self.request, *(nothing if upwards else damage))
                back = threading.Thread(target=_copy_bytes, args=downwards)
                back.start()
                _copy_bytes(self.request, server, *(damage if upwards else nothing))
                back.join()

    with _serve_in_thread(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as url:
        yield url
        _close_sockets(ends)  # the client would keep its connections


@contextmanager
def run_scripted_server(answers: list[tuple[int, str]], *, body: str = "", missing: int = 0) -> Iterator[str]:
    """Answer each request with the next status and S3 error code (the last one for ever), and give the server's URL.

    Without a code the answer is `body`; it promises `missing` more bytes, and hangs up after a second without them.
    """
    left = iter(answers[:-1])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, code = next(left, answers[-1])
            told = f"<Error><Code>{code}</Code><Message>as told</Message></Error>" if code else body
            self.send_response(status)
            self.send_header("Content-Length", str(len(told) + missing))
            self.send_header("Connection", "close")
            if status < 300:
                self.send_header("ETag", '"none"')
            self.end_headers()
            self.wfile.write(told.encode())
            time.sleep(1 if missing else 0)

        do_GET = do_PUT = do_POST = _answer

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _serve_in_thread(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield url


@contextmanager
def _serve_in_thread(server: socketserver.TCPServer) -> Iterator[str]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _copy_bytes(source: socket, sink: socket, old: bytes, new: bytes) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 20):
            sink.sendall(data.replace(old, new) if old else data)
    _close_sockets([source, sink])


def _close_sockets(ends: list[socket]) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(SHUT_RDWR)


@contextmanager
def run_tls_proxy(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """Speak TLS to clients and plain text to a server on this host; gives the port for clients."""
    ends: list[socket] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                create_connection(("127.0.0.1", port)) as server,
                context.wrap_socket(self.request, server_side=True) as client,
            ):
                ends.extend((client, server))
                back = threading.Thread(target=_copy_bytes, args=(server, client, b"", b""))
                back.start()
                _copy_bytes(client, server, b"", b"")
                back.join()

    with _serve_in_thread(_QuietServer(("127.0.0.1", 0), Handler)) as url:
        yield urlsplit(url).port or 0
        _close_sockets(ends)


class _QuietServer(socketserver.ThreadingTCPServer):
    """A client that goes away is no news."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""
