"""The HTTP API, on this host only unless told otherwise."""

import importlib
import logging
import socket
from contextlib import closing

from ocrfarm.errors import FarmError, MissingPackage
from ocrfarm.settings import Settings

PORT = 8700

_LEAVE_SECONDS = 5
"""What open requests get to end."""

_CONNECTIONS = 500
"""At the same time; more are told 503."""


def serve(settings: Settings, *, address: str, port: int) -> int:
    """Serve until told to stop; `FarmError` where nothing can listen there, `MissingPackage` without its packages."""
    try:
        uvicorn, app = importlib.import_module("uvicorn"), importlib.import_module("ocrfarm.api.app")
    except ImportError as error:
        raise MissingPackage(f"the HTTP API needs more ({error}): pip install 'ocrfarm[api]'") from error
    api = app.make_api(settings)
    config = uvicorn.Config(
        api,
        log_config=None,
        access_log=False,  # names of jobs and owners are nobody's business
        server_header=False,
        proxy_headers=False,  # nothing here asks who the client is
        timeout_graceful_shutdown=_LEAVE_SECONDS,
        limit_concurrency=_CONNECTIONS,
    )
    server, leave = uvicorn.Server(config), api.state.desk.leaving.set
    known = server.handle_exit
    server.handle_exit = lambda *signal: (leave(), known(*signal))  # streams end first, and nothing has to be cut
    with closing(_listen(address, port)) as place:
        logging.getLogger(__name__).info("the HTTP API listens at http://%s:%s", *place.getsockname()[:2])
        server.run([place])
    return 0


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        place = socket.create_server((address, port), family=family, backlog=256)
    except OSError as error:
        raise FarmError(f"{address}:{port} cannot be listened on ({error.strerror}); choose another --port") from error
    # asyncio does this for sockets that it makes itself; without it each answer waits 40 ms for a receipt.
    place.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return place
