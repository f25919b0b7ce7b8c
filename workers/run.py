"""Starts a Celery worker with the options that all stages share."""

from functools import cache, partial

from celery import Celery
from celery.signals import worker_process_init
from celery.utils.nodenames import host_format

from ocrfarm.farm import traces, wire
from ocrfarm.farm.app import make_app
from ocrfarm.farm.flow import register
from ocrfarm.farm.orphans import die_with_parent
from ocrfarm.farm.services import open_services
from ocrfarm.settings import Settings
from workers import beat, health, leaving, memory


def control(settings: Settings, queues: list[str], *, name: str, concurrency: int) -> int:
    """Split, stitch or both, until told to stop."""
    app = make_app(settings)
    register(app, cache(partial(open_services, settings)))
    beat.reconcile(app, settings)
    worker_process_init.connect(memory.keep_large_apart, weak=False)
    beat.renew(app, settings, lane=wire.lane())
    return work(app, settings, queues=queues, name=name, concurrency=concurrency)


def work(app: Celery, settings: Settings, *, queues: list[str], name: str, concurrency: int) -> int:
    """Consume the queues with so many forked children; give the exit code."""
    health.install(app, settings.places.health, name=name)
    beat.report(app, settings, name=name, queues=queues)
    memory.install(app)
    leaving.install(settings.work.shutdown_seconds)
    worker_process_init.connect(die_with_parent, weak=False)
    worker_process_init.connect(lambda **_: traces.start(settings, name), weak=False)
    worker = app.Worker(
        hostname=host_format(f"{name}@%h"),
        queues=queues,
        concurrency=concurrency,
        pool="prefork",  # time limits, and heartbeats while a task runs; threads have neither
        loglevel="INFO",
        without_gossip=True,  # workers telling each other of themselves: grows with their number squared
        without_mingle=True,
        task_events=True,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)
