"""Disks and stores without room: the job fails and says so, and goes on when there is room; nothing is left behind."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocrfarm.errors import StoreFull
from ocrfarm.farm.submit import resume
from ocrfarm.settings import Admission, Endpoints, Settings, TaskLimits
from tests.conftest import BUCKET
from tests.support.farm_fixture import CONTROL, RECOGNIZER, ProcessFarm, draw_page, find_lost_and_duplicated, run_farm
from tests.support.s3_proxy import run_faulty_s3_proxy
from tests.support.servers import S3Server, ValkeyServer, create_bucket
from tests.support.small_disk import mount_small_disk

PAGE = draw_page(6, 4)
MEGABYTE = 1024
DISK_KILOBYTES = 512 * MEGABYTE
"""A disk as large as a worker asks for at its start; nothing is taken from memory before it is written to."""


@pytest.fixture
def endpoints(valkey_server: ValkeyServer, tmp_path: Path) -> Endpoints:
    return Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")


def _settings(endpoints: Endpoints) -> Settings:
    work = TaskLimits(batch_time_limit=10, shutdown_timeout=1)
    return Settings(endpoints, task_limits=work, admission=Admission(reconcile_interval=1, stalled_timeout=3))


def _start(farm: ProcessFarm) -> None:
    farm.start("control", CONTROL)
    farm.start("reader", RECOGNIZER)
    farm.wait_ready()


def _assert_whole(farm: ProcessFarm, job: str) -> None:
    assert farm.wait(job).state == "complete", farm.logs()
    assert find_lost_and_duplicated(farm.document(job), PAGE.lines) == ([], [])


def _assert_resumes(farm: ProcessFarm, job: str) -> None:
    resume(farm.submitter, job)
    farm.wait(job, lambda status: status.state != "failed")
    _assert_whole(farm, job)


def test_a_store_on_a_full_disk(endpoints: Endpoints, tmp_path: Path) -> None:
    (tmp_path / "farm").mkdir()
    with (
        mount_small_disk(tmp_path / "store", DISK_KILOBYTES) as disk,
        run_farm(_settings(endpoints), tmp_path / "farm") as farm,
    ):
        _start(farm)
        disk.resize(200)
        children = farm.children("control") + farm.children("reader")
        job = farm.submit(PAGE.png)
        failure = farm.wait(job).make_error()
        assert isinstance(failure, StoreFull), failure
        disk.resize(64 * MEGABYTE)
        _assert_resumes(farm, job)
        assert farm.children("control") + farm.children("reader") == children
        assert not list((tmp_path / "store").rglob("*.part"))


def test_a_splitter_whose_temporary_folder_is_full(endpoints: Endpoints, tmp_path: Path) -> None:
    (tmp_path / "farm").mkdir()
    with (
        mount_small_disk(tmp_path / "tmp", DISK_KILOBYTES) as disk,
        run_farm(_settings(endpoints), tmp_path / "farm", TMPDIR=str(disk.folder)) as farm,
    ):
        _start(farm)
        disk.resize(60)
        job = farm.submit(PAGE.png)
        failure = farm.wait(job).make_error()
        assert isinstance(failure, StoreFull), failure
        assert not list(disk.folder.glob("ocrfarm-*"))
        disk.resize(64 * MEGABYTE)
        _assert_resumes(farm, job)


def test_a_bucket_without_room(endpoints: Endpoints, aws: S3Server, tmp_path: Path) -> None:
    with run_faulty_s3_proxy(aws.endpoint) as (endpoint, mood):
        store = f"s3://{BUCKET}/{uuid.uuid4().hex}?endpoint={endpoint}"
        create_bucket(store)
        with run_farm(_settings(Endpoints(endpoints.broker, store, key_prefix=endpoints.key_prefix)), tmp_path) as farm:
            _start(farm)
            job = farm.submit(PAGE.png)
            farm.wait(job, lambda status: status.tiles > 0)
            mood.is_full = True
            failure = farm.wait(job).make_error()
            assert isinstance(failure, StoreFull), failure
            mood.is_full = False
            _assert_resumes(farm, job)


@pytest.fixture
def farm(endpoints: Endpoints, tmp_path: Path) -> Iterator[ProcessFarm]:
    """Give a farm whose temporary files a test can see."""
    (tmp_path / "tmp").mkdir()
    with run_farm(_settings(endpoints), tmp_path, TMPDIR=str(tmp_path / "tmp"), FAKE_WORKER_TILE_SECONDS="0.1") as farm:
        yield farm


def test_temporary_files_are_gone_however_a_job_ends(farm: ProcessFarm) -> None:
    _start(farm)
    ended = [farm.submit(PAGE.png), farm.submit(b"no image"), farm.submit(PAGE.png[:20_000])]
    assert [farm.wait(job).state for job in ended] == ["complete", "failed", "failed"]
    cancelled = farm.submit(PAGE.png)
    farm.wait(cancelled, lambda status: status.tiles > 0)
    farm.client.job(cancelled).cancel()
    _assert_whole(farm, farm.submit(PAGE.png))
    assert _leftover_objects(farm) == []


@pytest.mark.parametrize("place", ["split", "store", "stitch"])
def test_temporary_files_of_a_killed_process_are_gone_after_the_next_job(farm: ProcessFarm, place: str) -> None:
    """What it was writing in the store stays there for a day."""
    farm.environment["FAKE_WORKER_KILL_AT"] = place
    _start(farm)
    _assert_whole(farm, farm.submit(PAGE.png))
    assert (farm.folder / f"died-{place}").exists()
    assert _list_files(farm.folder / "tmp") == []


def _leftover_objects(farm: ProcessFarm) -> list[str]:
    """Give the files in the temporary folder, and those of the store that are not whole."""
    return _list_files(farm.folder / "tmp") + _list_files(Path(farm.settings.endpoints.store) / ".tmp")


def _list_files(folder: Path) -> list[str]:
    return sorted(os.fspath(path) for path in folder.rglob("*") if path.is_file())
