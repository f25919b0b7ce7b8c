"""`ocrfarm worker flower`: workers and tasks in the browser, read-only, behind a password, on the loopback address."""

import os
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from ocrfarm.errors import SettingsError
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.keys import Keys
from ocrfarm.settings import Settings

USER, PORT = "ocrfarm", 5555
CONFIG = Path(__file__).with_name("flowerconfig.py")


def serve(settings: Settings, *, address: str, port: int) -> int:
    """Serve the dashboard until a signal stops it.

    Args:
        settings: The farm's settings, with Flower's password.
        address: The address to listen at.
        port: The TCP port.

    Returns:
        The exit code, 0.

    Raises:
        SettingsError: The password is missing or contains a comma.
    """
    password = settings.security.flower_password
    if not password or "," in password:  # Flower separates users by commas
        raise SettingsError("Flower needs a password without commas: set OCRFARM_FLOWER_PASSWORD; its user is ocrfarm")
    os.environ["FLOWER_BASIC_AUTH"] = f"{USER}:{password}"  # every user of the host sees a process's arguments
    app = make_app(settings)
    app.conf.broker_transport_options |= _unacked_keys()
    app.conf.broker_use_ssl = _tls_options(app.conf.broker_url)
    import flower.command  # noqa: F401 - adds the command `flower` to Celery's

    level = settings.logging.log_level
    app.start(["flower", f"--conf={CONFIG}", f"--address={address}", f"--port={port}", f"--logging={level}"])
    return 0


def _unacked_keys() -> dict[str, str]:
    """Return keys of Flower's own for unacknowledged messages, so that its user need not reach those of workers."""
    keys, group = Keys(""), "flower"  # kombu puts the prefix before them
    return {
        "unacked_key": keys.unacked(group),
        "unacked_index_key": keys.unacked_index(group),
        "unacked_mutex_key": keys.unacked_mutex(group),
    }


def _tls_options(url: str) -> dict[str, str] | None:
    """Return the TLS options in a broker's URL, which Flower does not read when it counts messages.

    >>> _tls_options("rediss://host/0?ssl_ca_certs=/etc/ca.crt")
    {'ssl_ca_certs': '/etc/ca.crt'}
    >>> _tls_options("redis://host/0") is None
    True
    """
    parts = urlsplit(url)
    return dict(parse_qsl(parts.query)) if parts.scheme == "rediss" else None
