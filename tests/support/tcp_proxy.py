"""A proxy between clients and a server that a test can stall (nothing passes, silently) or cut (connections break)."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, create_connection, socket

_CHUNK = 1 << 16
_POLL_INTERVAL = 0.05


class TcpProxy:
    """The state of the proxy: whether bytes pass, and whether connections are accepted."""

    def __init__(self) -> None:
        self.port = 0
        self._is_flowing, self._is_accepting = threading.Event(), threading.Event()
        self._sockets: set[socket] = set()
        self.restore()

    def begin_stall(self) -> None:
        """Hold everything back, as a network that loses all packets does, until `restore`."""
        self._is_flowing.clear()

    def begin_cut(self) -> None:
        """Break all connections, and every new one, until `restore`."""
        self._is_accepting.clear()
        self.close_connections()

    def stall(self, seconds: float) -> None:
        """Hold everything back for so long; then let it go on."""
        self.begin_stall()
        time.sleep(seconds)
        self._is_flowing.set()

    def cut(self, seconds: float) -> None:
        """Break all connections, and every new one for so long."""
        self.begin_cut()
        time.sleep(seconds)
        self._is_accepting.set()

    def restore(self) -> None:
        """Let everything pass."""
        self._is_flowing.set()
        self._is_accepting.set()

    def close_connections(self) -> None:
        """Break the connections that there are."""
        for end in list(self._sockets):
            with suppress(OSError):
                end.shutdown(SHUT_RDWR)

    def relay(self, client: socket, target: tuple[str, int]) -> None:
        """Copy bytes both ways until one side closes."""
        if not self._is_accepting.is_set():
            return
        with suppress(OSError), create_connection(target) as server:
            self._sockets |= {client, server}
            back = threading.Thread(target=self._copy_bytes, args=(server, client))
            back.start()
            self._copy_bytes(client, server)
            back.join()
            self._sockets -= {client, server}

    def _copy_bytes(self, source: socket, sink: socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._is_flowing.wait()
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(SHUT_RDWR)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


@contextmanager
def run_tcp_proxy(port: int, *, host: str = "127.0.0.1") -> Iterator[TcpProxy]:
    """Run a proxy to a port of this machine; it listens at `host`, on a port of its own."""
    proxy = TcpProxy()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            proxy.relay(self.request, ("127.0.0.1", port))

    with _Server((host, 0), Handler) as server:
        proxy.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": _POLL_INTERVAL})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
            proxy.restore()
            proxy.close_connections()
