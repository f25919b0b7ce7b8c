"""The Celery app: every setting with its reason, how messages look in Flower, and traces of jobs."""

import time
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from celery.signals import worker_process_shutdown
from kombu import Queue

from ocrfarm.errors import SettingsError
from ocrfarm.farm import protocol
from ocrfarm.farm.keys import Keys
from ocrfarm.settings import Settings
from ocrfarm.tile import SECOND_PASS_QUADKEY, TileId

VISIBILITY_TIMEOUT = 300
"""Seconds after which a message that a worker has taken, and not renewed, is given to another worker.

This is more than the 160 s for which the worker whose batch was the last of a chord holds the right to start stitching:
if it dies, its message must not come back earlier, or no worker would start it. It is also more than workers' clocks
may differ, since each compares the times of others with its own. `renewal_interval` is how often a worker renews.
"""


def renewal_interval() -> float:
    """Return the seconds between two renewals of a message that a worker has taken: several of them may fail."""
    return min(5.0, VISIBILITY_TIMEOUT / 8)


def make_app(settings: Settings, model: str = "") -> Celery:
    """Return an app for the settings' broker, which is the result backend too; nothing is contacted yet.

    Args:
        settings: The broker and the limits.
        model: The recognizer of the worker; "" for clients and for workers that split and stitch.
    """
    url = _require_certificates(settings.endpoints.broker)
    app = Celery("ocrfarm", broker=url, backend=url, set_as_current=False, amqp=ReadableAMQP)
    app.conf.update(_message_options(), **_time_limit_options(settings), **_delivery_options(settings, model))
    app.conf.update(_backend_options(settings), **_worker_options(settings, model))
    return app


def _require_certificates(url: str) -> str:
    """Return a rediss:// URL that demands a check of the server's certificate, as Celery does not check by default."""
    if not url.startswith("rediss://") or "ssl_cert_reqs" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"


def declare_queue(app: Celery, queue: str) -> None:
    """Make a queue known to the app, which refuses all other queues, so that a typo cannot swallow messages.

    Args:
        app: The app that publishes or consumes.
        queue: The queue's name.
    """
    if queue not in app.amqp.queues:
        app.amqp.queues.add(Queue(queue))


def _message_options() -> dict[str, Any]:
    return {
        # JSON only. What is accepted matters most: a pickle in the queue would run its sender's code.
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "task_queues": [Queue(protocol.SPLIT_QUEUE), Queue(protocol.STITCH_QUEUE)],
        "task_create_missing_queues": False,  # see `declare_queue`
        "task_default_queue": protocol.SPLIT_QUEUE,
        "task_routes": {
            protocol.SPLIT: {"queue": protocol.SPLIT_QUEUE},
            **{
                name: {"queue": protocol.STITCH_QUEUE}
                for name in (protocol.STITCH, protocol.RESUME, protocol.RECONCILE)
            },
        },
        "task_default_priority": protocol.PRIORITIES[
            0
        ],  # split and stitch are short: they never wait behind each other
        "enable_utc": True,
    }


def _time_limit_options(settings: Settings) -> dict[str, Any]:
    """Return limits by task, not by queue: the worker of the last batch sends stitch, and its limits with it."""
    control = (protocol.SPLIT, protocol.STITCH, protocol.RESUME, protocol.RECONCILE)
    return {
        "task_annotations": {
            protocol.RECOGNIZE: _time_limits(settings.task_limits.batch_time_limit),
            **{name: _time_limits(settings.task_limits.job_time_limit) for name in control},
        }
    }


def _time_limits(hard: int) -> dict[str, int]:
    """Return a hard limit, and a soft one before it, which raises an exception and so keeps the loaded model."""
    return {"time_limit": hard, "soft_time_limit": hard * 5 // 6}


def _delivery_options(settings: Settings, model: str) -> dict[str, Any]:
    group, keys = protocol.worker_group(model), Keys("")  # kombu puts the prefix before them
    return {
        "task_acks_late": True,  # a message outlives the death of its worker
        "task_reject_on_worker_lost": True,  # run again at once; attempts are counted, so no poison tile loops
        "task_acks_on_failure": True,  # a task that raised has already ended its job
        "task_acks_on_timeout": False,  # the hard limit kills the child; the batch is tried again, and counted
        "worker_prefetch_multiplier": 1,  # with late acknowledgement: what is reserved is what runs
        # Redis being away must not make publishers give up: the default ends after a second, a failover takes 30.
        "task_publish_retry": True,
        "task_publish_retry_policy": {
            "max_retries": 20,
            "interval_start": 0.2,
            "interval_step": 0.5,
            "interval_max": 5,
        },
        "broker_connection_retry_on_startup": True,
        "broker_channel_error_retry": True,  # a broker without memory is one that is away: the default ends the worker
        "broker_connection_max_retries": None,  # a worker keeps its loaded model while Redis is away
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # True kills tiles that could still be stored
        "broker_transport_options": {
            **_connection_options(settings),
            # After this long an unacknowledged message is given to another worker, the first being dead: a living one
            # extends its leases, so that a task may take longer.
            "visibility_timeout": VISIBILITY_TIMEOUT,
            # One set of keys per group of workers: the shortest visibility of all that share them would win.
            "unacked_key": keys.unacked(group),
            "unacked_index_key": keys.unacked_index(group),
            "unacked_mutex_key": keys.unacked_mutex(group),
            # Look for lost messages every 10 x 1 seconds; the defaults look every 100.
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "priority_steps": list(protocol.PRIORITIES),
            "sep": ":",  # lists are named queue:5; the default separator cannot be typed in a scaler's settings
            "queue_order_strategy": "round_robin",
        },
    }


def _backend_options(settings: Settings) -> dict[str, Any]:
    return {
        "result_backend_transport_options": {"global_keyprefix": settings.endpoints.key_prefix},
        # Without it a restart of Redis turns finished batches into failures, and their chord with them.
        "result_backend_always_retry": True,
        "result_backend_max_retries": 30,  # the default never ends: a child would hang for ever
        "redis_socket_timeout": 30,
        "redis_socket_keepalive": not _is_unix(settings),
        "redis_retry_on_timeout": True,
        "redis_backend_health_check_interval": 30,  # idle connections are dropped on the way during long batches
        "result_expires": settings.task_limits.job_ttl,  # results of header tasks: 100 bytes each
        "result_chord_expires": settings.task_limits.job_ttl,  # a job that pauses longer than this can never be joined
        "task_ignore_result": False,  # the stored result is the gate of the chord that is retried
    }


def _is_unix(settings: Settings) -> bool:
    """Return whether the broker is behind a unix socket, whose connections refuse the options of TCP."""
    return settings.endpoints.broker.startswith("redis+socket")


def _connection_options(settings: Settings) -> dict[str, Any]:
    return {
        "global_keyprefix": settings.endpoints.key_prefix,
        "socket_timeout": 30,  # the default waits for ever on a half-open connection
        "socket_connect_timeout": 5,
        "socket_keepalive": not _is_unix(settings),
        "health_check_interval": 25,
    }


def _worker_options(settings: Settings, model: str) -> dict[str, Any]:
    limits = settings.admission
    return {
        # A child that once had more is replaced after its task, which bounds what leaks; see `ocrfarm.worker.preflight`
        # for models that are larger than this from the start. In KiB.
        "worker_max_memory_per_child": (limits.recognize_memory_mb if model else limits.split_memory_mb) << 10,
        # A replacement for a dead child is killed when it is not up in time: the default of 4 s is shorter than
        # loading a model, so the worker would live and never work.
        "worker_proc_alive_timeout": settings.task_limits.model_load_timeout,
        "worker_soft_shutdown_timeout": 0,  # it would sleep for all of its time; see `ocrfarm.worker.shutdown`
        "worker_send_task_events": True,  # for Flower
        "task_send_sent_event": True,
        "worker_hijack_root_logger": False,
        "worker_pool_restarts": False,
        "worker_disable_prefetch": bool(model),  # a long batch must not hold the next one back
    }


class ReadableAMQP(AMQP):
    """Celery's message factory, which adds a readable form of the arguments, and when the message was sent."""

    def as_task_v2(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - Celery's own, of which `args` is the third
        """Return a message of Celery's second protocol.

        Args:
            args: Celery's own: the task's id, its name and its arguments.
            options: Celery's own.
        """
        options["argsrepr"] = describe_args(args[2])
        options["kwargsrepr"] = _describe_model(str(getattr(options.get("queue"), "name", "")))
        message = super().as_task_v2(*args, **options)
        message.headers[protocol.SENT_HEADER] = time.time()
        return message


def describe_args(args: Any) -> str:  # noqa: ANN401 - what a message holds
    """Return the arguments of a task in words: its tiles, and the job's id, for which one can search.

    >>> describe_args(["01J9"])
    'job 01J9'
    >>> describe_args(["01J9", ["p0000-l0-r002-c003"]])
    'page 1, tile r02c03, job 01J9'
    """
    match args:
        case [str(job)] | (str(job),):
            return f"job {job}"
        case [str(job), [str(), *_] as tiles] | (str(job), [str(), *_] as tiles):
            return f"{_describe_tiles(tiles)}, job {job}"
        case _:
            return "" if not args else repr(args)[:100]


def _describe_tiles(names: list[str]) -> str:
    try:
        first, *_ = tiles = protocol.parse_tile_ids(names)
    except ValueError:
        return f"{len(names)} tiles"
    page = f"page {first.page_index + 1}{f' level {first.level}' if first.level else ''}"
    if first.quadkey == SECOND_PASS_QUADKEY:
        return f"{page}, {len(tiles)} regions, second pass"
    if len(tiles) == 1:
        return f"{page}, tile {_describe_position(first)}"
    return f"{page}, {len(tiles)} tiles {_describe_position(first)} to {_describe_position(tiles[-1])}"


def _describe_position(tile: TileId) -> str:
    return f"r{tile.row:02d}c{tile.col:02d}"


def _describe_model(queue: str) -> str:
    model = queue.removeprefix("recognize.")
    return f"model={model}" if model != queue else ""


def setup_tracing(settings: Settings, service: str) -> None:
    """Report the messages that this process sends and works on as traces; do nothing if no collector is set.

    It must be called after a fork, which the thread that sends traces does not survive.

    Args:
        settings: The collector.
        service: What the process is called in traces.

    Raises:
        SettingsError: The packages for traces are missing.
    """
    collector = settings.endpoints.otlp_endpoint
    if not collector:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.celery import CeleryInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError(f"OCRFARM_OTLP_ENDPOINT is set, but {error}: install ocrfarm[tracing]") from error
    resource = Resource.create({"service.name": f"ocrfarm-{service}"})
    provider = TracerProvider(resource=resource)  # at its end the process sends what is left
    exporter = OTLPSpanExporter(endpoint=f"{collector.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    CeleryInstrumentor().instrument(tracer_provider=provider)  # type: ignore[no-untyped-call]

    def leave(**_: Any) -> None:  # noqa: ANN401 - whatever the signal gives
        provider.shutdown()

    worker_process_shutdown.connect(leave, weak=False)  # a child of Celery ends without Python's own last steps
