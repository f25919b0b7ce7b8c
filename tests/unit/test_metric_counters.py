"""Histograms and counters: what goes into the broker's hash comes out of the exporter's text."""

from bisect import bisect_left
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from ocrfarm.errors import BrokerUnreachable
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.metrics import BUCKET_BOUNDS, select_counter, select_histogram
from ocrfarm.farm.queues import QueueDepth
from ocrfarm.farm.snapshot import FarmSnapshot
from ocrfarm.farm.worker_registry import Gpu, WorkerInfo
from ocrfarm.worker.metrics import make_registry
from tests.support.prometheus_text import Samples, parse_samples, sample_value

GPU = Gpu(0, "H100", 80, 20, 50, 61)
WORKERS = tuple(WorkerInfo(f"{name}@host", "host", ("recognize.tiny",), 1, 100, (GPU,)) for name in ("a", "b"))
JOB = JobStatus(id="x", state="recognizing", tiles=10, blank=2, done=3, failed=1, waiting="no worker reads it")


def _make_snapshot(counters: dict[str, int]) -> FarmSnapshot:
    return FarmSnapshot(
        active_jobs=(JOB,),
        ended_jobs=(),
        queues=(QueueDepth("recognize.tiny", 0, 3, 990.0), QueueDepth("recognize.tiny", 5, 0, 0.0)),
        unacked={"recognize": 2},
        workers=WORKERS,
        counters=counters,
        broker_memory=50,
        broker_memory_limit=100,
        taken_at=1000.0,
    )


def _export(counters: dict[str, int]) -> Samples:
    return parse_samples(generate_latest(make_registry(lambda: _make_snapshot(counters))).decode())


def _export_value(counters: dict[str, int], metric: str, /, **labels: str) -> float:
    return sample_value(_export(counters), metric, **labels)


@given(st.lists(st.floats(0, 5000), max_size=50))
def test_a_histogram_counts_all_that_is_not_longer_than_each_bound(times: list[float]) -> None:
    counters: Counter[str] = Counter()
    for seconds in times:  # as `MetricsStore` writes them down
        counters[f"stage recognize tiny {bisect_left(BUCKET_BOUNDS, seconds)}"] += 1
        counters["stage recognize tiny sum"] += round(seconds * 1000)
    shown = _export(dict(counters))
    labels = {("stage", "recognize"), ("model", "tiny")}
    for bound in BUCKET_BOUNDS if times else ():
        key = "ocrfarm_stage_duration_seconds_bucket", frozenset(labels | {("le", str(bound))})
        assert shown[key] == sum(seconds <= bound for seconds in times)
    if times:
        assert shown["ocrfarm_stage_duration_seconds_count", frozenset(labels)] == len(times)
        assert shown["ocrfarm_stage_duration_seconds_sum", frozenset(labels)] == pytest.approx(
            sum(times), abs=0.001 * len(times)
        )


def test_counters_that_are_known_beforehand_begin_with_nothing() -> None:
    assert _export_value({}, "tiles_total", outcome="failed") == _export_value({}, "jobs_total", state="failed") == 0
    assert _export_value({}, "retries_total", stage="split") == _export_value({}, "tile_failures_total") == 0


def test_counters_show_what_was_counted() -> None:
    counters = {
        "tiles read": 5,
        "tiles failed": 1,
        "lines PP-OCRv6_tiny_rec": 60,
        "lines PP-OCRv6_small_rec": 10,
        "input_columns PP-OCRv6_tiny_rec": 640,
        "padding_columns PP-OCRv6_tiny_rec": 200,
        "failures": 2,
        "pixels PP-OCRv6_tiny_rec": 9,
        "jobs failed": 1,
    }
    assert select_counter(counters, "tiles") == {"read": 5, "failed": 1}
    assert select_histogram(counters, "stage") == {}
    assert _export_value(counters, "tiles_total", outcome="read") == 5
    assert _export_value(counters, "lines_total", model="PP-OCRv6_small_rec") == 10
    assert _export_value(counters, "recognizer_columns_total", model="PP-OCRv6_tiny_rec") == 640
    assert _export_value(counters, "recognizer_padding_total", model="PP-OCRv6_tiny_rec") == 200
    assert _export_value(counters, "tile_failures_total") == 2
    assert _export_value(counters, "pixels_total", model="PP-OCRv6_tiny_rec") == 9


def test_a_snapshot_shows_jobs_queues_and_workers() -> None:
    at = {"queue": "recognize.tiny", "priority": "0"}
    assert (_export_value({}, "queue_messages", **at), _export_value({}, "queue_oldest_message_age_seconds", **at)) == (
        3,
        10,
    )
    assert _export_value({}, "queue_oldest_message_age_seconds", **(at | {"priority": "5"})) == 0
    assert _export_value({}, "tiles_pending") == 4
    assert _export_value({}, "jobs_active", state="recognizing") == _export_value({}, "jobs_without_worker") == 1
    assert _export_value({}, "workers", queue="recognize.tiny") == 2
    assert _export_value({}, "worker_memory_bytes", worker="a@host") == 100


def test_workers_of_one_host_show_its_gpu_once() -> None:
    shown = _export({})
    busy = [value for (name, _), value in shown.items() if name == "ocrfarm_gpu_utilization_ratio"]
    assert busy == [0.5]
    assert _export_value({}, "gpu_memory_used_bytes", host="host", gpu="0", name="H100") == 20


def test_a_broker_that_is_away_is_all_that_is_told() -> None:
    def away() -> FarmSnapshot:
        raise BrokerUnreachable("away")

    text = generate_latest(make_registry(away)).decode()
    assert [line for line in text.splitlines() if not line.startswith("#")] == ["ocrfarm_broker_up 0.0"]
