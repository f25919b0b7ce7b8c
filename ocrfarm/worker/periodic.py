"""What a worker's parent process does now and then: extend its leases, say what it reads, call the reconciler."""

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
from kombu.transport import redis as redis_transport

from ocrfarm.errors import BrokerError
from ocrfarm.farm import protocol
from ocrfarm.farm.broker import translate_publish_errors
from ocrfarm.farm.celery_app import renewal_interval
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.queues import HEARTBEAT_INTERVAL
from ocrfarm.farm.worker_registry import WorkerInfo, list_gpus
from ocrfarm.settings import Settings

_step_numbers = count()


def schedule_queue_heartbeat(app: Celery, settings: Settings, *, model: str) -> None:
    """Let the worker of this app say again and again that it reads the queue of a recognizer."""
    run_every(app, HEARTBEAT_INTERVAL, action=partial(open_job_store(settings, retries=0).queues.send_heartbeat, model))


def schedule_status_report(app: Celery, settings: Settings, *, name: str, queues: Sequence[str]) -> None:
    """Let the worker of this app say again and again that it lives, and how much memory and GPU it takes."""
    registry = open_job_store(settings, retries=0).workers

    def tell() -> None:
        children = [child.pid for child in active_children() if child.pid]
        memory = sum(map(_resident_bytes, (os.getpid(), *children)))
        host = socket.gethostname()
        registry.record_heartbeat(
            WorkerInfo(f"{name}@{host}", host, tuple(queues), len(children), memory, tuple(list_gpus()))
        )

    run_every(app, HEARTBEAT_INTERVAL, action=tell)


def _resident_bytes(pid: int) -> int:
    """Give the bytes of memory that a process holds; 0 where the system does not tell or the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def schedule_reconcile(app: Celery, settings: Settings) -> None:
    """Let the worker of this app call the reconciler; where many do so, one at a time is heard."""
    seconds = settings.admission.reconcile_interval
    call = partial(app.send_task, protocol.RECONCILE, expires=seconds, retry=False, ignore_result=True)
    run_every(app, seconds, action=call)


def schedule_visibility_renewal(app: Celery, settings: Settings, *, group: str) -> None:
    """Let the worker of this app extend the leases of the messages that it has in hand.

    Celery times leases by each worker's own clock, and one that is fast would take away what others work on. So it is
    given the broker's clock instead.
    """
    queues = open_job_store(settings, retries=0).queues
    transport: Any = redis_transport  # `time` is a name that it imports

    def extend() -> None:
        now = queues.extend_visibility(group, [request.message.delivery_tag for request in state.reserved_requests])
        ahead = now - time.time()
        transport.time = lambda: time.time() + ahead

    run_every(app, renewal_interval(), action=extend)


def run_every(app: Celery, interval: float, *, action: Callable[[], object]) -> None:
    """Let the worker of this app do something again and again, in its parent process, at its start too."""

    def run_safely() -> None:
        with suppress(BrokerError), translate_publish_errors():  # the broker is away: the next time will do
            action()

    class PeriodicStep(bootsteps.StartStopStep):
        """Calls from the worker's own timer."""

        name = f"ocrfarm.worker.periodic.{next(_step_numbers)}"
        requires = ("celery.worker.components:Timer",)

        def start(self, parent: WorkController) -> None:
            run_safely()
            timer: Any = parent.timer  # of kombu's event loop, whose methods the stubs of Celery do not know
            timer.call_repeatedly(interval, run_safely)

    app.steps["worker"].add(PeriodicStep)
