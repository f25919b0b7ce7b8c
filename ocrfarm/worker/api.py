"""The HTTP API, on this host only unless told otherwise."""

import logging
import socket
from contextlib import closing
from types import FrameType

from ocrfarm.errors import FarmError, MissingPackage
from ocrfarm.settings import Settings

PORT = 8700

_SHUTDOWN_TIMEOUT = 5
"""What open requests get to end."""

_MAX_CONNECTIONS = 500
"""At the same time; more are told 503."""


def serve(settings: Settings, *, address: str, port: int) -> int:
    """Serve until told to stop; `FarmError` where nothing can listen there, `MissingPackage` without its packages."""
    try:
        import uvicorn

        from ocrfarm.server.app import create_app
    except ImportError as error:
        raise MissingPackage(f"the HTTP API needs more ({error}): pip install 'ocrfarm[api]'") from error
    api = create_app(settings)
    config = uvicorn.Config(
        api,
        log_config=None,
        access_log=False,  # names of jobs and owners are nobody's business
        server_header=False,
        proxy_headers=False,  # nothing here asks who the client is
        timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT,
        limit_concurrency=_MAX_CONNECTIONS,
    )
    server = uvicorn.Server(config)
    stop = server.handle_exit

    def handle_exit(sig: int, frame: FrameType | None) -> None:
        """Let streams end first, so that nothing has to be cut."""
        api.state.server.shutdown.set()
        stop(sig, frame)

    server.handle_exit = handle_exit  # type: ignore[method-assign]
    with closing(_listen(address, port)) as listener:
        logging.getLogger(__name__).info("the HTTP API listens at http://%s:%s", *listener.getsockname()[:2])
        server.run([listener])
    return 0


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family, backlog=256)
    except OSError as error:
        raise FarmError(f"{address}:{port} cannot be listened on ({error.strerror}); choose another --port") from error
    # asyncio does this for sockets that it makes itself; without it each answer waits 40 ms for a receipt.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
