"""Workers that stop return their work to its queue; workers that are killed leave nothing behind."""

import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ocrfarm.errors import JobFailed, StoreFull
from ocrfarm.farm.embedded.processes import scratch_dir
from ocrfarm.recognize import Tiling
from ocrfarm.settings import Admission, Endpoints, Settings, TaskLimits
from tests.support.farm_fixture import (
    CONTROL,
    FARM_PROFILE,
    RECOGNIZER,
    ProcessFarm,
    draw_page,
    find_lost_and_duplicated,
    run_farm,
)
from tests.support.servers import ValkeyServer, run_valkey

SMALL_TILES = replace(FARM_PROFILE, tiling=Tiling(256, 96, levels=False))
PAGE = draw_page(6, 4)

_LEAVE_SECONDS = 6
"""Seconds that a worker may take beyond its tile on a loaded machine; on an idle one it takes less than one."""


@pytest.fixture
def farm(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[ProcessFarm]:
    places = Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")
    work = TaskLimits(batch_time_limit=5, shutdown_timeout=1)
    load = Admission(reconcile_interval=2, stalled_timeout=4)
    with run_farm(
        Settings(places, task_limits=work, admission=load),
        tmp_path,
        FAKE_WORKER_VISIBILITY_TIMEOUT="4",
        FAKE_WORKER_TILE_SECONDS="0.05",
    ) as farm:
        yield farm


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Run a broker that a test may restart."""
    (tmp_path / "broker").mkdir()
    with run_valkey(tmp_path / "broker") as server:
        yield server


def _start(farm: ProcessFarm, **commands: str) -> None:
    for name, command in commands.items():
        farm.start(name, command)
    farm.wait_ready()


def test_every_worker_is_replaced_under_load_and_nothing_is_lost_or_doubled(farm: ProcessFarm) -> None:
    _start(farm, control=CONTROL, one=RECOGNIZER, two=RECOGNIZER)
    job = farm.submit(PAGE.png, profile=SMALL_TILES)
    farm.wait(job, lambda status: status.done > 2)
    for name, command in (("one", RECOGNIZER), ("control", CONTROL), ("two", RECOGNIZER)):
        children = farm.children(name)
        farm.start(f"new-{name}", command)
        farm.wait_ready(f"new-{name}")
        assert farm.stop(name) == 0
        assert not any(Path(f"/proc/{child}").exists() for child in children)
    status = farm.wait(job)
    assert status.state == "complete"
    assert find_lost_and_duplicated(farm.document(job), PAGE.lines) == ([], [])
    assert len(farm.list_reads()) <= status.tiles + 2  # what was running when its worker left runs again


@pytest.mark.parametrize("seconds", [0.05, 2.0])
def test_a_busy_worker_leaves_when_its_tile_has_ended(farm: ProcessFarm, seconds: float) -> None:
    """The rest of its batch goes back to the queue, and no time of the shutdown timeout is slept out."""
    farm.settings = replace(farm.settings, task_limits=TaskLimits(batch_time_limit=120, shutdown_timeout=60))
    farm.environment["FAKE_WORKER_TILE_SECONDS"] = str(seconds)
    _start(farm, control=CONTROL, one=RECOGNIZER)
    job = farm.submit(PAGE.png, profile=SMALL_TILES)
    farm.wait(job, lambda status: status.done > 2)
    told = time.monotonic()
    assert farm.stop("one") == 0
    assert time.monotonic() - told < seconds + _LEAVE_SECONDS
    status, reads = farm.status(job), len(farm.list_reads())
    assert status.done == reads < status.tiles  # what it had begun is stored, and the rest has not been begun
    farm.start("two", RECOGNIZER, FAKE_WORKER_TILE_SECONDS="0")
    assert farm.wait(job).state == "complete"
    assert len(farm.list_reads()) == status.tiles
    assert find_lost_and_duplicated(farm.document(job), PAGE.lines) == ([], [])


def test_a_message_that_could_not_be_acknowledged_is_returned_soon(valkey: ValkeyServer, tmp_path: Path) -> None:
    """Its connection is gone, and its visibility timeout has its default of five minutes."""
    limits = TaskLimits(batch_time_limit=20, shutdown_timeout=1)
    settings = Settings(
        Endpoints(valkey.url, f"{tmp_path}/store"),
        task_limits=limits,
        admission=Admission(reconcile_interval=1, stalled_timeout=2),
    )
    with run_farm(settings, tmp_path, FAKE_WORKER_TILE_SECONDS="0.1") as farm:
        _start(farm, control=CONTROL, one=RECOGNIZER)
        for done in (0, 2, 5):
            job = farm.submit(PAGE.png, profile=SMALL_TILES)
            farm.wait(job, lambda status, done=done: status.done >= done)  # type: ignore[misc]
            valkey.restart()
            assert farm.wait(job, seconds=120).state == "complete"


def test_a_busy_worker_says_what_it_works_on_and_since_when(farm: ProcessFarm) -> None:
    farm.settings = replace(farm.settings, task_limits=TaskLimits(batch_time_limit=120, shutdown_timeout=1))
    _start(farm, control=CONTROL)
    farm.start("slow", RECOGNIZER, FAKE_WORKER_TILE_SECONDS="60")
    farm.wait_ready("slow")
    job, workers = farm.submit(draw_page(1, 1).png), farm.submitter.jobs.workers
    farm.wait_until(lambda: any(worker.work for worker in workers.list_workers()))
    (work,) = [text for worker in workers.list_workers() for text in worker.work if worker.name.startswith("slow@")]
    assert work.startswith(f"recognize page 1, tile r00c00, job {job} since ")


def test_workers_that_are_killed_leave_no_children_and_cost_time_only(farm: ProcessFarm) -> None:
    _start(farm, control=CONTROL, one=RECOGNIZER, two=RECOGNIZER)
    job = farm.submit(PAGE.png, profile=SMALL_TILES)
    farm.wait(job, lambda status: status.done > 2)
    children = [child for name in farm.running for child in farm.children(name)]
    for process in farm.running.values():
        process.kill()
        process.wait()
    farm.wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), seconds=5)
    farm.running.clear()
    farm.start("control-2", CONTROL)
    farm.start("three", RECOGNIZER)
    assert farm.wait(job, seconds=90).state == "complete"
    assert find_lost_and_duplicated(farm.document(job), PAGE.lines) == ([], [])


def test_a_killed_split_leaves_its_temporary_files_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = "from ocrfarm.farm.embedded.processes import *\nwith scratch_dir() as f: print(f, flush=True); input()"
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().strip())
        (folder / "source").write_bytes(b"much")
        with scratch_dir():
            assert folder.is_dir()  # in use
        process.kill()
    with scratch_dir() as mine:
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == [mine]
    assert not list(tmp_path.iterdir())


def test_many_splits_that_begin_at_once_leave_one_another_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = """
from ocrfarm.farm.embedded.processes import scratch_dir
for _ in range(300):
    with scratch_dir() as folder:
        (folder / "source").write_bytes(b"much")
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    running = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_fails_the_job_with_the_reason(farm: ProcessFarm) -> None:
    farm.start("control", CONTROL, FAKE_WORKER_MAX_FILE_BYTES="50000")
    failure = farm.wait(farm.submit(PAGE.png)).make_error()
    assert isinstance(failure, StoreFull), failure
    farm.stop("control")
    _start(farm, control=CONTROL, one=RECOGNIZER)
    assert farm.wait(farm.submit(PAGE.png)).state == "complete"


def test_an_image_that_needs_too_much_memory_fails_its_job_only(farm: ProcessFarm) -> None:
    farm.settings = replace(farm.settings, admission=Admission(split_memory_mb=150))
    farm.start("control", CONTROL)
    large = draw_page(14, 14)
    failure = farm.wait(farm.submit(large.png)).make_error()
    assert isinstance(failure, JobFailed), failure
    assert "memory" in str(failure)
    assert farm.running["control"].poll() is None


def test_models_that_leave_no_memory_for_tiles_are_reported(farm: ProcessFarm) -> None:
    farm.settings = replace(farm.settings, admission=Admission(recognize_memory_mb=20))
    farm.start("fat", RECOGNIZER)
    farm.wait_until((farm.health / "fat.broken").exists)
    assert "OCRFARM_RECOGNIZE_MEMORY_MB" in (farm.health / "fat.broken").read_text()


def test_a_task_that_outlasts_the_visibility_timeout_is_not_redelivered(farm: ProcessFarm) -> None:
    """Not even to a worker whose clock is five minutes ahead."""
    farm.settings = replace(farm.settings, task_limits=TaskLimits(batch_time_limit=60, shutdown_timeout=1))
    farm.start("control", CONTROL)
    farm.start("slow", RECOGNIZER, FAKE_WORKER_TILE_SECONDS="6")
    farm.wait_ready()
    farm.start("fast", RECOGNIZER, FAKE_WORKER_TILE_SECONDS="6", FAKE_WORKER_CLOCK_SKEW="300")
    farm.wait_ready()
    job = farm.submit(draw_page(2, 2).png)
    assert farm.wait(job).state == "complete"
    assert len(farm.list_reads()) == 4
