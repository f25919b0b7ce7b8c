"""Messages, chords and whole brokers get lost: the store knows what is missing, and the job ends."""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from ocrfarm.errors import JobFailed, UnknownJob
from ocrfarm.farm import wire
from ocrfarm.farm.submit import cancel, resume
from ocrfarm.settings import Keep, Load, Places, Settings, Work
from ocrfarm.storage import keys
from tests.integration.farmyard import CONTROL, READER, Yard, lost_and_doubled, sheet, yard
from tests.integration.servers import ValkeyServer

PAGE = sheet(5, 4)
QUICK = Load(reconcile_seconds=1, stuck_seconds=2, unread_seconds=6)


def settings_of(server: ValkeyServer, folder: Path, *, keep: Keep | None = None) -> Settings:
    places = Places(server.url, f"{folder}/store", prefix=f"{uuid.uuid4().hex}:")
    return Settings(places, work=Work(recognize_seconds=20, shutdown_seconds=1), load=QUICK, keep=keep or Keep())


@pytest.fixture(scope="module")
def place(valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("reconcile")
    with yard(settings_of(valkey_server, folder), folder, STANDIN_SECONDS="0.1") as farm:
        farm.start("control", CONTROL)
        farm.start("reader", READER)
        farm.ready()
        yield farm


def _remove(farm: Yard, *patterns: str) -> None:
    """Remove keys of the farm's from the broker, as if it had lost them."""
    places = farm.settings.places
    with redis.Redis.from_url(places.broker) as server:
        for pattern in patterns:
            if found := list(server.scan_iter(f"{places.prefix}{pattern}", count=1000)):
                server.delete(*found)


def _assert_whole(farm: Yard, job: str) -> None:
    assert farm.wait(job, seconds=40).state == "complete", farm.logs()
    assert lost_and_doubled(farm.document(job), PAGE.lines) == ([], [])


@pytest.mark.parametrize(
    "lost", [("*",), ("recognize.planted*",), ("*batches*",), ("celery-task-meta-*",)], ids=lambda lost: str(lost[0])
)
def test_what_the_broker_loses_costs_time_only(place: Yard, lost: tuple[str, ...]) -> None:
    job = place.submit(PAGE.png)
    place.wait(job, lambda status: status.done > 2)
    _remove(place, *lost)
    _assert_whole(place, job)


def test_the_message_of_a_new_job_is_lost(place: Yard) -> None:
    place.end("control")
    job = place.submit(PAGE.png)
    _remove(place, "split*")
    place.start("control", CONTROL)
    _assert_whole(place, job)


def test_a_job_whose_messages_wait_is_left_alone(place: Yard) -> None:
    """However long: only messages that are nowhere are sent again."""
    first, second = place.submit(PAGE.png, priority=9), place.submit(PAGE.png, priority=9)
    place.wait(first)
    _assert_whole(place, second)
    with redis.Redis.from_url(place.settings.places.broker, decode_responses=True) as server:
        record = server.hgetall(f"{place.settings.places.prefix}job:{second}")
    assert "revivals" not in record


def test_processes_that_die_at_bad_moments_cost_time_only(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    with yard(settings_of(valkey_server, tmp_path), tmp_path, STANDIN_DIE="split,stitch,store,count") as farm:
        farm.start("control", CONTROL)
        farm.start("reader", READER)
        farm.ready()
        _assert_whole(farm, farm.submit(PAGE.png))
        assert len(list(tmp_path.glob("died-*"))) == 4


def test_a_cancelled_job_is_taken_up_again_by_hand(place: Yard) -> None:
    job = place.submit(PAGE.png)
    place.wait(job, lambda status: status.done > 2)
    assert cancel(place.desk, job)
    place.wait(job)
    resume(place.desk, job)
    place.wait(job, lambda status: status.state != "cancelled")
    _assert_whole(place, job)


def test_what_was_given_up_is_tried_again_by_hand(place: Yard) -> None:
    place.end("reader")
    job = place.submit(PAGE.png)
    tiles = f"{keys.job(job)}tiles/"
    place.until(lambda: len(list(place.store.list(tiles))) == 20)
    tile = next(place.store.list(tiles))
    pixels = place.store.get(tile)
    place.store.put(tile, b"damaged")
    place.start("reader", READER)
    assert place.wait(job).state == "partial"
    assert "tile" in place.document(job).pages[0].coverage.gaps[0].reason
    place.store.put(tile, pixels)
    place.client.job(job).resume()
    place.wait(job, lambda status: status.state == "complete")
    _assert_whole(place, job)
    assert place.status(job).failed == 0


def test_nobody_takes_up_what_nobody_knows(place: Yard) -> None:
    with pytest.raises(UnknownJob, match="neither the broker nor the store"):
        place.client.job(wire.new_job_id()).resume()


def test_a_forgotten_job_is_told_from_the_store(place: Yard) -> None:
    cancelled, complete = place.submit(PAGE.png), place.submit(PAGE.png)
    cancel(place.desk, cancelled)
    place.wait(complete)
    _remove(place, f"job:{cancelled}*", f"job:{complete}*")
    assert place.client.job(cancelled).status().state == "cancelled"
    status = place.client.job(complete).status()
    assert (status.state, status.done) == ("complete", 20)


def test_a_job_that_no_worker_can_read_says_so_and_ends(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    with yard(settings_of(valkey_server, tmp_path), tmp_path) as farm:
        farm.start("control", CONTROL)
        farm.ready()
        job = farm.submit(PAGE.png)
        assert farm.status(job).waiting == "no worker reads recognize.planted"
        failure = farm.wait(job, seconds=30).failure()
        assert type(failure) is JobFailed
        assert "no worker reads recognize.planted" in str(failure)


def _gone(farm: Yard, job: str) -> Callable[[], bool]:
    return lambda: not list(farm.store.list(keys.job(job))) and not farm.desk.progress.statuses(job)


def test_jobs_are_removed_when_their_time_is_over(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    keep = Keep(keep_complete=3, keep_cancelled=0)
    with yard(settings_of(valkey_server, tmp_path, keep=keep), tmp_path) as farm:
        farm.start("control", CONTROL)
        farm.start("reader", READER)
        farm.ready()
        complete, cancelled, failed = farm.submit(PAGE.png), farm.submit(PAGE.png), farm.submit(b"no picture")
        cancel(farm.desk, cancelled)
        assert [farm.wait(job).state for job in (complete, cancelled, failed)] == ["complete", "cancelled", "failed"]
        farm.until(_gone(farm, complete), seconds=20)
        time.sleep(1)
        assert [status.id for status in farm.client.jobs()] == [failed, cancelled]
        assert farm.store.exists(keys.source(cancelled))
