"""Many tiles at once: cancelled ones drain, small jobs go first, and what is too much is refused."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ocrfarm.errors import FarmBusy
from ocrfarm.farm import wire
from ocrfarm.farm.submit import cancel
from ocrfarm.recognize import Tiling
from ocrfarm.settings import Load, Places, Settings, Work
from ocrfarm.storage import keys
from tests.integration.farmyard import CONTROL, PROFILE, READER, Yard, sheet, yard
from tests.integration.servers import ValkeyServer

SMALL_TILES = replace(PROFILE, tiling=Tiling(256, 96, levels=False))
MOST_TILES = 700
SLOW = {"STANDIN_SECONDS": "0.05"}


@pytest.fixture
def place(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Yard]:
    places = Places(valkey_server.url, f"{tmp_path}/store", prefix=f"{uuid.uuid4().hex}:")
    settings = Settings(
        places, work=Work(batch_pixels=1, shutdown_seconds=1), load=Load(most_jobs=3, most_tiles=MOST_TILES)
    )
    with yard(settings, tmp_path, **SLOW) as farm:
        farm.start("control", CONTROL)
        farm.ready()
        yield farm


def test_two_thousand_queued_tiles_drain_in_five_seconds(place: Yard) -> None:
    """Each in a message of its own, which is the worst there can be."""
    job = place.submit(sheet(21, 17).png, profile=SMALL_TILES)
    tiles = place.wait(job, lambda status: status.tiles > 0).tiles
    assert tiles >= 2000
    queue = wire.recognize_queue("planted")
    place.until(lambda: not place.desk.progress.queues.jobs([]))  # it is split
    place.start("reader", f"{READER} --concurrency 2")
    place.wait(job, lambda status: status.done > 0)
    written = _objects(place, job)
    started = time.monotonic()
    assert cancel(place.desk, job)
    place.until(lambda: not place.desk.progress.queues.jobs(["planted"]))
    assert time.monotonic() - started <= 5
    assert not place.desk.progress.queues.waiting(queue, 10)
    assert place.status(job).state == "cancelled"
    assert len(_objects(place, job) - written) <= 1 + 2  # the note, and what was on its way


def _objects(place: Yard, job: str) -> set[str]:
    return set(place.store.list(keys.job(job)))


def test_a_small_job_does_not_wait_for_a_large_one(place: Yard) -> None:
    """Not even for the rest of a batch."""
    place.settings = replace(place.settings, work=Work(shutdown_seconds=1))
    place.end("control")
    place.start("control", CONTROL)
    place.start("reader", f"{READER} --concurrency 2")
    place.ready()
    small = sheet(5, 4)
    alone = _seconds(place, small.png)
    large = place.submit(sheet(12, 9).png, profile=SMALL_TILES)
    assert place.wait(large, lambda status: status.done > 0).tiles >= 600
    behind = _seconds(place, small.png)
    assert not place.status(large).ended
    assert behind <= alone + 2
    cancel(place.desk, large)


def _seconds(place: Yard, page: bytes) -> float:
    started = time.monotonic()
    assert place.wait(place.submit(page)).state == "complete"
    return time.monotonic() - started


def test_what_is_too_much_is_refused_and_says_when_to_come_back(place: Yard) -> None:
    page = sheet(2, 2).png
    jobs = [place.submit(page) for _ in range(3)]
    before = sorted(place.store.list("jobs/"))
    with pytest.raises(FarmBusy, match="3 jobs") as caught:
        place.client.submit(page, profile="planted")
    assert 5 <= caught.value.retry_after <= 600
    assert {status.id for status in place.client.jobs()} == set(jobs)
    assert {name.split("/")[1] for name in before} == {name.split("/")[1] for name in place.store.list("jobs/")}
    for job in jobs[1:]:
        cancel(place.desk, job)
    large = place.submit(sheet(13, 10).png, profile=SMALL_TILES)
    place.wait(large, lambda status: status.tiles > MOST_TILES)
    with pytest.raises(FarmBusy, match=f"{MOST_TILES} are allowed"):
        place.submit(page)
    cancel(place.desk, large)
    place.submit(page)
