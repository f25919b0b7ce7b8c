"""Release what a worker that runs for weeks would accumulate: freed memory, and old connections to the broker."""

import ctypes
from typing import Any

from celery import Celery, bootsteps
from celery.signals import task_postrun

from ocrfarm.worker.periodic import run_every

_TRANSPORT = "kombu.transport.redis"

_MMAP_THRESHOLD_BYTES = 1 << 17
_M_MMAP_THRESHOLD = -3
"""The option's number in malloc.h."""

_TRIM_INTERVAL = 60.0
"""Seconds between two trims in the parent process. It runs no tasks; it frees most after an outage of the broker."""


def install_resource_release(app: Celery) -> None:
    """Make the app's worker and its children return memory after each task and drop old connections."""
    task_postrun.connect(_trim_heap, weak=False)
    run_every(app, _TRIM_INTERVAL, action=_trim_heap)
    app.steps["consumer"].add(_DropStaleConnections)


def _trim_heap(**_: object) -> None:
    """Return freed memory to the system (glibc).

    By default glibc keeps everything below the highest block in use. Without this, a child that splits and stitches
    grew by a sixth in its first half hour.
    """
    if malloc_trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        malloc_trim(0)


def lower_mmap_threshold(**_: object) -> None:
    """Make a process that splits images return large blocks to the system as soon as they are free (glibc).

    After a few large blocks glibc takes further ones from the heap, where small blocks between them keep it large. A
    page twice as wide then took 1.4 times the memory; with this it takes 1.0 times, for a tenth more CPU time.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)


class _DropStaleConnections(bootsteps.StartStopStep):
    """Removes the callbacks of earlier broker connections from the event loop.

    Celery makes a new connection after each outage of the broker. kombu keeps the callback of the old one, and with it
    the connection, which takes 100 kB.
    """

    name = "ocrfarm.worker.resource_release.drop_stale_connections"
    requires = ("celery.worker.consumer.connection:Connection",)

    def __init__(self, parent: Any, **named: Any) -> None:  # noqa: ANN401 - the consumer, which the stubs do not know
        super().__init__(parent, **named)
        self._callbacks: set[Any] = set()

    def start(self, parent: Any) -> None:  # noqa: ANN401
        if loop := parent.hub:
            loop.on_tick -= self._callbacks
            self._callbacks = {callback for callback in loop.on_tick if callback.__module__ == _TRANSPORT}
