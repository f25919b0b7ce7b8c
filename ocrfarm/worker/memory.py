"""What a worker that lives for weeks must give back: memory that tasks have freed, and connections that are gone."""

import ctypes
from typing import Any

from celery import Celery, bootsteps
from celery.signals import task_postrun

from ocrfarm.worker import periodic

_TRANSPORT = "kombu.transport.redis"

_MMAP_THRESHOLD_BYTES = 1 << 17
_M_MMAP_THRESHOLD = -3
"""From malloc.h."""

_TRIM_INTERVAL = 60.0
"""In the parent process, which has no tasks: an outage of the broker is what it frees most after."""


def install_memory_release(app: Celery) -> None:
    """Let the worker of this app and its children do so."""
    task_postrun.connect(_trim_heap, weak=False)
    periodic.run_every(app, _TRIM_INTERVAL, action=_trim_heap)
    app.steps["consumer"].add(_DropStaleConnections)


def _trim_heap(**_: object) -> None:
    """Give freed memory back to the system (glibc), which else keeps whatever lies below the smallest piece in use.

    A child that splits and stitches grew by a sixth in the first half hour without it.
    """
    if malloc_trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        malloc_trim(0)


def lower_mmap_threshold(**_: object) -> None:
    """Let a process that cuts images give large pieces of memory back as soon as they are free (glibc).

    Else glibc takes them from the heap once it has seen a few, and what lies between them keeps it large: a page twice
    as wide took 1.4 times the memory, and takes 1.0 times with this, for a tenth more of the processor's time.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)


class _DropStaleConnections(bootsteps.StartStopStep):
    """Drops what older connections to the broker do at each turn of the event loop.

    Each time that the broker was away Celery makes a new connection, and kombu keeps the old one, of 100 kilobytes, for
    the sake of these turns.
    """

    name = "ocrfarm.worker.memory.drop_stale_connections"
    requires = ("celery.worker.consumer.connection:Connection",)

    def __init__(self, parent: Any, **named: Any) -> None:  # noqa: ANN401 - the consumer, which the stubs do not know
        super().__init__(parent, **named)
        self._callbacks: set[Any] = set()

    def start(self, parent: Any) -> None:  # noqa: ANN401
        if loop := parent.hub:
            loop.on_tick -= self._callbacks
            self._callbacks = {turn for turn in loop.on_tick if turn.__module__ == _TRANSPORT}
