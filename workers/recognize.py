"""The recognizer pins one model: it reads that model's queue, and loads it in its children before the first tile."""

import logging
from functools import cache, partial

from celery.signals import worker_process_init

from ocrfarm.errors import OcrfarmError
from ocrfarm.farm import wire
from ocrfarm.farm.app import Lane, declare, make_app
from ocrfarm.farm.flow import Open, register
from ocrfarm.farm.services import open_services
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.settings import Settings
from workers import health, run

_log = logging.getLogger(__name__)


def serve(settings: Settings, profile_name: str, *, name: str, concurrency: int) -> int:
    """Read tiles with this profile's models until told to stop."""
    profile = find_profile(profile_name)
    app = make_app(settings, Lane.RECOGNIZE)
    services = cache(partial(open_services, settings, profile.runtime))
    register(app, services)
    queue = wire.recognize_queue(profile.recognizer)
    declare(app, queue)
    worker_process_init.connect(partial(_load, services, profile, name), weak=False)
    return run.work(app, settings, queues=[queue], name=name, concurrency=concurrency)


def _load(services: Open, profile: Profile, name: str, **_: object) -> None:
    """Load the models in a child; what hinders it is shown by the health files, and ends the first job that comes."""
    folder = services().settings.places.health
    try:
        services().engine(profile)
    except OcrfarmError as error:
        _log.exception("the models of profile %s cannot be loaded", profile.name)
        health.broken(folder, name, error=error)
    else:
        health.loaded(folder, name)
