"""What must hold before a worker takes work: its machine and services are fit, and its models fit into memory.

A worker that stayed although it cannot work would take jobs from workers that can, and fail them. So it ends with the
exit code of the error, and NAME.broken among the health files holds the reason.
"""

import logging
import os
import signal
import time
from contextlib import suppress
from mmap import mmap

from ocrfarm.doctor import CheckContext, run_checks
from ocrfarm.errors import BrokerError, EngineError, OcrfarmError
from ocrfarm.farm.context import ContextFactory, open_job_store, peak_memory_mb, set_memory_limit
from ocrfarm.recognize import Profile
from ocrfarm.worker import heartbeat

_MAX_MODEL_MEMORY_FRACTION = 0.8
"""Fraction of a child's memory limit that the models may take; the rest is for the tiles."""

_log = logging.getLogger(__name__)


def check(context: CheckContext, *, name: str) -> None:
    """Run the checks of `ocrfarm doctor` for this worker and log everything that is not in order.

    Args:
        context: What to check.
        name: The worker's name, for the health files.

    Raises:
        OcrfarmError: A check failed. The error is of the class of the first failure.
    """
    failures = []
    for finding in run_checks(context):
        if finding.state != "ok":
            _log.log(logging.ERROR if finding.state == "failure" else logging.WARNING, "%s", finding.sentence)
        if finding.state == "failure":
            failures.append(finding)
    if failures:
        error = failures[0].kind(f"this worker is not fit to start ({failures[0].name}): {failures[0].sentence}")
        heartbeat.mark_broken(context.settings.endpoints.health_dir, name, error=error)
        raise error


def load_models(open_context: ContextFactory, profile: Profile, *, name: str, exit_code: mmap, **_: object) -> None:
    """Load the models in a child process; on failure, mark the worker as broken and tell its parent to stop.

    Args:
        open_context: Returns the child's context.
        profile: The profile with the models.
        name: The worker's name, for the health files.
        exit_code: One byte that the processes share; receives the exit code of an error.
        **_: Arguments of Celery's signal, which are not used.
    """
    settings = open_context().settings
    folder = settings.endpoints.health_dir
    since = time.monotonic()
    try:
        open_context().load_engine(profile)
        seconds = time.monotonic() - since
        _limit_memory(settings.admission.recognize_memory_mb, profile)
    except OcrfarmError as error:
        _log.exception("the models of the profile %s cannot be loaded", profile.name)
        heartbeat.mark_broken(folder, name, error=error)
        exit_code[0] = error.exit_code
        os.kill(os.getppid(), signal.SIGTERM)
    else:
        heartbeat.mark_loaded(folder, name)
        with suppress(BrokerError):  # a worker may start while the broker is unreachable
            open_job_store(settings, retries=0).metrics.record_model_load(profile.recognizer, seconds=seconds)


def _limit_memory(megabytes: int, profile: Profile) -> None:
    """Limit this child's memory, so that a tile that needs too much fails before the machine runs out.

    The limit is on addresses, which say nothing about memory on a GPU; there is none there. Raise `EngineError` if the
    models alone take most of what is allowed, since the child would be replaced after each batch.
    """
    if peak_memory_mb() > megabytes * _MAX_MODEL_MEMORY_FRACTION:
        problem = f"the models of the profile {profile.name} take {peak_memory_mb():.0f} MB"
        raise EngineError(f"{problem}; raise OCRFARM_RECOGNIZE_MEMORY_MB, which is {megabytes}")
    if profile.runtime.device == "cpu":
        set_memory_limit(2 * megabytes)
