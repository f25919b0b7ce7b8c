"""The three Celery workers of a farm: one splits, one recognizes, one stitches; split and stitch may share a process.

A worker is a parent process, which talks to the broker, and `concurrency` forked children, which run the tasks. Each
recognizer loads one recognition model and consumes that model's queue alone.
"""

import multiprocessing
import tempfile
from functools import cache, partial
from mmap import mmap

from celery import Celery
from celery.signals import worker_process_init
from celery.utils.nodenames import host_format
from celery.worker.control import Panel

from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import declare_queue, make_app, setup_tracing
from ocrfarm.farm.context import open_context
from ocrfarm.farm.tasks import register_tasks
from ocrfarm.parent_process import die_with_parent
from ocrfarm.recognize import Profile
from ocrfarm.settings import Settings
from ocrfarm.worker import heartbeat, message_check, periodic, preflight, resource_release, shutdown, visibility
from ocrfarm.worker.task_logging import install_task_logging

_REMOTE_COMMANDS = frozenset(
    ("active", "active_queues", "conf", "ping", "registered", "reserved", "revoked", "scheduled", "stats")
)
"""The commands of Celery's remote control that workers answer: Flower shows what they return, and they change nothing.

The others would let anyone who may publish to the workers' channel stop them or change what they do.
"""


def run_control_worker(settings: Settings, queues: list[str], *, name: str, concurrency: int) -> int:
    """Split images, stitch jobs, or both, until a signal stops the worker.

    Args:
        settings: The farm's settings.
        queues: The names of the queues to consume.
        name: The worker's name among those of the host.
        concurrency: The number of child processes.

    Returns:
        The exit code.
    """
    app, flag = make_app(settings), shutdown.StopFlag()
    register_tasks(app, cache(partial(open_context, settings, should_stop=flag.is_set)))
    periodic.schedule_reconcile(app, settings)
    periodic.schedule_watch(app, settings)
    for queue in queues:
        heartbeat.schedule_queue_heartbeat(app, settings, model=queue)
    worker_process_init.connect(resource_release.lower_mmap_threshold, weak=False)
    visibility.schedule_renewal(app, settings, group=protocol.worker_group())
    return run_worker(app, settings, queues=queues, name=name, concurrency=concurrency, flag=flag)


def run_recognizer(settings: Settings, profile: Profile, *, name: str, concurrency: int) -> int:
    """Recognize tiles with a profile's models until a signal stops the worker or its models cannot be loaded.

    Args:
        settings: The farm's settings.
        profile: The models and how they run; its recognizer names the queue.
        name: The worker's name among those of the host.
        concurrency: The number of child processes, each of which loads the models before its first tile.

    Returns:
        The exit code: that of the error if the models cannot be loaded.
    """
    app, flag = make_app(settings, profile.recognizer), shutdown.StopFlag()
    open_worker_context = cache(partial(open_context, settings, profile.runtime, should_stop=flag.is_set))
    register_tasks(app, open_worker_context)
    queue = protocol.recognize_queue(profile.recognizer)
    declare_queue(app, queue)
    heartbeat.schedule_queue_heartbeat(app, settings, model=profile.recognizer)
    visibility.schedule_renewal(app, settings, group=protocol.worker_group(profile.recognizer))
    failed = mmap(-1, 1)  # shared with the children
    load_models = partial(preflight.load_models, open_worker_context, profile, name=name, exit_code=failed)
    worker_process_init.connect(load_models, weak=False)
    code = run_worker(app, settings, queues=[queue], name=name, concurrency=concurrency, flag=flag)
    return failed[0] or code


def run_worker(
    app: Celery, settings: Settings, *, queues: list[str], name: str, concurrency: int, flag: shutdown.StopFlag
) -> int:
    """Consume queues with the options that all stages share, until a signal stops the worker.

    Args:
        app: The Celery app, with its tasks.
        settings: The farm's settings.
        queues: The names of the queues to consume.
        name: The worker's name among those of the host.
        concurrency: The number of child processes.
        flag: Tells the children that the worker stops.

    Returns:
        The exit code.
    """
    heartbeat.schedule_file_heartbeat(app, settings.endpoints.health_dir, name=name)
    heartbeat.schedule_registry_heartbeat(app, settings, name=name, queues=queues)
    install_task_logging(app)
    message_check.install_message_check(settings)
    resource_release.install_resource_release(app)
    shutdown.install_signal_handlers(settings.task_limits.shutdown_timeout, flag)
    _restrict_remote_control()
    worker_process_init.connect(die_with_parent, weak=False)
    _share_temp_dir()
    worker_process_init.connect(lambda **_: setup_tracing(settings, name), weak=False)
    worker = app.Worker(
        hostname=host_format(f"{name}@%h"),
        queues=queues,
        concurrency=concurrency,
        pool="prefork",  # threads have neither time limits nor heartbeats while a task runs
        loglevel=settings.logging.log_level,
        without_gossip=True,  # traffic between workers would grow with the square of their number
        without_mingle=True,
        task_events=True,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _share_temp_dir() -> None:
    """Let the pool keep its shared memory in the folder for temporary files, where it unlinks each file at once.

    By default it makes a folder of its own there, which stays if the worker is killed.
    """
    multiprocessing.current_process()._config["tempdir"] = tempfile.gettempdir()  # type: ignore[attr-defined]


def _restrict_remote_control() -> None:
    """Make this process ignore all commands of Celery's remote control except those that only report."""
    for name in Panel.data.keys() - _REMOTE_COMMANDS:
        del Panel.data[name]
