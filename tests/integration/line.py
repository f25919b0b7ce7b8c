"""A line between clients and a server that a test can stall (nothing passes, nobody is told) or cut (all are told)."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, create_connection, socket

_CHUNK = 1 << 16
_LOOK_SECONDS = 0.05


class Line:
    """How the line is just now; `flows` is set while bytes pass, `whole` while connections are taken."""

    def __init__(self) -> None:
        self.port = 0
        self._flows, self._whole = threading.Event(), threading.Event()
        self._ends: set[socket] = set()
        self.mend()

    def stall(self, seconds: float) -> None:
        """Hold everything back for so long, as a network that loses all packets does; then let it go on."""
        self._flows.clear()
        time.sleep(seconds)
        self._flows.set()

    def cut(self, seconds: float) -> None:
        """Break all connections, and every new one for so long."""
        self._whole.clear()
        self.hang_up()
        time.sleep(seconds)
        self._whole.set()

    def mend(self) -> None:
        """Let everything pass."""
        self._flows.set()
        self._whole.set()

    def hang_up(self) -> None:
        """Break the connections that there are."""
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(SHUT_RDWR)

    def carry(self, client: socket, target: tuple[str, int]) -> None:
        """Carry bytes both ways until one side has had enough."""
        if not self._whole.is_set():
            return
        with suppress(OSError), create_connection(target) as server:
            self._ends |= {client, server}
            back = threading.Thread(target=self._pump, args=(server, client))
            back.start()
            self._pump(client, server)
            back.join()
            self._ends -= {client, server}

    def _pump(self, source: socket, sink: socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flows.wait()
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(SHUT_RDWR)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


@contextmanager
def line_to(port: int, *, host: str = "127.0.0.1") -> Iterator[Line]:
    """Lay a line to a port of this machine; it can be reached at `host`, on the line's own port."""
    line = Line()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            line.carry(self.request, ("127.0.0.1", port))

    with _Server((host, 0), Handler) as server:
        line.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": _LOOK_SECONDS})
        thread.start()
        try:
            yield line
        finally:
            server.shutdown()
            thread.join()
            line.mend()
            line.hang_up()
