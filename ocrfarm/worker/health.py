"""Files that tell others how a worker is: NAME.ready, NAME.alive, NAME.PID.loaded, NAME.broken."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps
from celery.signals import worker_ready
from celery.worker import WorkController

from ocrfarm.errors import OcrfarmError
from ocrfarm.storage.atomic import atomic_write

HEARTBEAT_INTERVAL = 5.0
"""A heartbeat stops while the broker is away, so who watches it must allow for the longest outage of the broker."""


def make_heartbeat(folder: str, name: str) -> Callable[[], None]:
    """Make the folder, where one is named, and give what touches NAME.alive in it."""
    if not folder:
        return lambda: None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return (Path(folder) / f"{name}.alive").touch


def install_health_files(app: Celery, folder: str, *, name: str) -> None:
    """Let the worker of this app write NAME.ready once it consumes, and touch NAME.alive from then on."""
    if not folder:
        return
    beat = make_heartbeat(folder, name)
    worker_ready.connect(lambda **_: (Path(folder) / f"{name}.ready").touch(), weak=False)

    class Heartbeat(bootsteps.StartStopStep):
        """Touches a file from the worker's own timer."""

        requires = ("celery.worker.components:Timer",)

        def start(self, parent: WorkController) -> None:
            beat()
            timer: Any = parent.timer  # of kombu's event loop, whose methods the stubs of Celery do not know
            timer.call_repeatedly(HEARTBEAT_INTERVAL, beat)

    app.steps["worker"].add(Heartbeat)


def mark_loaded(folder: str, name: str) -> None:
    """Say that this child has loaded its models."""
    if folder:
        (Path(folder) / f"{name}.{os.getpid()}.loaded").touch()


def mark_broken(folder: str, name: str, *, error: OcrfarmError) -> None:
    """Say why this worker does not work: a service is not fit for it, or its models cannot be loaded."""
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        note = {"kind": type(error).__name__, "message": str(error)}
        with atomic_write(Path(folder) / f"{name}.broken") as file:  # who waits for it may look at any moment
            file.write_text(json.dumps(note), encoding="utf-8")
