"""The server process of the HTTP API: uvicorn with limits on connections and an orderly end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from ocrfarm.server.app import create_app
from ocrfarm.server.connections import ACCEPT_BACKLOG, ConnectionTable, make_protocol, raise_file_limit
from ocrfarm.server.dependencies import ServerState
from ocrfarm.settings import Settings

_SHUTDOWN_TIMEOUT = 20
"""Seconds that running requests get to end: less than the 30 that Kubernetes waits before it kills a container."""

_MAX_HEAD_BYTES = 32_768
"""Bytes of a request's head. A profile of one's own may be a query parameter."""


class ApiServer(uvicorn.Server):
    """Ends with exit code 0 after SIGTERM or SIGINT, when the running requests have ended."""

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        """Open nothing yet.

        Args:
            config: How uvicorn serves.
            state: What the routes share.
        """
        super().__init__(config)
        self._state = state

    def serve_metrics(self, address: str, port: int) -> None:
        """Serve the metrics in a thread; raise `FarmError` if the port is taken.

        Args:
            address: The address to listen at.
            port: The TCP port.
        """
        self._state.metrics.serve(address, port)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals within the block. uvicorn's own method would raise them again, which ends the process."""
        handlers = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End event streams first, so that none has to be cut.

        Args:
            sig: The signal.
            frame: Where it interrupted the program.
        """
        self._state.shutdown.set()
        super().handle_exit(sig, frame)


def make_server(settings: Settings) -> ApiServer:
    """Return a server that contacts the farm when it runs.

    Raises:
        SettingsError: There are no API keys, or the broker or the store is not set.
    """
    app = create_app(settings)
    limits = settings.api
    table = ConnectionTable(raise_file_limit(limits.api_max_connections), limits.api_header_timeout)
    app.state.server.metrics.add_connections(table)
    config = uvicorn.Config(
        app,
        http=make_protocol(table),
        ws="none",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the client's address is not used
        backlog=ACCEPT_BACKLOG,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT,
    )
    return ApiServer(config, app.state.server)
