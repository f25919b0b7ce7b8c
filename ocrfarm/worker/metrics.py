"""The exporter: Prometheus asks it for the farm's metrics, and it reads them from the broker."""

import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, get_args

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from ocrfarm.errors import BrokerError, FarmError
from ocrfarm.farm.metrics import BUCKET_BOUNDS, Histogram, TileOutcome, select_counter, select_histogram
from ocrfarm.farm.protocol import ACTIVE_STATES, FINAL_STATES
from ocrfarm.farm.snapshot import FarmSnapshot, make_snapshot_reader
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.worker_registry import Gpu

PORT = 9808

_STAGES = ("split", "recognize", "stitch")


def serve(settings: Settings, *, address: str, port: int) -> int:
    """Answer at http://ADDRESS:PORT/metrics until told to stop; `FarmError` where nothing can listen there."""
    told = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, told)  # in the server's threads too
    try:
        server, thread = prometheus_client.start_http_server(
            port, address, registry=make_registry(make_snapshot_reader(settings))
        )
    except OSError as error:
        raise FarmError(f"{address}:{port} cannot be listened on ({error.strerror}); choose another --port") from error
    signal.sigwait(told)
    server.shutdown()
    server.server_close()
    thread.join()
    return 0


def make_registry(take_snapshot: Callable[[], FarmSnapshot]) -> CollectorRegistry:
    """Give a registry that takes a snapshot at each question, and nothing else: this process is of no interest."""
    found = CollectorRegistry()
    found.register(_FarmCollector(take_snapshot))
    return found


class _FarmCollector(Collector):
    """Turns a snapshot into metrics; where the broker is away, only that is said."""

    def __init__(self, take_snapshot: Callable[[], FarmSnapshot]) -> None:
        self._take_snapshot = take_snapshot

    def describe(self) -> list[Metric]:
        """Give nothing: registering must not wait for the broker."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give all metrics."""
        try:
            snapshot = self._take_snapshot()
        except BrokerError:
            yield _gauge("broker_up", "1 where the broker answers", 0)
            return
        yield _gauge("broker_up", "1 where the broker answers", 1)
        yield _gauge("broker_memory_bytes", "memory that the broker uses", snapshot.broker_memory)
        yield _gauge("broker_memory_limit_bytes", "its maxmemory; 0: none", snapshot.broker_memory_limit)
        yield from _queue_metrics(snapshot)
        yield from _worker_metrics(snapshot)
        yield from _gpu_metrics(snapshot)
        yield from _counter_metrics(snapshot.counters)
        yield from _duration_metrics(snapshot.counters)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"ocrfarm_{name}", text, value=value)


def _queue_metrics(snapshot: FarmSnapshot) -> Iterator[Metric]:
    labels = ("queue", "priority")
    messages = GaugeMetricFamily("ocrfarm_queue_messages", "messages that wait", labels=labels)
    oldest = GaugeMetricFamily(
        "ocrfarm_queue_oldest_message_age_seconds", "age of the message that is served next", labels=labels
    )
    for depth in snapshot.queues:
        at = (depth.queue, str(depth.priority))
        messages.add_metric(at, depth.messages)
        oldest.add_metric(at, max(snapshot.taken_at - depth.oldest_sent_at, 0.0) if depth.oldest_sent_at else 0.0)
    unacked = GaugeMetricFamily("ocrfarm_unacked_messages", "messages that workers have in hand", labels=["queue"])
    for group, count in snapshot.unacked.items():
        unacked.add_metric([group], count)
    jobs = GaugeMetricFamily("ocrfarm_jobs_active", "jobs that have not ended", labels=["state"])
    for state in ACTIVE_STATES:
        jobs.add_metric([state], sum(job.state == state for job in snapshot.active_jobs))
    yield from (messages, oldest, unacked, jobs)
    yield _gauge("tiles_pending", "tiles of unfinished jobs that nobody has read yet", snapshot.tiles_pending)
    unserved = sum(bool(job.waiting) for job in snapshot.active_jobs)
    yield _gauge("jobs_without_worker", "jobs whose recognizer no worker holds", unserved)


def _worker_metrics(snapshot: FarmSnapshot) -> Iterator[Metric]:
    count = GaugeMetricFamily("ocrfarm_workers", "workers that read a queue", labels=["queue"])
    for queue in sorted({depth.queue for depth in snapshot.queues}):
        count.add_metric([queue], sum(queue in worker.queues for worker in snapshot.workers))
    processes = GaugeMetricFamily("ocrfarm_worker_processes", "processes that work", labels=["worker"])
    memory = GaugeMetricFamily("ocrfarm_worker_memory_bytes", "resident memory of all its processes", labels=["worker"])
    for worker in snapshot.workers:
        processes.add_metric([worker.name], worker.processes)
        if worker.memory:
            memory.add_metric([worker.name], worker.memory)
    yield from (count, processes, memory)


_GPU_METRICS: dict[str, tuple[str, Callable[["Gpu"], float]]] = {
    "gpu_memory_used_bytes": ("memory that somebody has taken", lambda gpu: gpu.memory_used),
    "gpu_memory_bytes": ("all its memory", lambda gpu: gpu.memory_total),
    "gpu_utilization_ratio": ("share of the last moments in which it worked", lambda gpu: gpu.utilization / 100),
    "gpu_temperature_celsius": ("degrees", lambda gpu: gpu.temperature),
}


def _gpu_metrics(snapshot: FarmSnapshot) -> Iterator[Metric]:
    """Give the GPUs of the workers' hosts; workers of one host see the same ones."""
    seen = {(worker.host, gpu.index): gpu for worker in snapshot.workers for gpu in worker.gpus}
    for name, (text, of) in _GPU_METRICS.items() if seen else ():
        family = GaugeMetricFamily(f"ocrfarm_{name}", text, labels=["host", "gpu", "name"])
        for (host, index), gpu in seen.items():
            family.add_metric([host, str(index), gpu.name], of(gpu))
        yield family


def _counter_metrics(totals: dict[str, int]) -> Iterator[Metric]:
    """Give the counters; those whose labels are known beforehand begin with 0, so that their first step is seen."""
    model: tuple[str, tuple[str, ...]] = ("model", ())
    yield _counter("tiles", "tiles by what became of them", totals, ("outcome", get_args(TileOutcome)))
    yield _counter("jobs", "jobs by how they ended", totals, ("state", FINAL_STATES))
    yield _counter("retries", "tiles (or jobs, for split and stitch) begun again", totals, ("stage", _STAGES))
    yield _counter("pixels", "pixels that were read, overlaps too", totals, model)
    yield CounterMetricFamily(
        "ocrfarm_tile_failures", "tiles that broke the engine or hung", value=totals.get("failures", 0)
    )
    yield _counter("lines", "lines of finished documents by who read them", totals, model)
    yield _counter(
        "recognizer_columns", "columns of the recognizer's input", totals, ("model", ()), key="input_columns"
    )
    yield _counter(
        "recognizer_padding", "those of them that hold nothing", totals, ("model", ()), key="padding_columns"
    )


def _counter(
    name: str, text: str, totals: dict[str, int], label: tuple[str, tuple[str, ...]], *, key: str = ""
) -> Metric:
    family = CounterMetricFamily(f"ocrfarm_{name}", text, labels=[label[0]])
    for value, count in (dict.fromkeys(label[1], 0) | select_counter(totals, key or name)).items():
        family.add_metric([value], count)
    return family


def _duration_metrics(totals: dict[str, int]) -> Iterator[Metric]:
    stages = HistogramMetricFamily(
        "ocrfarm_stage_duration_seconds",
        "seconds to split or stitch a job, or of the engine for a tile (or a part of one)",
        labels=["stage", "model"],
    )
    for (stage, model), timing in select_histogram(totals, "stage").items():
        stages.add_metric([stage, model.strip("-")], *_cumulative_buckets(timing))
    loads = HistogramMetricFamily("ocrfarm_model_load_duration_seconds", "seconds to load the models", labels=["model"])
    for (model,), timing in select_histogram(totals, "load").items():
        loads.add_metric([model], *_cumulative_buckets(timing))
    yield from (stages, loads)


def _cumulative_buckets(timing: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Give Prometheus' buckets, each of which counts all shorter times too, and the sum."""
    total, buckets = 0, []
    for bound, count in zip((*map(str, BUCKET_BOUNDS), "+Inf"), timing.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets, timing.seconds
