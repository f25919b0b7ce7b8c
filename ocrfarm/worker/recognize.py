"""The recognizer pins one model: it reads that model's queue, and loads it in its children before the first tile."""

import logging
import os
import signal
import time
from contextlib import suppress
from functools import cache, partial
from mmap import mmap

from celery.signals import worker_process_init

from ocrfarm.errors import BrokerError, EngineError, OcrfarmError
from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import declare_queue, make_app
from ocrfarm.farm.context import open_context, open_job_store, peak_memory_mb
from ocrfarm.farm.tasks import ContextFactory, register_tasks, set_memory_limit
from ocrfarm.recognize import Profile
from ocrfarm.settings import Settings
from ocrfarm.worker import celery_worker, health, periodic

_MAX_MODEL_MEMORY_FRACTION = 0.8
"""Of the memory that a child may take: what is left is for the tiles."""

_log = logging.getLogger(__name__)


def serve(settings: Settings, profile: Profile, *, name: str, concurrency: int) -> int:
    """Read tiles with this profile's models until told to stop, or until a child cannot load them."""
    app = make_app(settings, profile.recognizer)
    open_worker_context = cache(partial(open_context, settings, profile.runtime))
    register_tasks(app, open_worker_context)
    queue = protocol.recognize_queue(profile.recognizer)
    declare_queue(app, queue)
    periodic.schedule_queue_heartbeat(app, settings, model=profile.recognizer)
    periodic.schedule_visibility_renewal(app, settings, group=protocol.worker_group(profile.recognizer))
    failed = mmap(-1, 1)  # shared with the children: the exit code of an error that one of them met
    worker_process_init.connect(partial(_load_models, open_worker_context, profile, name, failed), weak=False)
    code = celery_worker.run_worker(app, settings, queues=[queue], name=name, concurrency=concurrency)
    return failed[0] or code


def _load_models(open_worker_context: ContextFactory, profile: Profile, name: str, failed: mmap, **_: object) -> None:
    """Load the models in a child; what hinders it is shown by the health files, and ends this worker.

    One that stayed would take jobs from those that can read them, and fail them.
    """
    settings = open_worker_context().settings
    folder = settings.endpoints.health_dir
    since = time.monotonic()
    try:
        open_worker_context().load_engine(profile)
        seconds = time.monotonic() - since
        _limit_memory(settings.admission.recognize_memory_mb, profile)
    except OcrfarmError as error:
        _log.exception("the models of profile %s cannot be loaded", profile.name)
        health.mark_broken(folder, name, error=error)
        failed[0] = error.exit_code
        os.kill(os.getppid(), signal.SIGTERM)
    else:
        health.mark_loaded(folder, name)
        with suppress(BrokerError):  # a worker that begins while the broker is away is welcome
            open_job_store(settings, retries=0).metrics.record_model_load(profile.recognizer, seconds=seconds)


def _limit_memory(megabytes: int, profile: Profile) -> None:
    """Let a tile that needs too much memory fail before the machine does; on a GPU addresses say nothing of memory.

    `EngineError` where the models alone take most of what is allowed: each child would be replaced after each batch.
    """
    if peak_memory_mb() > megabytes * _MAX_MODEL_MEMORY_FRACTION:
        has = f"the models of profile {profile.name} take {peak_memory_mb():.0f} MB"
        raise EngineError(f"{has}; raise OCRFARM_RECOGNIZE_MEMORY_MB, which is {megabytes}")
    if profile.runtime.device == "cpu":
        set_memory_limit(2 * megabytes)
