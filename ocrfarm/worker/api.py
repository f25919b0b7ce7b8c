"""`ocrfarm worker api`: serves the HTTP API, on the loopback address unless another is given."""

import logging
import socket
from contextlib import closing
from types import FrameType
from typing import TYPE_CHECKING

from ocrfarm.errors import FarmError, MissingPackage
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from uvicorn import Server

PORT = 8700

_SHUTDOWN_TIMEOUT = 5
"""Seconds that open requests get to end."""

_MAX_CONNECTIONS = 500
"""Open connections beyond which requests are answered with status 503."""


def serve(settings: Settings, *, address: str, port: int) -> int:
    """Serve until a signal stops the server.

    Args:
        settings: The farm's settings.
        address: The address to listen at.
        port: The TCP port; 0 lets the system choose one.

    Returns:
        The exit code, 0.

    Raises:
        FarmError: The address and port cannot be listened at.
        MissingPackage: The packages of `ocrfarm[api]` are not installed.
    """
    server = _make_server(settings)
    with closing(_listen(address, port)) as listener:
        logging.getLogger(__name__).info("the HTTP API listens at http://%s:%s", *listener.getsockname()[:2])
        server.run([listener])
    return 0


def _make_server(settings: Settings) -> "Server":
    try:
        import uvicorn

        from ocrfarm.server.app import create_app
    except ImportError as error:
        raise MissingPackage(f"the HTTP API needs more packages ({error}): pip install 'ocrfarm[api]'") from error
    api = create_app(settings)
    config = uvicorn.Config(
        api,
        log_config=None,
        access_log=False,  # a log must not hold the names of jobs and owners
        server_header=False,
        proxy_headers=False,  # the client's address is not used
        timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT,
        limit_concurrency=_MAX_CONNECTIONS,
    )
    server = uvicorn.Server(config)
    stop = server.handle_exit

    def handle_exit(sig: int, frame: FrameType | None) -> None:
        """End event streams first, so that none has to be cut."""
        api.state.server.shutdown.set()
        stop(sig, frame)

    server.handle_exit = handle_exit  # type: ignore[method-assign]
    return server


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family, backlog=256)
    except OSError as error:
        raise FarmError(f"cannot listen at {address}:{port} ({error.strerror}); choose another --port") from error
    # asyncio sets this for sockets that it makes itself; without it each reply waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
