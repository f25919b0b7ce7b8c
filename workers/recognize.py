"""The recognizer pins one model: it reads that model's queue, and loads it in its children before the first tile."""

import logging
from functools import cache, partial

from celery.signals import worker_process_init

from ocrfarm.errors import EngineError, OcrfarmError
from ocrfarm.farm import wire
from ocrfarm.farm.app import declare, make_app
from ocrfarm.farm.flow import register
from ocrfarm.farm.services import open_services, peak_megabytes
from ocrfarm.farm.stage import Open, set_memory_limit
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.settings import Settings
from workers import beat, health, run

_MODELS_SHARE = 0.8
"""Of the memory that a child may take: what is left is for the tiles."""

_log = logging.getLogger(__name__)


def serve(settings: Settings, profile_name: str, *, name: str, concurrency: int) -> int:
    """Read tiles with this profile's models until told to stop."""
    profile = find_profile(profile_name)
    app = make_app(settings, profile.recognizer)
    services = cache(partial(open_services, settings, profile.runtime))
    register(app, services)
    queue = wire.recognize_queue(profile.recognizer)
    declare(app, queue)
    beat.announce(app, settings, model=profile.recognizer)
    beat.renew(app, settings, lane=wire.lane(profile.recognizer))
    worker_process_init.connect(partial(_load, services, profile, name), weak=False)
    return run.work(app, settings, queues=[queue], name=name, concurrency=concurrency)


def _load(services: Open, profile: Profile, name: str, **_: object) -> None:
    """Load the models in a child; what hinders it is shown by the health files, and ends the first job that comes."""
    settings = services().settings
    folder = settings.places.health
    try:
        services().engine(profile)
        _limit_memory(settings.load.recognize_megabytes, profile)
    except OcrfarmError as error:
        _log.exception("the models of profile %s cannot be loaded", profile.name)
        health.broken(folder, name, error=error)
    else:
        health.loaded(folder, name)


def _limit_memory(megabytes: int, profile: Profile) -> None:
    """Let a tile that needs too much memory fail before the machine does; on a GPU addresses say nothing of memory.

    `EngineError` where the models alone take most of what is allowed: each child would be replaced after each batch.
    """
    if peak_megabytes() > megabytes * _MODELS_SHARE:
        has = f"the models of profile {profile.name} take {peak_megabytes():.0f} MB"
        raise EngineError(f"{has}; raise OCRFARM_RECOGNIZE_MEGABYTES, which is {megabytes}")
    if profile.runtime.device == "cpu":
        set_memory_limit(2 * megabytes)
