"""Many tiles at once: cancelled ones drain, small jobs go first, and what is too much is refused."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ocrfarm.errors import FarmBusy
from ocrfarm.farm import protocol
from ocrfarm.farm.submit import cancel
from ocrfarm.recognize import Tiling
from ocrfarm.settings import Admission, Endpoints, Settings, TaskLimits
from ocrfarm.storage import layout
from tests.support.farm_fixture import CONTROL, FARM_PROFILE, RECOGNIZER, ProcessFarm, draw_page, run_farm
from tests.support.servers import ValkeyServer

SMALL_TILES = replace(FARM_PROFILE, tiling=Tiling(256, 96, levels=False))
MAX_TILES = 700
SLOW = {"FAKE_WORKER_TILE_SECONDS": "0.05"}


@pytest.fixture
def farm(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[ProcessFarm]:
    places = Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")
    settings = Settings(
        places,
        task_limits=TaskLimits(batch_pixels=1, shutdown_timeout=1),
        admission=Admission(max_active_jobs=3, max_pending_tiles=MAX_TILES),
    )
    with run_farm(settings, tmp_path, **SLOW) as farm:
        farm.start("control", CONTROL)
        farm.wait_ready()
        yield farm


def test_two_thousand_queued_tiles_drain_in_five_seconds(farm: ProcessFarm) -> None:
    """Each in a message of its own, which is the worst there can be."""
    job = farm.submit(draw_page(21, 17).png, profile=SMALL_TILES)
    tiles = farm.wait(job, lambda status: status.tiles > 0).tiles
    assert tiles >= 2000
    queue = protocol.recognize_queue("synthetic")
    farm.wait_until(lambda: not farm.submitter.jobs.queues.find_jobs([]))  # it is split
    farm.start("reader", f"{RECOGNIZER} --processes 2")
    farm.wait(job, lambda status: status.done > 0)
    written = _objects(farm, job)
    started = time.monotonic()
    assert cancel(farm.submitter, job)
    farm.wait_until(lambda: not farm.submitter.jobs.queues.find_jobs(["synthetic"]))
    assert time.monotonic() - started <= 5
    assert not farm.submitter.jobs.queues.has_higher_priority(queue, 10)
    assert farm.status(job).state == "cancelled"
    assert len(_objects(farm, job) - written) <= 1 + 2  # the note, and what was on its way


def _objects(farm: ProcessFarm, job: str) -> set[str]:
    return set(farm.store.list(layout.job_prefix(job)))


def test_a_small_job_does_not_wait_for_a_large_one(farm: ProcessFarm) -> None:
    """Not even for the rest of a batch."""
    farm.settings = replace(farm.settings, task_limits=TaskLimits(shutdown_timeout=1))
    farm.stop("control")
    farm.start("control", CONTROL)
    farm.start("reader", f"{RECOGNIZER} --processes 2")
    farm.wait_ready()
    small = draw_page(5, 4)
    alone = _seconds(farm, small.png)
    large = farm.submit(draw_page(12, 9).png, profile=SMALL_TILES)
    assert farm.wait(large, lambda status: status.done > 0).tiles >= 600
    behind = _seconds(farm, small.png)
    assert not farm.status(large).has_ended
    assert behind <= alone + 2
    cancel(farm.submitter, large)


def _seconds(farm: ProcessFarm, page: bytes) -> float:
    started = time.monotonic()
    assert farm.wait(farm.submit(page)).state == "complete"
    return time.monotonic() - started


def test_what_is_too_much_is_refused_and_says_when_to_come_back(farm: ProcessFarm) -> None:
    page = draw_page(2, 2).png
    jobs = [farm.submit(page) for _ in range(3)]
    before = sorted(farm.store.list("jobs/"))
    with pytest.raises(FarmBusy, match="3 jobs") as caught:
        farm.client.submit(page, profile="synthetic")
    assert 5 <= caught.value.retry_after <= 600
    assert {status.id for status in farm.client.jobs()} == set(jobs)
    assert {name.split("/")[1] for name in before} == {name.split("/")[1] for name in farm.store.list("jobs/")}
    for job in jobs[1:]:
        cancel(farm.submitter, job)
    large = farm.submit(draw_page(13, 10).png, profile=SMALL_TILES)
    farm.wait(large, lambda status: status.tiles > MAX_TILES)
    with pytest.raises(FarmBusy, match=f"{MAX_TILES} are allowed"):
        farm.submit(page)
    cancel(farm.submitter, large)
    farm.submit(page)
