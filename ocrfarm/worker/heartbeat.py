"""Heartbeats: how the parent process of a worker shows that it is alive.

```
 who watches         what the worker writes                      how often
 ------------------  ------------------------------------------  ------------------------------
 probes, doctor      files NAME.ready, NAME.alive, NAME.broken   FILE_INTERVAL
 the farm, `top`     a record in the worker registry             queues.HEARTBEAT_INTERVAL
 jobs that wait      "someone consumes this queue"               queues.HEARTBEAT_INTERVAL
```

`periodic.run_every` writes them, so a parent process that hangs stops its heartbeats.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from billiard import active_children
from celery import Celery
from celery.signals import worker_ready
from celery.worker import state

from ocrfarm.errors import OcrfarmError
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.queues import HEARTBEAT_INTERVAL
from ocrfarm.farm.worker_registry import WorkerInfo, list_gpus
from ocrfarm.settings import Settings
from ocrfarm.storage.atomic import atomic_write
from ocrfarm.worker.periodic import is_any_failing, run_every

FILE_INTERVAL = 5.0
"""Seconds between two updates of NAME.alive. They pause while the broker is unreachable, so a probe must tolerate the
longest outage of the broker."""


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

    It is not touched while another periodic function fails all the time.

    Args:
        app: The Celery app.
        folder: The folder of health files; "" turns them off.
        name: The worker's name.
    """
    if not folder:
        return
    touch = make_file_heartbeat(folder, name)
    run_every(app, FILE_INTERVAL, action=lambda: None if is_any_failing() else touch())
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
    """Make the app's worker announce regularly that it consumes a queue.

    Args:
        app: The Celery app.
        settings: The farm's settings.
        model: The recognizer's name, or the queue's, if it is that of another stage.
    """
    run_every(app, HEARTBEAT_INTERVAL, action=partial(open_job_store(settings, retries=0).queues.send_heartbeat, model))


def schedule_registry_heartbeat(app: Celery, settings: Settings, *, name: str, queues: Sequence[str]) -> None:
    """Make the app's worker write its processes, memory, GPUs and work into the worker registry regularly.

    It also loads the farm's scripts into the broker if they are missing.

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
        worker = WorkerInfo(f"{name}@{host}", host, tuple(queues), len(children), memory, tuple(list_gpus()))
        registry.record_heartbeat(replace(worker, work=tuple(sorted(map(_describe_task, state.active_requests)))))

    run_every(app, HEARTBEAT_INTERVAL, action=report)
    run_every(app, HEARTBEAT_INTERVAL, action=Broker(settings.endpoints.broker, retries=0).load_all_scripts)


def _describe_task(request: Any) -> str:  # noqa: ANN401 - Celery's request
    """Return what a process works on and since when, as in "recognize page 1, tile r02c03, job 01J9 since 08:15:00"."""
    since = time.strftime("%H:%M:%S", time.gmtime(request.time_start or time.time()))
    return f"{request.name.removeprefix('ocrfarm.')} {request.argsrepr} since {since}"


def _resident_bytes(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if it has ended or the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
