"""Limits on connections, which need no key: a time for each request's head, and a number of open connections.

A connection is *idle* until the head of a request is complete, and again after the response. It is *stalled* while its
client does not read the response, and counts as idle then. Clients that open connections and send nothing, or a byte
now and then, hold only idle connections (the Slowloris attack,
https://en.wikipedia.org/wiki/Slowloris_(cyber_attack)):

```
 connect --> idle --- head complete ---> active --- response complete ---> idle --> ...
              | `header_timeout` seconds                                    |
              `--> closed <--- another connection needs the place ----------'
```

While all places are taken, a new connection takes the place of the longest idle one, of the address that has the most
of them: clients at other addresses are not affected, and a request whose head arrives at once is answered even if
all idle connections come from its own address. Only if every connection is active is a new one refused, with
status 503. All operations take constant time, except that the search for an address takes time linear in the number of
addresses.

What one connection may cost before its key was checked is bounded as well. A head is read in small pieces and has a
maximum number of lines. The body is read only when the route asks for it, so the chunks of a request without a key,
each of which takes as long to parse as a kilobyte of an image, are never parsed. Requests that were sent before the
response to the previous one (pipelining) have to wait, each twice as long as the one before.
"""

import asyncio
import resource
from collections import OrderedDict
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

ACCEPT_BACKLOG = 512
"""Connections that the system accepts before the server looks at them; asyncio takes them all at once."""

_RESERVED_FILES = ACCEPT_BACKLOG + 128
"""File descriptors for connections that were just accepted, for uploads, and for the broker and the store."""

_WRITE_TIMEOUT = 60
"""Seconds for which a client may not read the response before it is cut off."""

_HEAD_READ_SIZE, _BODY_READ_SIZE = 2_048, 65_536
"""Bytes that are read at a time: what a connection sends is parsed in pieces, between which others have their turn."""

_MAX_HEAD_LINES = 128
"""Lines of a request's head: parsing a line takes as long as parsing a kilobyte of a long one. Browsers send 20."""

_PIPELINE_DELAY, _MAX_PIPELINE_DELAY = 0.05, 1.0
"""Half of the seconds that the first request of a pipeline waits, and the most seconds that any of them does."""

_END = b"Content-Length: 0\r\nConnection: close\r\n\r\n"
_BUSY_RESPONSE = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n" + _END
_TIMEOUT_RESPONSE = b"HTTP/1.1 408 Request Timeout\r\n" + _END
_TOO_MANY_LINES_RESPONSE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _END


class ConnectionTable:
    """The open connections of a server.

    Attributes:
        header_timeout: Seconds for which a connection may be idle.
        rejected: How often a connection was closed early, by reason: `timeout`, `evicted` or `refused`.
    """

    def __init__(self, max_connections: int, header_timeout: float) -> None:
        """Start without connections.

        Args:
            max_connections: Maximum number of open connections.
            header_timeout: Seconds for which a connection may be idle.
        """
        self.header_timeout = header_timeout
        self.rejected = {"timeout": 0, "evicted": 0, "refused": 0}
        self._max_connections = max_connections
        self._open: set[LimitedProtocol] = set()
        self._idle: dict[str, OrderedDict[LimitedProtocol, None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: "LimitedProtocol") -> bool:
        """Add a new connection and make room for it; return False if every other connection is active."""
        if len(self._open) >= self._max_connections and not self._evict():
            self.rejected["refused"] += 1
            return False
        self._open.add(connection)
        return True

    def set_idle(self, connection: "LimitedProtocol") -> None:
        """Record that a connection has no request in progress, or that its client does not read."""
        self._idle.setdefault(connection.address, OrderedDict())[connection] = None

    def set_active(self, connection: "LimitedProtocol") -> None:
        """Record that the head of a request is complete, or that its client reads again."""
        idle = self._idle.get(connection.address, OrderedDict())
        idle.pop(connection, None)
        if not idle:
            self._idle.pop(connection.address, None)

    def remove(self, connection: "LimitedProtocol") -> None:
        """Forget a connection that was closed."""
        self._open.discard(connection)
        self.set_active(connection)

    def _evict(self) -> bool:
        """Close the longest idle connection of the address with the most idle ones; return False if none is idle."""
        if not self._idle:
            return False
        address = max(self._idle, key=lambda each: len(self._idle[each]))
        oldest = next(iter(self._idle[address]))
        self.rejected["evicted"] += 1
        self.remove(oldest)
        oldest.transport.abort()
        return True


_READ_BUFFER = memoryview(bytearray(_BODY_READ_SIZE))
"""All connections share it, since what was read is handled before anything else is."""


class PiecewiseProtocol(H11Protocol, asyncio.BufferedProtocol):
    """A connection that reads the head of a request in small pieces, and its body in larger ones."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes are to be put; the size that is asked for is ignored."""
        return _READ_BUFFER[: _BODY_READ_SIZE if self.cycle and not self.cycle.response_complete else _HEAD_READ_SIZE]

    def buffer_updated(self, nbytes: int) -> None:
        """Handle bytes that were put into the buffer."""
        self.data_received(bytes(_READ_BUFFER[:nbytes]))


class LimitedProtocol(PiecewiseProtocol):
    """A connection that is closed if it is idle for too long, or if its client does not read the response.

    Attributes:
        table: The connections of the server.
        address: The client's address.
    """

    table: ClassVar[ConnectionTable]
    address = ""
    _pipelined = 0
    _pipeline_timer: asyncio.TimerHandle | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for the connection, or refuse it."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if self.table.add(self):
            self._start_idling()
        else:
            transport.write(_BUSY_RESPONSE)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.table.remove(self)
        for timer in (self._head_timer, self._write_timer, self._pipeline_timer):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handle what has arrived, and stop the clock if the head of a request is complete."""
        if self._pipeline_timer:
            return
        if self.conn.their_state is h11.IDLE and _count_lines(self.conn.trailing_data[0]) > _MAX_HEAD_LINES:
            self.transport.write(_TOO_MANY_LINES_RESPONSE)
            self.transport.close()
            return
        super().handle_events()
        if self._head_timer and self.cycle and not self.cycle.response_complete:
            self._head_timer.cancel()
            self._head_timer = None
            self.table.set_active(self)
            if self.conn.their_state is h11.SEND_BODY:
                self.flow.pause_reading()  # until the route asks for the body

    def on_response_complete(self) -> None:
        """Start the clock for the next request; after one whose chunks were not read, none may follow."""
        is_last = self.conn.their_state is h11.SEND_BODY and b"transfer-encoding" in dict(self.headers)
        if is_last:
            self.transport.write_eof()
        self._start_idling()
        self._pipelined = self._pipelined + 1 if self.conn.trailing_data[0] else 0
        if self._pipelined:
            delay = min(_PIPELINE_DELAY * 2 ** min(self._pipelined, 10), _MAX_PIPELINE_DELAY)
            self._pipeline_timer = self.loop.call_later(delay, self._continue_pipeline)
        super().on_response_complete()
        if is_last or self._pipeline_timer:
            self.flow.pause_reading()

    def _continue_pipeline(self) -> None:
        self._pipeline_timer = None
        self.flow.resume_reading()
        if not self.transport.is_closing():
            self.handle_events()

    def pause_writing(self) -> None:
        """Start the clock for a client that does not read."""
        self._write_timer = self.loop.call_later(_WRITE_TIMEOUT, self.transport.abort)
        self.table.set_idle(self)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Stop the clock for a client that reads again."""
        if self._write_timer:
            self._write_timer.cancel()
            self._write_timer = None
        if not self._head_timer:
            self.table.set_active(self)
        super().resume_writing()

    def _start_idling(self) -> None:
        if not self._head_timer:
            self.table.set_idle(self)
            self._head_timer = self.loop.call_later(self.table.header_timeout, self._end_idling)

    def _end_idling(self) -> None:
        self.table.rejected["timeout"] += 1
        has_begun = self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]
        if has_begun and not self.transport.is_closing():
            self.transport.write(_TIMEOUT_RESPONSE)
        if self.transport.get_write_buffer_size():  # the client does not read: closing would wait for it
            self.transport.abort()
        else:
            self.transport.close()


def _count_lines(head: bytes) -> int:
    r"""Return the number of lines up to the first empty one.

    >>> _count_lines(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET")
    2
    """
    return head.partition(b"\r\n\r\n")[0].count(b"\n") + 1


def make_protocol(table: ConnectionTable) -> type[asyncio.Protocol]:
    """Return the protocol class for `uvicorn.Config` whose connections are counted in a table."""
    return type("Protocol", (LimitedProtocol,), {"table": table})


def raise_file_limit(max_connections: int) -> int:
    """Raise this process's limit of open files as far as it may, and return how many connections it allows.

    Args:
        max_connections: The most that is returned.
    """
    wanted = max_connections + _RESERVED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max_connections if soft == resource.RLIM_INFINITY else max(1, min(max_connections, soft - _RESERVED_FILES))
