"""Histograms and counters: what goes into the broker's hash comes out of the exporter's text."""

from bisect import bisect_left
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from ocrfarm.errors import BrokerUnreachable
from ocrfarm.farm.census import Census
from ocrfarm.farm.depths import Depth
from ocrfarm.farm.gpus import Gpu
from ocrfarm.farm.meters import BOUNDS, counters, timings
from ocrfarm.farm.progress import JobStatus
from ocrfarm.farm.roster import Worker
from tests.unit.exposition import Samples, samples, value
from workers.metrics import registry

GPU = Gpu(0, "H100", 80, 20, 50, 61)
WORKERS = tuple(Worker(f"{name}@host", "host", ("recognize.tiny",), 1, 100, (GPU,)) for name in ("a", "b"))
JOB = JobStatus(id="x", state="recognizing", tiles=10, blank=2, done=3, failed=1, waiting="no worker reads it")


def _census(meters: dict[str, int]) -> Census:
    return Census(
        jobs=(JOB,),
        ended=(),
        queues=(Depth("recognize.tiny", 0, 3, 990.0), Depth("recognize.tiny", 5, 0, 0.0)),
        in_hand={"recognize": 2},
        workers=WORKERS,
        meters=meters,
        memory=50,
        limit=100,
        taken=1000.0,
    )


def _shown(meters: dict[str, int]) -> Samples:
    return samples(generate_latest(registry(lambda: _census(meters))).decode())


def _one(meters: dict[str, int], metric: str, /, **labels: str) -> float:
    return value(_shown(meters), metric, **labels)


@given(st.lists(st.floats(0, 5000), max_size=50))
def test_a_histogram_counts_all_that_is_not_longer_than_each_bound(times: list[float]) -> None:
    meters: Counter[str] = Counter()
    for seconds in times:  # as `Meters` writes them down
        meters[f"stage recognize tiny {bisect_left(BOUNDS, seconds)}"] += 1
        meters["stage recognize tiny sum"] += round(seconds * 1000)
    shown = _shown(dict(meters))
    labels = {("stage", "recognize"), ("model", "tiny")}
    for bound in BOUNDS if times else ():
        key = "ocrfarm_stage_seconds_bucket", frozenset(labels | {("le", str(bound))})
        assert shown[key] == sum(seconds <= bound for seconds in times)
    if times:
        assert shown["ocrfarm_stage_seconds_count", frozenset(labels)] == len(times)
        assert shown["ocrfarm_stage_seconds_sum", frozenset(labels)] == pytest.approx(
            sum(times), abs=0.001 * len(times)
        )


def test_counters_that_are_known_beforehand_begin_with_nothing() -> None:
    assert _one({}, "tiles_total", outcome="dead") == _one({}, "jobs_total", state="failed") == 0
    assert _one({}, "retries_total", stage="split") == _one({}, "troubles_total") == 0


def test_counters_show_what_was_counted() -> None:
    meters = {
        "tiles read": 5,
        "tiles dead": 1,
        "lines PP-OCRv6_tiny_rec": 60,
        "lines PP-OCRv6_small_rec": 10,
        "columns PP-OCRv6_tiny_rec": 640,
        "padding PP-OCRv6_tiny_rec": 200,
        "troubles": 2,
        "pixels PP-OCRv6_tiny_rec": 9,
        "jobs failed": 1,
    }
    assert counters(meters, "tiles") == {"read": 5, "dead": 1}
    assert timings(meters, "stage") == {}
    assert _one(meters, "tiles_total", outcome="read") == 5
    assert _one(meters, "lines_total", model="PP-OCRv6_small_rec") == 10
    assert _one(meters, "recognizer_columns_total", model="PP-OCRv6_tiny_rec") == 640
    assert _one(meters, "recognizer_padding_total", model="PP-OCRv6_tiny_rec") == 200
    assert _one(meters, "troubles_total") == 2
    assert _one(meters, "pixels_total", model="PP-OCRv6_tiny_rec") == 9


def test_a_look_shows_jobs_queues_and_workers() -> None:
    at = {"queue": "recognize.tiny", "priority": "0"}
    assert (_one({}, "queue_messages", **at), _one({}, "queue_oldest_seconds", **at)) == (3, 10)
    assert _one({}, "queue_oldest_seconds", **(at | {"priority": "5"})) == 0
    assert _one({}, "tiles_left") == 4
    assert _one({}, "jobs_unfinished", state="recognizing") == _one({}, "jobs_without_worker") == 1
    assert _one({}, "workers", queue="recognize.tiny") == 2
    assert _one({}, "worker_memory_bytes", worker="a@host") == 100


def test_workers_of_one_host_show_its_gpu_once() -> None:
    shown = _shown({})
    busy = [value for (name, _), value in shown.items() if name == "ocrfarm_gpu_busy_ratio"]
    assert busy == [0.5]
    assert _one({}, "gpu_memory_used_bytes", host="host", gpu="0", name="H100") == 20


def test_a_broker_that_is_away_is_all_that_is_told() -> None:
    def away() -> Census:
        raise BrokerUnreachable("away")

    text = generate_latest(registry(away)).decode()
    assert [line for line in text.splitlines() if not line.startswith("#")] == ["ocrfarm_broker_up 0.0"]
