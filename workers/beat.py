"""What a worker's parent process does now and then: extend its leases, say what it reads, call the reconciler."""

import importlib
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from billiard import active_children
from celery import Celery, bootsteps
from celery.worker import WorkController, state

from ocrfarm.errors import BrokerError
from ocrfarm.farm import wire
from ocrfarm.farm.app import renewal
from ocrfarm.farm.broker import Broker, publishing
from ocrfarm.farm.gpus import devices
from ocrfarm.farm.queues import ANNOUNCE_SECONDS
from ocrfarm.farm.roster import Roster, Worker
from ocrfarm.farm.services import open_progress
from ocrfarm.settings import Settings

_numbers = count()


def announce(app: Celery, settings: Settings, *, model: str) -> None:
    """Let the worker of this app say again and again that it reads the queue of a recognizer."""
    every(app, ANNOUNCE_SECONDS, work=partial(open_progress(settings, tries=0).queues.announce, model))


def report(app: Celery, settings: Settings, *, name: str, queues: Sequence[str]) -> None:
    """Let the worker of this app say again and again that it lives, and how much memory and GPU it takes."""
    roster = Roster(Broker(settings.places.broker, tries=0), prefix=settings.places.prefix)

    def tell() -> None:
        children = [child.pid for child in active_children() if child.pid]
        memory = sum(map(_resident, (os.getpid(), *children)))
        host = socket.gethostname()
        roster.report(Worker(f"{name}@{host}", host, tuple(queues), len(children), memory, tuple(devices())))

    every(app, ANNOUNCE_SECONDS, work=tell)


def _resident(pid: int) -> int:
    """Give the bytes of memory that a process holds; 0 where the system does not tell or the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def reconcile(app: Celery, settings: Settings) -> None:
    """Let the worker of this app call the reconciler; where many do so, one at a time is heard."""
    seconds = settings.load.reconcile_seconds
    call = partial(app.send_task, wire.RECONCILE, expires=seconds, retry=False, ignore_result=True)
    every(app, seconds, work=call)


def renew(app: Celery, settings: Settings, *, lane: str) -> None:
    """Let the worker of this app extend the leases of the messages that it has in hand.

    Celery times leases by each worker's own clock, and one that is fast would take away what others work on. So it is
    given the broker's clock instead.
    """
    queues = open_progress(settings, tries=0).queues
    transport: Any = importlib.import_module("kombu.transport.redis")

    def extend() -> None:
        now = queues.renew(lane, [request.message.delivery_tag for request in state.reserved_requests])
        ahead = now - time.time()
        transport.time = lambda: time.time() + ahead

    every(app, renewal(), work=extend)


def every(app: Celery, seconds: float, *, work: Callable[[], object]) -> None:
    """Let the worker of this app do something again and again, in its parent process, at its start too."""

    def safely() -> None:
        with suppress(BrokerError), publishing():  # the broker is away: the next time will do
            work()

    class Beat(bootsteps.StartStopStep):
        """Calls from the worker's own timer."""

        name = f"workers.beat.{next(_numbers)}"
        requires = ("celery.worker.components:Timer",)

        def start(self, parent: WorkController) -> None:
            safely()
            timer: Any = parent.timer  # of kombu's event loop, whose methods the stubs of Celery do not know
            timer.call_repeatedly(seconds, safely)

    app.steps["worker"].add(Beat)
