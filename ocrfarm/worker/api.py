"""`ocrfarm worker api`: serves the HTTP API, on the loopback address unless another is given."""

import logging
import socket
from contextlib import closing

from ocrfarm.errors import FarmError, MissingPackage
from ocrfarm.settings import Settings

PORT = 8700


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
    try:
        from ocrfarm.server.runner import make_server
    except ImportError as error:
        raise MissingPackage(f"the HTTP API needs more packages ({error}): pip install 'ocrfarm[api]'") from error
    server = make_server(settings)
    with closing(_listen(address, port)) as listener:
        logging.getLogger(__name__).info("the HTTP API listens at http://%s:%s", *listener.getsockname()[:2])
        if settings.api.api_metrics_port:
            server.serve_metrics(address, settings.api.api_metrics_port)
        server.run([listener])
    return 0


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family, backlog=256)
    except OSError as error:
        raise FarmError(f"cannot listen at {address}:{port} ({error.strerror}); choose another --port") from error
    # asyncio sets this for sockets that it makes itself; without it each reply waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
