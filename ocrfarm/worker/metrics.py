"""`ocrfarm worker metrics`: reads the farm's counters and state from the broker each time Prometheus asks for them.

```
 workers --- add to counters ---> broker <--- one snapshot a scrape --- exporter <--- GET /metrics --- Prometheus
```

Counters live in the broker because worker processes come and go (see `ocrfarm.farm.metrics`); the exporter holds no
state, so it may be restarted or replicated at any time.
"""

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, get_args

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from ocrfarm.errors import BrokerError, FarmError
from ocrfarm.farm.job_store import NO_WORKER
from ocrfarm.farm.metrics import (
    BUCKET_BOUNDS,
    JOB_BUCKET_BOUNDS,
    Histogram,
    TileOutcome,
    parse_label,
    select_counter,
    select_histogram,
    select_usage,
)
from ocrfarm.farm.protocol import ACTIVE_STATES, FINAL_STATES
from ocrfarm.farm.snapshot import FarmSnapshot, make_snapshot_reader
from ocrfarm.printable import printable
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.worker_registry import Gpu

_log = logging.getLogger(__name__)

PORT = 9808

_STAGES = ("split", "recognize", "stitch")


def serve(settings: Settings, *, address: str, port: int) -> int:
    """Answer requests for `/metrics` until a signal stops the exporter.

    Args:
        settings: The farm's settings.
        address: The address to listen at.
        port: The TCP port.

    Returns:
        The exit code, 0.

    Raises:
        FarmError: The address and port cannot be listened at.
    """
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # in the server's threads too
    try:
        server, thread = prometheus_client.start_http_server(
            port, address, registry=make_registry(make_snapshot_reader(settings))
        )
    except OSError as error:
        raise FarmError(f"cannot listen at {address}:{port} ({error.strerror}); choose another --port") from error
    _log.info("metrics are at http://%s:%s/metrics", address, port)
    signal.sigwait(signals)
    server.shutdown()
    server.server_close()
    thread.join()
    return 0


def make_registry(take_snapshot: Callable[[], FarmSnapshot]) -> CollectorRegistry:
    """Return a registry that takes a snapshot of the farm for each scrape, without metrics of its own process."""
    registry = CollectorRegistry()
    registry.register(_FarmCollector(take_snapshot))
    return registry


class _FarmCollector(Collector):
    """Turns a snapshot into metrics; if the broker is unreachable, `ocrfarm_broker_up` is the only one."""

    def __init__(self, take_snapshot: Callable[[], FarmSnapshot]) -> None:
        self._take_snapshot = take_snapshot

    def describe(self) -> list[Metric]:
        """Return nothing, since registering must not wait for the broker."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        try:
            snapshot = self._take_snapshot()
        except BrokerError:
            yield _gauge("broker_up", "1 if the broker answers, 0 if it does not", 0)
            return
        yield _gauge("broker_up", "1 if the broker answers, 0 if it does not", 1)
        yield _gauge("broker_memory_bytes", "memory that the broker uses", snapshot.broker_memory)
        yield _gauge("broker_memory_limit_bytes", "the broker's maxmemory; 0: no limit", snapshot.broker_memory_limit)
        yield from _queue_metrics(snapshot)
        yield from _job_metrics(snapshot)
        yield from _worker_metrics(snapshot)
        yield from _gpu_metrics(snapshot)
        yield from _counter_metrics(snapshot.counters)
        yield from _duration_metrics(snapshot.counters)
        yield from _usage_metrics(snapshot.counters)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"ocrfarm_{name}", text, value=value)


def _queue_metrics(snapshot: FarmSnapshot) -> Iterator[Metric]:
    labels = ("queue", "priority")
    messages = GaugeMetricFamily("ocrfarm_queue_messages", "messages that wait in the queue", labels=labels)
    oldest = GaugeMetricFamily(
        "ocrfarm_queue_oldest_message_age_seconds", "age of the message that is consumed next", labels=labels
    )
    for depth in snapshot.queues:
        values = (depth.queue, str(depth.priority))
        messages.add_metric(values, depth.messages)
        oldest.add_metric(values, max(snapshot.taken_at - depth.oldest_sent_at, 0.0) if depth.oldest_sent_at else 0.0)
    unacked = GaugeMetricFamily(
        "ocrfarm_unacked_messages", "messages that workers have taken and not acknowledged", labels=["queue"]
    )
    for group, count in snapshot.unacked.items():
        unacked.add_metric([group], count)
    yield from (messages, oldest, unacked)


def _job_metrics(snapshot: FarmSnapshot) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("ocrfarm_jobs_active", "jobs that have not ended", labels=["state"])
    for state in ACTIVE_STATES:
        jobs.add_metric([state], sum(job.state == state for job in snapshot.active_jobs))
    yield jobs
    yield _gauge("tiles_pending", "tiles of active jobs that are not read yet", snapshot.tiles_pending)
    unserved = sum(NO_WORKER in job.waiting for job in snapshot.active_jobs)
    yield _gauge("jobs_without_worker", "active jobs whose next queue no worker reads", unserved)
    waiting = sum(bool(job.waiting) for job in snapshot.active_jobs)
    yield _gauge("jobs_waiting", "active jobs that wait for a worker, a silent worker or their image", waiting)


def _worker_metrics(snapshot: FarmSnapshot) -> Iterator[Metric]:
    count = GaugeMetricFamily("ocrfarm_workers", "workers that consume the queue", labels=["queue"])
    for queue in sorted({depth.queue for depth in snapshot.queues}):
        count.add_metric([queue], sum(queue in worker.queues for worker in snapshot.workers))
    processes = GaugeMetricFamily("ocrfarm_worker_processes", "child processes of the worker", labels=["worker"])
    memory = GaugeMetricFamily(
        "ocrfarm_worker_memory_bytes", "resident memory of the worker and its children", labels=["worker"]
    )
    for worker in snapshot.workers:
        processes.add_metric([printable(worker.name)], worker.processes)
        if worker.memory:
            memory.add_metric([printable(worker.name)], worker.memory)
    yield from (count, processes, memory)


_GPU_METRICS: dict[str, tuple[str, Callable[["Gpu"], float]]] = {
    "gpu_memory_used_bytes": ("memory in use, by any process", lambda gpu: gpu.memory_used),
    "gpu_memory_bytes": ("total memory", lambda gpu: gpu.memory_total),
    "gpu_utilization_ratio": ("fraction of the driver's last sample period in use", lambda gpu: gpu.utilization / 100),
    "gpu_temperature_celsius": ("temperature in degrees Celsius", lambda gpu: gpu.temperature),
}
"""Name -> help text and value."""


def _gpu_metrics(snapshot: FarmSnapshot) -> Iterator[Metric]:
    """Yield the metrics of each GPU once, although all workers of a host report it."""
    gpus = {(worker.host, gpu.index): gpu for worker in snapshot.workers for gpu in worker.gpus}
    for name, (text, value_of) in _GPU_METRICS.items() if gpus else ():
        family = GaugeMetricFamily(f"ocrfarm_{name}", text, labels=["host", "gpu", "name"])
        for (host, index), gpu in gpus.items():
            family.add_metric([printable(host), str(index), printable(gpu.name)], value_of(gpu))
        yield family


def _counter_metrics(totals: dict[str, int]) -> Iterator[Metric]:
    """Yield the counters. Those whose labels are known in advance start at 0, so that their first increase is seen."""
    model: tuple[str, tuple[str, ...]] = ("model", ())
    yield _counter("tiles", "tiles by outcome", totals, ("outcome", get_args(TileOutcome)))
    yield _counter("jobs", "jobs by final state", totals, ("state", FINAL_STATES))
    yield _counter("rejected_messages", "messages that workers did not understand", totals, ("queue", ()))
    yield _counter("retries", "tiles (for split and stitch: jobs) started again", totals, ("stage", _STAGES))
    yield _counter("pixels", "pixels read, including the overlaps of tiles", totals, model)
    yield CounterMetricFamily(
        "ocrfarm_tile_failures", "attempts at a tile that made the engine fail or time out", totals.get("failures", 0)
    )
    yield _counter("lines", "lines of finished documents by the model that read them", totals, model)
    columns = "pixel columns of the recognizer's input"
    yield _counter("recognizer_columns", columns, totals, model, key="input_columns")
    yield _counter("recognizer_padding", f"{columns} that are padding", totals, model, key="padding_columns")


def _counter(
    name: str, text: str, totals: dict[str, int], label: tuple[str, tuple[str, ...]], *, key: str = ""
) -> Metric:
    """Return a counter with one label.

    >>> [(sample.labels, sample.value) for sample in _counter("jobs", "", {"jobs failed": 2}, ("state", ())).samples]
    [({'state': 'failed'}, 2)]
    """
    family = CounterMetricFamily(f"ocrfarm_{name}", text, labels=[label[0]])
    for value, count in (dict.fromkeys(label[1], 0) | select_counter(totals, key or name)).items():
        family.add_metric([value], count)
    return family


def _duration_metrics(totals: dict[str, int]) -> Iterator[Metric]:
    stages = HistogramMetricFamily(
        "ocrfarm_stage_duration_seconds",
        "seconds to split or stitch a job, or to recognize a tile (or a part of one)",
        labels=["stage", "model"],
    )
    for (stage, model), timing in select_histogram(totals, "stage").items():
        stages.add_metric([stage, model.strip("-")], *_cumulative_buckets(timing))
    loads = HistogramMetricFamily("ocrfarm_model_load_duration_seconds", "seconds to load the models", labels=["model"])
    for (model,), timing in select_histogram(totals, "load").items():
        loads.add_metric([model], *_cumulative_buckets(timing))
    yield from (stages, loads)


def _usage_metrics(totals: dict[str, int]) -> Iterator[Metric]:
    """Yield what the jobs of each owner and profile used, and how long they took from submission to end."""
    labels = ("owner", "profile")
    texts = {
        "jobs": "jobs that ended",
        "tiles": "tiles that were read or given up",
        "pixels": "pixels of the pages of jobs that ended",
        "engine_seconds": "seconds that the engine took, in all processes together",
    }
    used = select_usage(totals)
    for name, text in texts.items():
        family = CounterMetricFamily(f"ocrfarm_usage_{name}", text, labels=labels)
        for usage in used:
            family.add_metric([printable(usage.owner), printable(usage.profile)], getattr(usage, name))
        yield family
    durations = HistogramMetricFamily(
        "ocrfarm_job_duration_seconds", "seconds from the submission of a job with a result to its end", labels=labels
    )
    for pair, timing in select_histogram(totals, "job").items():
        buckets = _cumulative_buckets(timing, JOB_BUCKET_BOUNDS)
        durations.add_metric([printable(parse_label(label)) for label in pair], *buckets)
    yield durations


def _cumulative_buckets(
    timing: Histogram, bounds: Sequence[float] = BUCKET_BOUNDS
) -> tuple[list[tuple[str, float]], float]:
    """Return Prometheus' buckets, each of which also counts all shorter times, and the sum in seconds.

    >>> buckets, seconds = _cumulative_buckets(Histogram([1, 2] + [0] * 11 + [1], 700.0))
    >>> buckets[:2], buckets[-1], seconds
    ([('0.1', 1.0), ('0.25', 3.0)], ('+Inf', 4.0), 700.0)
    """
    total, buckets = 0, []
    for bound, count in zip((*map(str, bounds), "+Inf"), timing.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets, timing.seconds
