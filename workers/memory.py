"""What a worker that lives for weeks must give back: memory that tasks have freed, and connections that are gone."""

import ctypes
from typing import Any

from celery import Celery, bootsteps
from celery.signals import task_postrun

from workers import beat

_TRANSPORT = "kombu.transport.redis"

_LARGE_BYTES = 1 << 17
_M_MMAP_THRESHOLD = -3
"""From malloc.h."""

_TRIM_SECONDS = 60.0
"""In the parent process, which has no tasks: an outage of the broker is what it frees most after."""


def install(app: Celery) -> None:
    """Let the worker of this app and its children do so."""
    task_postrun.connect(_trim, weak=False)
    beat.every(app, _TRIM_SECONDS, work=_trim)
    app.steps["consumer"].add(_ForgetConnections)


def _trim(**_: object) -> None:
    """Give freed memory back to the system (glibc), which else keeps whatever lies below the smallest piece in use.

    A child that splits and stitches grew by a sixth in the first half hour without it.
    """
    if malloc_trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        malloc_trim(0)


def keep_large_apart(**_: object) -> None:
    """Let a process that cuts pictures give large pieces of memory back as soon as they are free (glibc).

    Else glibc takes them from the heap once it has seen a few, and what lies between them keeps it large: a page twice
    as wide took 1.4 times the memory, and takes 1.0 times with this, for a tenth more of the processor's time.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


class _ForgetConnections(bootsteps.StartStopStep):
    """Drops what older connections to the broker do at each turn of the event loop.

    Each time that the broker was away Celery makes a new connection, and kombu keeps the old one, of 100 kilobytes, for
    the sake of these turns.
    """

    name = "workers.memory.forget_connections"
    requires = ("celery.worker.consumer.connection:Connection",)

    def __init__(self, parent: Any, **named: Any) -> None:  # noqa: ANN401 - the consumer, which the stubs do not know
        super().__init__(parent, **named)
        self._turns: set[Any] = set()

    def start(self, parent: Any) -> None:  # noqa: ANN401
        if loop := parent.hub:
            loop.on_tick -= self._turns
            self._turns = {turn for turn in loop.on_tick if turn.__module__ == _TRANSPORT}
