"""Limits on connections, which need no key: a time for each request's head, and a number of open connections.

A connection is *idle* until the head of a request is complete, and again after the response. Clients that open
connections and send nothing, or a byte now and then, hold only idle connections (the Slowloris attack,
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

_BUSY_RESPONSE = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_TIMEOUT_RESPONSE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


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
        """Record that a connection has no request in progress."""
        self._idle.setdefault(connection.address, OrderedDict())[connection] = None

    def set_active(self, connection: "LimitedProtocol") -> None:
        """Record that the head of a request is complete."""
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


class LimitedProtocol(H11Protocol):
    """A connection that is closed if it is idle for too long, or if its client does not read the response.

    Attributes:
        table: The connections of the server.
        address: The client's address.
    """

    table: ClassVar[ConnectionTable]
    address = ""
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
        for timer in (self._head_timer, self._write_timer):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handle what has arrived, and stop the clock if the head of a request is complete."""
        super().handle_events()
        if self._head_timer and self.cycle and not self.cycle.response_complete:
            self._head_timer.cancel()
            self._head_timer = None
            self.table.set_active(self)

    def on_response_complete(self) -> None:
        """Start the clock for the next request."""
        self._start_idling()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Start the clock for a client that does not read."""
        self._write_timer = self.loop.call_later(_WRITE_TIMEOUT, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Stop the clock for a client that reads again."""
        if self._write_timer:
            self._write_timer.cancel()
            self._write_timer = None
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
