"""Clients that hold the HTTP API's connections, each kind in its own way: `python -m tests.support.hostile_clients`.

They run in a process of their own, so that they do not slow down whoever measures the server. The process prints a
line when every client has connected and sent what it begins with, and ends when its standard input is closed.
"""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from ocrfarm.server.connections import raise_file_limit
from tests.support.source_tree import ROOT

_DRIP_INTERVAL = 0.5
"""Seconds between two bytes of a slow client."""

_PAUSE = 1.0
"""Seconds between two requests of a client that sends whole ones."""

_KEY = "Authorization: Bearer {key}\r\n"
_HEAD = "{method} {path} HTTP/1.1\r\nHost: a\r\n"

_OPEN = _HEAD.format(method="GET", path="/openapi.json")
_POST = _HEAD.format(method="POST", path="/v1/jobs")
_LIST = _HEAD.format(method="GET", path="/v1/jobs")

_TINY_CHUNKS = b"1\r\nx\r\n" * 40_000

_ESTABLISHED = 1
"""The state of an open TCP connection, as Linux numbers it."""

Writer = asyncio.StreamWriter
Reader = asyncio.StreamReader
Behaviour = Callable[[Reader, Writer], Awaitable[None]]


async def _wait(reader: Reader, writer: Writer) -> None:
    await asyncio.sleep(3600)


async def _drip(reader: Reader, writer: Writer) -> None:
    while True:
        await asyncio.sleep(_DRIP_INTERVAL)
        writer.write(b"x")


async def _drip_chunks(reader: Reader, writer: Writer) -> None:
    while True:
        await asyncio.sleep(_DRIP_INTERVAL)
        writer.write(b"1\r\nx\r\n")


async def _flood_chunks(reader: Reader, writer: Writer) -> None:
    while True:
        writer.write(_TINY_CHUNKS)
        await writer.drain()


async def _read_slowly(reader: Reader, writer: Writer) -> None:
    while await reader.read(1):
        await asyncio.sleep(_DRIP_INTERVAL)


def _ask(request: str) -> Behaviour:
    async def ask(reader: Reader, writer: Writer) -> None:
        while True:
            await asyncio.sleep(_PAUSE)
            writer.write(request.encode())
            await reader.read(1 << 16)

    return ask


KINDS: dict[str, tuple[str, Behaviour]] = {
    "no byte": ("", _wait),
    "slow head": (f"{_OPEN}X-Slow: ", _drip),
    "slow body": (f"{_POST}{_KEY}Content-Length: 1000000\r\n\r\n", _drip),
    "slow body, no key": (f"{_POST}Content-Length: 1000000\r\n\r\n", _drip),
    "slow chunks, no key": (f"{_POST}Transfer-Encoding: chunked\r\n\r\n", _drip_chunks),
    "flood of chunks of one byte, no key": (f"{_POST}Transfer-Encoding: chunked\r\n\r\n", _flood_chunks),
    "upload stops halfway": (f"{_POST}{_KEY}Content-Length: 200000\r\n\r\n" + "x" * 100_000, _wait),
    "answers not read": (f"{_OPEN}\r\n" * 300, _wait),
    "answers read slowly": (f"{_OPEN}\r\n" * 300, _read_slowly),
    "lists not read": (f"{_LIST}{_KEY}\r\n" * 300, _wait),
    "keep-alive, a request each second": ("", _ask(f"{_LIST}\r\n")),
    "pipeline of 100 requests, no key": ("", _ask(f"{_LIST}\r\n" * 100)),
    "head of 100 kB": ("", _ask(f"{_OPEN}X-Long: {'x' * 100_000}\r\n\r\n")),
    "3,000 headers": ("", _ask(_OPEN + "a: b\r\n" * 3_000 + "\r\n")),
    "WebSocket": (f"{_LIST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", _wait),
    "HTTP/1.0": ("", _ask("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")),
    "probes": ("", _ask("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")),
}
"""Kind of client -> what it sends at once, and what it does afterwards."""


async def _run_client(port: int, kind: str, *, key: str, ready: asyncio.Semaphore) -> None:
    """Connect, behave, and connect again when the server has closed the connection."""
    first, behave = KINDS[kind]
    while True:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=sock, limit=1)
        except OSError:
            await asyncio.sleep(_DRIP_INTERVAL)
            continue
        writer.write(first.replace("{key}", key).encode())
        ready.release()
        tasks = [asyncio.ensure_future(each) for each in (behave(reader, writer), _wait_until_closed(sock))]
        _, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.transport.abort()


async def _wait_until_closed(sock: socket.socket) -> None:
    """Return when the server has closed a connection, even if there is something that was not read."""
    while sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED:
        await asyncio.sleep(_DRIP_INTERVAL)


async def _run_clients(port: int, kind: str, *, count: int, key: str) -> None:
    ready = asyncio.Semaphore(0)
    clients = [asyncio.create_task(_run_client(port, kind, key=key, ready=ready)) for _ in range(count)]
    for _ in range(count):
        await ready.acquire()
    print("ready", flush=True)  # noqa: T201 - the process that measures waits for it
    await asyncio.to_thread(sys.stdin.read)
    for client in clients:
        client.cancel()


@contextmanager
def run_hostile_clients(port: int, kind: str, *, count: int, key: str = "") -> Iterator[None]:
    """Run so many clients of a kind in another process.

    Args:
        port: The server's port on this machine.
        kind: One of `KINDS`.
        count: The number of clients.
        key: The API key that some kinds send.
    """
    command = [sys.executable, "-m", "tests.support.hostile_clients", str(port), kind, str(count), key]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def _main() -> None:
    port, kind, count, key = sys.argv[1:]
    raise_file_limit(int(count))
    with suppress(asyncio.CancelledError):
        asyncio.run(_run_clients(int(port), kind, count=int(count), key=key))


if __name__ == "__main__":
    _main()
