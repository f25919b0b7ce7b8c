"""The exporter: Prometheus asks it for the farm's metrics, and it reads them from the broker."""

import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, get_args

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from ocrfarm.errors import BrokerError, FarmError
from ocrfarm.farm.attempts import ENDED
from ocrfarm.farm.census import Census, census_taker
from ocrfarm.farm.meters import BOUNDS, Outcome, Timing, counters, timings
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.gpus import Gpu

PORT = 9808

_UNFINISHED = ("queued", "splitting", "recognizing", "stitching")
_STAGES = ("split", "recognize", "stitch")


def serve(settings: Settings, *, address: str, port: int) -> int:
    """Answer at http://ADDRESS:PORT/metrics until told to stop; `FarmError` where nothing can listen there."""
    told = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, told)  # in the server's threads too
    try:
        server, thread = prometheus_client.start_http_server(port, address, registry=registry(census_taker(settings)))
    except OSError as error:
        raise FarmError(f"{address}:{port} cannot be listened on ({error.strerror}); choose another --port") from error
    signal.sigwait(told)
    server.shutdown()
    server.server_close()
    thread.join()
    return 0


def registry(take: Callable[[], Census]) -> CollectorRegistry:
    """Give a registry that takes a census at each question, and nothing else: this process itself is of no interest."""
    found = CollectorRegistry()
    found.register(_Farm(take))
    return found


class _Farm(Collector):
    """Turns a census into metrics; where the broker is away, only that is said."""

    def __init__(self, take: Callable[[], Census]) -> None:
        self._take = take

    def describe(self) -> list[Metric]:
        """Give nothing: registering must not wait for the broker."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give all metrics."""
        try:
            census = self._take()
        except BrokerError:
            yield _gauge("broker_up", "1 where the broker answers", 0)
            return
        yield _gauge("broker_up", "1 where the broker answers", 1)
        yield _gauge("broker_memory_bytes", "memory that the broker uses", census.memory)
        yield _gauge("broker_memory_limit_bytes", "its maxmemory; 0: none", census.limit)
        yield from _waiting(census)
        yield from _workers(census)
        yield from _gpus(census)
        yield from _counted(census.meters)
        yield from _timed(census.meters)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"ocrfarm_{name}", text, value=value)


def _waiting(census: Census) -> Iterator[Metric]:
    labels = ("queue", "priority")
    messages = GaugeMetricFamily("ocrfarm_queue_messages", "messages that wait", labels=labels)
    oldest = GaugeMetricFamily("ocrfarm_queue_oldest_seconds", "age of the message that is served next", labels=labels)
    for depth in census.queues:
        at = (depth.queue, str(depth.priority))
        messages.add_metric(at, depth.messages)
        oldest.add_metric(at, max(census.taken - depth.sent, 0.0) if depth.sent else 0.0)
    in_hand = GaugeMetricFamily("ocrfarm_unacked_messages", "messages that workers have in hand", labels=["lane"])
    for lane, count in census.in_hand.items():
        in_hand.add_metric([lane], count)
    jobs = GaugeMetricFamily("ocrfarm_jobs_unfinished", "jobs that have not ended", labels=["state"])
    for state in _UNFINISHED:
        jobs.add_metric([state], sum(job.state == state for job in census.jobs))
    yield from (messages, oldest, in_hand, jobs)
    yield _gauge("tiles_left", "tiles of unfinished jobs that nobody has read yet", census.tiles_left)
    unread = sum(bool(job.waiting) for job in census.jobs)
    yield _gauge("jobs_without_worker", "jobs whose recognizer no worker holds", unread)


def _workers(census: Census) -> Iterator[Metric]:
    count = GaugeMetricFamily("ocrfarm_workers", "workers that read a queue", labels=["queue"])
    for queue in sorted({depth.queue for depth in census.queues}):
        count.add_metric([queue], sum(queue in worker.queues for worker in census.workers))
    children = GaugeMetricFamily("ocrfarm_worker_children", "processes that work", labels=["worker"])
    memory = GaugeMetricFamily("ocrfarm_worker_memory_bytes", "resident memory of all its processes", labels=["worker"])
    for worker in census.workers:
        children.add_metric([worker.name], worker.children)
        if worker.memory:
            memory.add_metric([worker.name], worker.memory)
    yield from (count, children, memory)


_OF_A_GPU: dict[str, tuple[str, Callable[["Gpu"], float]]] = {
    "gpu_memory_used_bytes": ("memory that somebody has taken", lambda gpu: gpu.used),
    "gpu_memory_bytes": ("all its memory", lambda gpu: gpu.total),
    "gpu_busy_ratio": ("share of the last moments in which it worked", lambda gpu: gpu.busy / 100),
    "gpu_temperature_celsius": ("degrees", lambda gpu: gpu.degrees),
}


def _gpus(census: Census) -> Iterator[Metric]:
    """Give the GPUs of the workers' hosts; workers of one host see the same ones."""
    seen = {(worker.host, gpu.index): gpu for worker in census.workers for gpu in worker.gpus}
    for name, (text, of) in _OF_A_GPU.items() if seen else ():
        family = GaugeMetricFamily(f"ocrfarm_{name}", text, labels=["host", "gpu", "name"])
        for (host, index), gpu in seen.items():
            family.add_metric([host, str(index), gpu.name], of(gpu))
        yield family


def _counted(meters: dict[str, int]) -> Iterator[Metric]:
    """Give the counters; those whose labels are known beforehand begin with 0, so that their first step is seen."""
    yield _counter("tiles", "tiles by what became of them", meters, ("outcome", get_args(Outcome)))
    yield _counter("jobs", "jobs by how they ended", meters, ("state", ENDED))
    yield _counter("retries", "tiles (or jobs, for split and stitch) begun again", meters, ("stage", _STAGES))
    yield _counter("pixels", "pixels that were read, overlaps too", meters, ("model", ()))
    yield CounterMetricFamily(
        "ocrfarm_troubles", "tiles that broke the engine or hung", value=meters.get("troubles", 0)
    )
    yield _counter("lines", "lines of finished documents by who read them", meters, ("model", ()))
    yield _counter("recognizer_columns", "columns of the recognizer's input", meters, ("model", ()), key="columns")
    yield _counter("recognizer_padding", "those of them that hold nothing", meters, ("model", ()), key="padding")


def _counter(
    name: str, text: str, meters: dict[str, int], label: tuple[str, tuple[str, ...]], *, key: str = ""
) -> Metric:
    family = CounterMetricFamily(f"ocrfarm_{name}", text, labels=[label[0]])
    for value, count in (dict.fromkeys(label[1], 0) | counters(meters, key or name)).items():
        family.add_metric([value], count)
    return family


def _timed(meters: dict[str, int]) -> Iterator[Metric]:
    stages = HistogramMetricFamily(
        "ocrfarm_stage_seconds",
        "seconds to split or stitch a job, or of the engine for a tile (or a part of one)",
        labels=["stage", "model"],
    )
    for (stage, model), timing in timings(meters, "stage").items():
        stages.add_metric([stage, model.strip("-")], *_cumulated(timing))
    loads = HistogramMetricFamily("ocrfarm_model_load_seconds", "seconds to load the models", labels=["model"])
    for (model,), timing in timings(meters, "load").items():
        loads.add_metric([model], *_cumulated(timing))
    yield from (stages, loads)


def _cumulated(timing: Timing) -> tuple[list[tuple[str, float]], float]:
    """Give Prometheus' buckets, each of which counts all shorter times too, and the sum."""
    total, buckets = 0, []
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), timing.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets, timing.seconds
