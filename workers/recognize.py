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
from ocrfarm.farm import wire
from ocrfarm.farm.app import declare, make_app
from ocrfarm.farm.flow import register
from ocrfarm.farm.services import open_progress, open_services, peak_megabytes
from ocrfarm.farm.stage import Open, set_memory_limit
from ocrfarm.recognize import Profile
from ocrfarm.settings import Settings
from workers import beat, health, run

_MODELS_SHARE = 0.8
"""Of the memory that a child may take: what is left is for the tiles."""

_log = logging.getLogger(__name__)


def serve(settings: Settings, profile: Profile, *, name: str, concurrency: int) -> int:
    """Read tiles with this profile's models until told to stop, or until a child cannot load them."""
    app = make_app(settings, profile.recognizer)
    services = cache(partial(open_services, settings, profile.runtime))
    register(app, services)
    queue = wire.recognize_queue(profile.recognizer)
    declare(app, queue)
    beat.announce(app, settings, model=profile.recognizer)
    beat.renew(app, settings, lane=wire.lane(profile.recognizer))
    failed = mmap(-1, 1)  # shared with the children: the exit code of an error that one of them met
    worker_process_init.connect(partial(_load, services, profile, name, failed), weak=False)
    code = run.work(app, settings, queues=[queue], name=name, concurrency=concurrency)
    return failed[0] or code


def _load(services: Open, profile: Profile, name: str, failed: mmap, **_: object) -> None:
    """Load the models in a child; what hinders it is shown by the health files, and ends this worker.

    One that stayed would take jobs from those that can read them, and fail them.
    """
    settings = services().settings
    folder = settings.places.health
    since = time.monotonic()
    try:
        services().engine(profile)
        seconds = time.monotonic() - since
        _limit_memory(settings.load.recognize_megabytes, profile)
    except OcrfarmError as error:
        _log.exception("the models of profile %s cannot be loaded", profile.name)
        health.broken(folder, name, error=error)
        failed[0] = error.exit_code
        os.kill(os.getppid(), signal.SIGTERM)
    else:
        health.loaded(folder, name)
        with suppress(BrokerError):  # a worker that begins while the broker is away is welcome
            open_progress(settings, tries=0).meters.loaded(profile.recognizer, seconds=seconds)


def _limit_memory(megabytes: int, profile: Profile) -> None:
    """Let a tile that needs too much memory fail before the machine does; on a GPU addresses say nothing of memory.

    `EngineError` where the models alone take most of what is allowed: each child would be replaced after each batch.
    """
    if peak_megabytes() > megabytes * _MODELS_SHARE:
        has = f"the models of profile {profile.name} take {peak_megabytes():.0f} MB"
        raise EngineError(f"{has}; raise OCRFARM_RECOGNIZE_MEGABYTES, which is {megabytes}")
    if profile.runtime.device == "cpu":
        set_memory_limit(2 * megabytes)
