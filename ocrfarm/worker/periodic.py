"""Functions that the parent process of a worker calls at intervals: `run_every`, and what it schedules.

```
 function                       purpose                                     how often
 -----------------------------  ------------------------------------------  -----------------------------
 heartbeat.schedule_*           shows that the worker is alive              see `ocrfarm.worker.heartbeat`
 visibility.schedule_renewal    keeps the messages of running tasks hidden  celery_app.renewal_interval()
 schedule_reconcile             finds stalled jobs, whose message was lost  OCRFARM_RECONCILE_INTERVAL
 schedule_watch                 finds jobs that only lack stitching         watch.WATCH_INTERVAL
 resource_release               returns freed memory to the system          once a minute
```

The functions run on the timer of the worker's event loop. Those that need the broker do nothing while it is
unreachable, and the timer itself pauses while the worker reconnects. Any other error is logged, and the function is
called again; if it fails for `MAX_FAILING_SECONDS`, the worker stops to touch its file NAME.alive, so that it is
restarted.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

from celery import Celery, bootsteps
from celery.worker import WorkController

from ocrfarm.errors import BrokerError
from ocrfarm.farm import protocol
from ocrfarm.farm.broker import translate_errors
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.recovery.watch import WATCH_INTERVAL, watch_jobs
from ocrfarm.settings import Settings

_log = logging.getLogger(__name__)

MAX_FAILING_SECONDS = 60.0
"""Seconds for which a periodic function may fail before the worker counts as broken: less than the visibility timeout,
and several calls of each function that a running task depends on."""

_step_numbers = count()
_failing_since: dict[object, float] = {}


class PeriodicFunction:
    """A function whose errors neither end the worker nor the calls to come.

    >>> calls = []
    >>> function = PeriodicFunction(lambda: calls.append(1))
    >>> function()
    >>> calls, is_any_failing()
    ([1], False)
    """

    def __init__(self, action: Callable[[], object]) -> None:
        """Call nothing yet."""
        self._action = action

    def __call__(self) -> None:
        """Call the function, and remember since when it has failed."""
        try:
            with suppress(BrokerError), translate_errors():
                self._action()
        except Exception:  # noqa: BLE001 - a bug in one function must not end the others
            _log.exception("a periodic function failed, and is called again: %s", self._action)
            _failing_since.setdefault(self, time.monotonic())
        else:
            _failing_since.pop(self, None)


def is_any_failing() -> bool:
    """Return whether a periodic function of this process has failed for `MAX_FAILING_SECONDS`."""
    return any(time.monotonic() - since >= MAX_FAILING_SECONDS for since in _failing_since.values())


def run_every(app: Celery, interval: float, *, action: Callable[[], object]) -> None:
    """Make the parent process of the app's worker call a function at its start and at intervals.

    Args:
        app: The Celery app.
        interval: Seconds between two calls.
        action: The function. Its errors do not end the calls; see `PeriodicFunction`.
    """
    run_safely = PeriodicFunction(action)

    class PeriodicStep(bootsteps.StartStopStep):
        """Calls the function from the timer of the worker's event loop."""

        name = f"{__name__}.{next(_step_numbers)}"
        requires = ("celery.worker.components:Timer",)

        def start(self, parent: WorkController) -> None:
            run_safely()
            timer: Any = parent.timer  # kombu's, whose methods Celery's type stubs do not list
            timer.call_repeatedly(interval, run_safely)

    app.steps["worker"].add(PeriodicStep)


def schedule_reconcile(app: Celery, settings: Settings) -> None:
    """Make the app's worker send the reconcile task regularly; a lock ensures that only one run is active.

    Args:
        app: The Celery app.
        settings: The farm's settings, with the interval.
    """
    seconds = settings.admission.reconcile_interval
    call = partial(app.send_task, protocol.RECONCILE, expires=seconds, retry=False, ignore_result=True)
    run_every(app, seconds, action=call)


def schedule_watch(app: Celery, settings: Settings) -> None:
    """Make the app's worker look at the active jobs every few seconds, and have those stitched that lack nothing else.

    Args:
        app: The Celery app.
        settings: The farm's settings.
    """
    jobs = open_job_store(settings, retries=0)

    def watch() -> None:
        for job in watch_jobs(jobs):
            generation = protocol.Generation(jobs.recovery.get_generation(job))
            task_id = protocol.stitch_id(job, generation)
            app.send_task(protocol.STITCH, protocol.job_args(job), task_id=task_id, retry=False, ignore_result=True)

    run_every(app, WATCH_INTERVAL, action=watch)
