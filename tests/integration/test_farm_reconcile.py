"""Messages, chords and whole brokers get lost: the store knows what is missing, and the job ends."""

import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from ocrfarm.errors import JobFailed, UnknownJob
from ocrfarm.farm import protocol
from ocrfarm.farm.submit import cancel, resume
from ocrfarm.settings import Admission, Retention
from ocrfarm.storage import layout
from tests.support.farm_fixture import (
    CONTROL,
    RECOGNIZER,
    ProcessFarm,
    draw_page,
    find_lost_and_duplicated,
    make_reconciling_settings,
    run_farm,
)
from tests.support.servers import ValkeyServer

PAGE = draw_page(5, 4)


@pytest.fixture(scope="module")
def farm(valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessFarm]:
    folder = tmp_path_factory.mktemp("reconcile")
    with run_farm(make_reconciling_settings(valkey_server, folder), folder, FAKE_WORKER_TILE_SECONDS="0.1") as farm:
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER)
        farm.wait_ready()
        yield farm


def _remove(farm: ProcessFarm, *patterns: str) -> None:
    """Remove keys of the farm's from the broker, as if it had lost them."""
    places = farm.settings.endpoints
    with redis.Redis.from_url(places.broker) as server:
        for pattern in patterns:
            if found := list(server.scan_iter(f"{places.key_prefix}{pattern}", count=1000)):
                server.delete(*found)


def _assert_whole(farm: ProcessFarm, job: str) -> None:
    assert farm.wait(job, seconds=40).state == "complete", farm.logs()
    assert find_lost_and_duplicated(farm.document(job), PAGE.lines) == ([], [])


@pytest.mark.parametrize(
    "lost", [("*",), ("recognize.synthetic*",), ("*batches*",), ("celery-task-meta-*",)], ids=lambda lost: str(lost[0])
)
def test_what_the_broker_loses_costs_time_only(farm: ProcessFarm, lost: tuple[str, ...]) -> None:
    job = farm.submit(PAGE.png)
    farm.wait(job, lambda status: status.done > 2)
    _remove(farm, *lost)
    _assert_whole(farm, job)


def test_the_message_of_a_new_job_is_lost(farm: ProcessFarm) -> None:
    farm.stop("control")
    job = farm.submit(PAGE.png)
    _remove(farm, "split*")
    farm.start("control", CONTROL)
    _assert_whole(farm, job)


def test_a_job_whose_messages_wait_is_left_alone(farm: ProcessFarm) -> None:
    """However long: only messages that are nowhere are sent again."""
    first, second = farm.submit(PAGE.png, priority=9), farm.submit(PAGE.png, priority=9)
    farm.wait(first)
    _assert_whole(farm, second)
    with redis.Redis.from_url(farm.settings.endpoints.broker, decode_responses=True) as server:
        record = server.hgetall(f"{farm.settings.endpoints.key_prefix}job:{second}")
    assert "requeues" not in record


def test_processes_that_die_at_bad_moments_cost_time_only(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    with run_farm(
        make_reconciling_settings(valkey_server, tmp_path), tmp_path, FAKE_WORKER_KILL_AT="split,stitch,store,count"
    ) as farm:
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER)
        farm.wait_ready()
        _assert_whole(farm, farm.submit(PAGE.png))
        assert len(list(tmp_path.glob("died-*"))) == 4


def test_a_batch_that_the_chord_has_not_counted_runs_again(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    """At once, and not when the reconciler finds the job stalled, minutes later."""
    settings = replace(make_reconciling_settings(valkey_server, tmp_path), admission=Admission())
    with run_farm(settings, tmp_path) as farm:
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER, FAKE_WORKER_KILL_AT="result")
        farm.wait_ready()
        _assert_whole(farm, farm.submit(PAGE.png))
        assert (tmp_path / "died-result").exists()


def test_a_job_whose_last_reader_is_killed_is_stitched_at_once(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    """All is read and the message still with the reader, whose lease of five minutes nobody waits for."""
    settings = replace(make_reconciling_settings(valkey_server, tmp_path), admission=Admission())
    with run_farm(settings, tmp_path, FAKE_WORKER_KILL_AT="count", FAKE_WORKER_KILL_ALL="1") as farm:
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER)
        farm.wait_ready()
        job = farm.submit(draw_page(1, 1).png)
        farm.wait_until(lambda: (tmp_path / "died-count").exists())
        assert farm.wait(job, seconds=10).state == "complete", farm.logs()
        assert farm.status(job).done == 1


def test_a_job_says_which_worker_is_silent_and_does_not_wait_for_its_lease(
    valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    settings = replace(make_reconciling_settings(valkey_server, tmp_path), admission=Admission())
    with run_farm(settings, tmp_path, FAKE_WORKER_VISIBILITY_TIMEOUT="40") as farm:
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER, FAKE_WORKER_TILE_SECONDS="60")
        farm.wait_ready()
        job = farm.submit(draw_page(1, 1).png)
        farm.wait_until(lambda: any(each.worker for each in farm.submitter.jobs.taken.list_taken(["synthetic"])))
        farm.stop("reader", signal.SIGKILL)
        text = farm.wait(job, lambda status: "silent" in status.waiting, seconds=30).waiting
        assert re.fullmatch(r"a tile is with worker reader@\S+, silent for \d+ s; its lease ends in \d+ s", text)
        farm.start("other", RECOGNIZER)
        assert farm.wait(job, seconds=39).state == "complete"


def test_a_cancelled_job_can_be_resumed(farm: ProcessFarm) -> None:
    job = farm.submit(PAGE.png)
    farm.wait(job, lambda status: status.done > 2)
    assert cancel(farm.submitter, job)
    farm.wait(job)
    resume(farm.submitter, job)
    farm.wait(job, lambda status: status.state != "cancelled")
    _assert_whole(farm, job)


def test_tiles_that_were_given_up_are_read_when_the_job_is_resumed(farm: ProcessFarm) -> None:
    farm.stop("reader")
    job = farm.submit(PAGE.png)
    tiles = f"{layout.job_prefix(job)}tiles/"
    farm.wait_until(lambda: len(list(farm.store.list(tiles))) == 20)
    tile = next(farm.store.list(tiles))
    pixels = farm.store.get(tile)
    farm.store.put(tile, b"damaged")
    farm.start("reader", RECOGNIZER)
    assert farm.wait(job).state == "partial"
    assert "tile" in farm.document(job).pages[0].coverage.gaps[0].reason
    farm.store.put(tile, pixels)
    farm.client.job(job).resume()
    farm.wait(job, lambda status: status.state == "complete")
    _assert_whole(farm, job)
    assert farm.status(job).failed == 0


def test_an_unknown_job_cannot_be_resumed(farm: ProcessFarm) -> None:
    with pytest.raises(UnknownJob, match="neither the broker nor the store"):
        farm.client.job(protocol.new_job_id()).resume()


def test_the_status_of_a_forgotten_job_comes_from_the_store(farm: ProcessFarm) -> None:
    cancelled, complete = farm.submit(PAGE.png), farm.submit(PAGE.png)
    cancel(farm.submitter, cancelled)
    farm.wait(complete)
    _remove(farm, f"job:{cancelled}*", f"job:{complete}*")
    assert farm.client.job(cancelled).status().state == "cancelled"
    status = farm.client.job(complete).status()
    assert (status.state, status.done) == ("complete", 20)


def test_a_job_that_no_worker_can_read_says_so_and_ends(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    with run_farm(make_reconciling_settings(valkey_server, tmp_path), tmp_path) as farm:
        farm.start("control", CONTROL)
        farm.wait_ready()
        job = farm.submit(PAGE.png)
        assert farm.status(job).waiting == "no worker reads recognize.synthetic"
        failure = farm.wait(job, seconds=30).make_error()
        assert type(failure) is JobFailed
        assert "no worker reads recognize.synthetic" in str(failure)


def _gone(farm: ProcessFarm, job: str) -> Callable[[], bool]:
    return lambda: not list(farm.store.list(layout.job_prefix(job))) and not farm.submitter.jobs.get_statuses(job)


def test_jobs_are_removed_when_their_time_is_over(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    keep = Retention(retention_complete=3, retention_cancelled=0)
    with run_farm(make_reconciling_settings(valkey_server, tmp_path, keep=keep), tmp_path) as farm:
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER)
        farm.wait_ready()
        complete, cancelled, failed = farm.submit(PAGE.png), farm.submit(PAGE.png), farm.submit(b"no image")
        cancel(farm.submitter, cancelled)
        assert [farm.wait(job).state for job in (complete, cancelled, failed)] == ["complete", "cancelled", "failed"]
        farm.wait_until(_gone(farm, complete), seconds=20)
        later = farm.submit(PAGE.png)
        assert farm.wait(later).state == "complete"
        farm.wait_until(_gone(farm, later), seconds=20)  # jobs were removed once more
        assert [status.id for status in farm.client.jobs()] == [failed, cancelled]
        assert farm.store.exists(layout.source(cancelled))
