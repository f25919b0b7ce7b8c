"""Workers come and go: told to leave they put back what they have, killed they leave nothing behind."""

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ocrfarm.errors import JobFailed, StoreFull
from ocrfarm.farm.orphans import scratch_folder
from ocrfarm.recognize import Tiling
from ocrfarm.settings import Load, Places, Settings, Work
from tests.integration.farmyard import CONTROL, PROFILE, READER, Yard, lost_and_doubled, sheet, yard
from tests.integration.servers import ValkeyServer

SMALL_TILES = replace(PROFILE, tiling=Tiling(256, 96, levels=False))
PAGE = sheet(6, 4)


@pytest.fixture
def place(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Yard]:
    places = Places(valkey_server.url, f"{tmp_path}/store", prefix=f"{uuid.uuid4().hex}:")
    work = Work(recognize_seconds=5, shutdown_seconds=1)
    load = Load(reconcile_seconds=2, stuck_seconds=4)
    with yard(Settings(places, work=work, load=load), tmp_path, STANDIN_VISIBILITY="4", STANDIN_SECONDS="0.05") as farm:
        yield farm


def _start(place: Yard, **commands: str) -> None:
    for name, command in commands.items():
        place.start(name, command)
    place.ready()


def test_every_worker_is_replaced_under_load_and_nothing_is_lost_or_doubled(place: Yard) -> None:
    _start(place, control=CONTROL, one=READER, two=READER)
    job = place.submit(PAGE.png, profile=SMALL_TILES)
    place.wait(job, lambda status: status.done > 2)
    for name, command in (("one", READER), ("control", CONTROL), ("two", READER)):
        children = place.children(name)
        place.start(f"new-{name}", command)
        place.ready(f"new-{name}")
        assert place.end(name) == 0
        assert not any(Path(f"/proc/{child}").exists() for child in children)
    status = place.wait(job)
    assert status.state == "complete"
    assert lost_and_doubled(place.document(job), PAGE.lines) == ([], [])
    assert len(place.reads()) <= status.tiles + 2  # what was running when its worker left runs again


def test_workers_that_are_killed_leave_no_children_and_cost_time_only(place: Yard) -> None:
    _start(place, control=CONTROL, one=READER, two=READER)
    job = place.submit(PAGE.png, profile=SMALL_TILES)
    place.wait(job, lambda status: status.done > 2)
    children = [child for name in place.running for child in place.children(name)]
    for process in place.running.values():
        process.kill()
        process.wait()
    place.until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), seconds=5)
    place.running.clear()
    place.start("control-2", CONTROL)
    place.start("three", READER)
    assert place.wait(job, seconds=90).state == "complete"
    assert lost_and_doubled(place.document(job), PAGE.lines) == ([], [])


def test_a_killed_split_leaves_its_temporary_files_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = "from ocrfarm.farm.orphans import *\nwith scratch_folder() as f: print(f, flush=True); input()"
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().strip())
        (folder / "source").write_bytes(b"much")
        with scratch_folder():
            assert folder.is_dir()  # in use
        process.kill()
    with scratch_folder() as mine:
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == [mine]
    assert not list(tmp_path.iterdir())


def test_many_splits_that_begin_at_once_leave_one_another_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = """
from ocrfarm.farm.orphans import scratch_folder
for _ in range(300):
    with scratch_folder() as folder:
        (folder / "source").write_bytes(b"much")
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    running = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_fails_the_job_with_the_reason(place: Yard) -> None:
    place.start("control", CONTROL, STANDIN_FILE_BYTES="50000")
    failure = place.wait(place.submit(PAGE.png)).failure()
    assert isinstance(failure, StoreFull), failure
    place.end("control")
    _start(place, control=CONTROL, one=READER)
    assert place.wait(place.submit(PAGE.png)).state == "complete"


def test_a_picture_that_needs_too_much_memory_fails_its_job_only(place: Yard) -> None:
    place.settings = replace(place.settings, load=Load(split_megabytes=150))
    place.start("control", CONTROL)
    large = sheet(14, 14)
    failure = place.wait(place.submit(large.png)).failure()
    assert isinstance(failure, JobFailed), failure
    assert "memory" in str(failure)
    assert place.running["control"].poll() is None


def test_models_that_leave_no_memory_for_tiles_are_reported(place: Yard) -> None:
    place.settings = replace(place.settings, load=Load(recognize_megabytes=20))
    place.start("fat", READER)
    place.until((place.health / "fat.broken").exists)
    assert "OCRFARM_RECOGNIZE_MEGABYTES" in (place.health / "fat.broken").read_text()


def test_a_task_that_takes_longer_than_a_lease_is_given_to_nobody_else(place: Yard) -> None:
    """Not even to a worker whose clock is ahead by five minutes."""
    place.settings = replace(place.settings, work=Work(recognize_seconds=60, shutdown_seconds=1))
    place.start("control", CONTROL)
    place.start("slow", READER, STANDIN_SECONDS="6")
    place.ready()
    place.start("fast", READER, STANDIN_SECONDS="6", STANDIN_SKEW="300")
    place.ready()
    job = place.submit(sheet(2, 2).png)
    assert place.wait(job).state == "complete"
    assert len(place.reads()) == 4
