"""How a worker's parent process shows that it lives, and what else it does at intervals.

```
 who watches         what the worker writes                      how often
 ------------------  ------------------------------------------  ------------------------------
 probes, doctor      files NAME.ready, NAME.alive, NAME.broken   FILE_INTERVAL
 the farm, `top`     a record in the worker registry             queues.HEARTBEAT_INTERVAL
 jobs that wait      "someone consumes this recognizer's queue"  queues.HEARTBEAT_INTERVAL
 the broker          extended visibility of unacked messages     celery_app.renewal_interval()
 lost messages       a task that reconciles stalled jobs         OCRFARM_RECONCILE_INTERVAL
```

Everything runs on the timer of the worker's event loop, so a parent process that hangs stops its heartbeats. The steps
that need the broker do nothing while it is unreachable, and the timer itself pauses while the worker reconnects.
"""

import json
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
from celery.signals import worker_ready
from celery.worker import WorkController, state
from kombu.transport import redis as redis_transport

from ocrfarm.errors import BrokerError, OcrfarmError
from ocrfarm.farm import protocol
from ocrfarm.farm.broker import translate_errors
from ocrfarm.farm.celery_app import renewal_interval
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.queues import HEARTBEAT_INTERVAL
from ocrfarm.farm.worker_registry import WorkerInfo, list_gpus
from ocrfarm.settings import Settings
from ocrfarm.storage.atomic import atomic_write

FILE_INTERVAL = 5.0
"""Seconds between two updates of NAME.alive. They pause while the broker is unreachable, so a probe must tolerate the
longest outage of the broker."""

_step_numbers = count()


def make_file_heartbeat(folder: str, name: str) -> Callable[[], None]:
    """Return a function that touches the file NAME.alive.

    Args:
        folder: The folder of health files, which is made if it is missing; "" turns health files off.
        name: The worker's name.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     make_file_heartbeat(folder, "split")()
    ...     os.listdir(folder)
    ['split.alive']
    """
    if not folder:
        return lambda: None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return (Path(folder) / f"{name}.alive").touch


def schedule_file_heartbeat(app: Celery, folder: str, *, name: str) -> None:
    """Make the app's worker write NAME.ready when it starts to consume, and touch NAME.alive from its start on.

    Args:
        app: The Celery app.
        folder: The folder of health files; "" turns them off.
        name: The worker's name.
    """
    if not folder:
        return
    run_every(app, FILE_INTERVAL, action=make_file_heartbeat(folder, name))
    worker_ready.connect(lambda **_: (Path(folder) / f"{name}.ready").touch(), weak=False)


def mark_loaded(folder: str, name: str) -> None:
    """Write NAME.PID.loaded: this child process has loaded its models.

    Args:
        folder: The folder of health files; "" turns them off.
        name: The worker's name.
    """
    if folder:
        (Path(folder) / f"{name}.{os.getpid()}.loaded").touch()


def mark_broken(folder: str, name: str, *, error: OcrfarmError) -> None:
    """Write NAME.broken: this worker cannot work, because of a service or because its models cannot be loaded.

    Args:
        folder: The folder of health files, which is made if it is missing; "" turns them off.
        name: The worker's name.
        error: The reason, whose class and message the file holds as JSON.
    """
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        note = {"kind": type(error).__name__, "message": str(error)}
        with atomic_write(Path(folder) / f"{name}.broken") as file:  # a reader must never see half of it
            file.write_text(json.dumps(note), encoding="utf-8")


def schedule_queue_heartbeat(app: Celery, settings: Settings, *, model: str) -> None:
    """Make the app's worker announce regularly that it consumes the queue of a recognizer.

    Args:
        app: The Celery app.
        settings: The farm's settings.
        model: The recognizer's name.
    """
    run_every(app, HEARTBEAT_INTERVAL, action=partial(open_job_store(settings, retries=0).queues.send_heartbeat, model))


def schedule_registry_heartbeat(app: Celery, settings: Settings, *, name: str, queues: Sequence[str]) -> None:
    """Make the app's worker write its processes, memory and GPUs into the worker registry regularly.

    Args:
        app: The Celery app.
        settings: The farm's settings.
        name: The worker's name, to which the name of the host is added.
        queues: The names of the queues that it consumes.
    """
    registry = open_job_store(settings, retries=0).workers

    def report() -> None:
        children = [child.pid for child in active_children() if child.pid]
        memory = sum(map(_resident_bytes, (os.getpid(), *children)))
        host = socket.gethostname()
        registry.record_heartbeat(
            WorkerInfo(f"{name}@{host}", host, tuple(queues), len(children), memory, tuple(list_gpus()))
        )

    run_every(app, HEARTBEAT_INTERVAL, action=report)


def _resident_bytes(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if it has ended or the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def schedule_reconcile(app: Celery, settings: Settings) -> None:
    """Make the app's worker send the reconcile task regularly; a lock ensures that only one run is active.

    Args:
        app: The Celery app.
        settings: The farm's settings, with the interval.
    """
    seconds = settings.admission.reconcile_interval
    call = partial(app.send_task, protocol.RECONCILE, expires=seconds, retry=False, ignore_result=True)
    run_every(app, seconds, action=call)


def schedule_visibility_renewal(app: Celery, settings: Settings, *, group: str) -> None:
    """Make the app's worker extend the visibility timeout of the messages that it has not acknowledged yet.

    Celery computes visibility timeouts by each worker's own clock, so a worker whose clock is fast would redeliver
    messages that others still process. Therefore kombu is given the broker's clock.

    Args:
        app: The Celery app.
        settings: The farm's settings.
        group: The group of workers whose unacknowledged messages share a key, as `protocol.worker_group` names it.
    """
    queues = open_job_store(settings, retries=0).queues
    transport: Any = redis_transport  # `time` is a name that this module imports

    def extend() -> None:
        now = queues.extend_visibility(group, [request.message.delivery_tag for request in state.reserved_requests])
        offset = now - time.time()
        transport.time = lambda: time.time() + offset

    run_every(app, renewal_interval(), action=extend)


def run_every(app: Celery, interval: float, *, action: Callable[[], object]) -> None:
    """Make the parent process of the app's worker call a function at its start and at intervals.

    Args:
        app: The Celery app.
        interval: Seconds between two calls.
        action: The function. If the broker is unreachable, its error is ignored until the next call.
    """

    def run_safely() -> None:
        with suppress(BrokerError), translate_errors():
            action()

    class PeriodicStep(bootsteps.StartStopStep):
        """Calls the function from the timer of the worker's event loop."""

        name = f"{__name__}.{next(_step_numbers)}"
        requires = ("celery.worker.components:Timer",)

        def start(self, parent: WorkController) -> None:
            run_safely()
            timer: Any = parent.timer  # kombu's, whose methods Celery's type stubs do not list
            timer.call_repeatedly(interval, run_safely)

    app.steps["worker"].add(PeriodicStep)
