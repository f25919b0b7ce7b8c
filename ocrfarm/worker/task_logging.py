"""Make Celery log through `ocrfarm.log_output`, and put into each record the task, job, tiles and owner at hand."""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import celery.apps.worker
from celery import Celery
from celery.signals import setup_logging, task_postrun, task_prerun
from celery.utils.log import get_multiprocessing_logger

from ocrfarm.errors import OcrfarmError
from ocrfarm.farm.job_store import JobStore
from ocrfarm.farm.tasks import JobTask
from ocrfarm.log_output import set_log_context

_MAX_OWNERS = 256
"""Jobs whose owner a process remembers: it asks the broker once for each job."""


def install_task_logging(app: Celery) -> None:
    """Make the app's worker and its children write nothing past the handler of the root logger."""

    def configure(**_: object) -> None:
        """Take Celery's place, which would add handlers with a format and colours of their own."""
        if logger := get_multiprocessing_logger():
            logger.handlers = logging.getLogger().handlers
            logger.setLevel(logging.WARNING)  # below, it describes every semaphore
        app.log.redirect_stdouts("WARNING")  # type: ignore[arg-type]  # children parse the name, not the number

    celery.apps.worker.safe_say = _write_record  # type: ignore[attr-defined]  # the stubs leave it out
    setup_logging.connect(configure, weak=False)
    task_prerun.connect(_set_context, weak=False)
    task_postrun.connect(_clear_context, weak=False)


def _write_record(message: str, file: object = None) -> None:
    """Write what Celery's signal handlers say about a shutdown as a record.

    A handler of logging may not be used here: the signal may have interrupted it in the middle of a record.
    """
    record = logging.LogRecord(celery.apps.worker.__name__, logging.INFO, "", 0, message, (), None)
    for handler in logging.getLogger().handlers:
        with suppress(OSError):
            os.write(2, f"{handler.format(record)}\n".encode())


def _set_context(task: Any, args: Sequence[Any], **_: object) -> None:  # noqa: ANN401 - a task, which has no stub here
    job, tiles = [*args[:2], None, None][:2]
    name = task.name.removeprefix("ocrfarm.")
    owner = _read_owner(task, job) if job and isinstance(task, JobTask) else ""
    set_log_context(task=name, job=job, tiles=tiles, owner=owner)


def _clear_context(**_: object) -> None:
    set_log_context()


def _read_owner(task: JobTask, job: str) -> str:
    """Return the owner of a job; "" if there is none or the broker is unreachable, for which no task has to wait."""
    with suppress(OcrfarmError):
        return _cached_owner(task.open_context().jobs, job)
    return ""


@lru_cache(_MAX_OWNERS)
def _cached_owner(jobs: JobStore, job: str) -> str:
    return jobs.read_record(job)[0].get("owner", "")
