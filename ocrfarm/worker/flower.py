"""Flower, on this host only unless told otherwise, behind a password and without buttons: workers and tasks."""

import os
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from ocrfarm.errors import SettingsError
from ocrfarm.farm.celery_app import make_app
from ocrfarm.settings import Settings

USER, PORT = "ocrfarm", 5555
CONFIG = Path(__file__).with_name("flowerconfig.py")


def serve(settings: Settings, *, address: str, port: int) -> int:
    """Serve the dashboard until told to stop; `SettingsError` without a password."""
    password = settings.security.flower_password
    if not password or "," in password:  # a comma would begin another user
        raise SettingsError("Flower needs a password without commas: set OCRFARM_FLOWER_PASSWORD; its user is ocrfarm")
    os.environ["FLOWER_BASIC_AUTH"] = f"{USER}:{password}"  # not an argument: every user of the host sees those
    app = make_app(settings)
    app.conf.broker_use_ssl = _tls(app.conf.broker_url)
    import flower.command  # noqa: F401 - gives the app its command

    app.start(["flower", f"--conf={CONFIG}", f"--address={address}", f"--port={port}"])
    return 0


def _tls(url: str) -> dict[str, str] | None:
    """Give what the URL says of TLS, which Flower does not read from there when it counts messages."""
    parts = urlsplit(url)
    return dict(parse_qsl(parts.query)) if parts.scheme == "rediss" else None
