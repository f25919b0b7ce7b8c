"""Flower, on this host only and without buttons: the view of workers and tasks."""

import importlib

from ocrfarm.farm.app import make_app
from ocrfarm.settings import Settings


def serve(settings: Settings, *, port: int) -> int:
    """Serve the dashboard until told to stop."""
    app = make_app(settings)
    importlib.import_module("flower.command")
    app.start(["flower", "--address=127.0.0.1", f"--port={port}", "--read-only=True"])
    return 0
