"""Starts a Celery worker with the options that all stages share."""

from functools import cache, partial

from celery import Celery
from celery.signals import worker_process_init
from celery.utils.nodenames import host_format

from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import make_app, setup_tracing
from ocrfarm.farm.context import open_context
from ocrfarm.farm.embedded.processes import die_with_parent
from ocrfarm.farm.tasks import register_tasks
from ocrfarm.settings import Settings
from ocrfarm.worker import health, memory, periodic, shutdown


def run_control_worker(settings: Settings, queues: list[str], *, name: str, concurrency: int) -> int:
    """Split, stitch or both, until told to stop."""
    app = make_app(settings)
    register_tasks(app, cache(partial(open_context, settings)))
    periodic.schedule_reconcile(app, settings)
    worker_process_init.connect(memory.lower_mmap_threshold, weak=False)
    periodic.schedule_visibility_renewal(app, settings, group=protocol.worker_group())
    return run_worker(app, settings, queues=queues, name=name, concurrency=concurrency)


def run_worker(app: Celery, settings: Settings, *, queues: list[str], name: str, concurrency: int) -> int:
    """Consume the queues with so many forked children; give the exit code."""
    health.install_health_files(app, settings.endpoints.health_dir, name=name)
    periodic.schedule_status_report(app, settings, name=name, queues=queues)
    memory.install_memory_release(app)
    shutdown.install_signal_handlers(settings.task_limits.shutdown_timeout)
    worker_process_init.connect(die_with_parent, weak=False)
    worker_process_init.connect(lambda **_: setup_tracing(settings, name), weak=False)
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
