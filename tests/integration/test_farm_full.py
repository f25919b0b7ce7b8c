"""Disks and stores without room: the job fails and says so, and goes on when there is room; nothing is left behind."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocrfarm.errors import StoreFull
from ocrfarm.farm.submit import resume
from ocrfarm.settings import Load, Places, Settings, Work
from ocrfarm.storage.s3 import S3Store
from tests.conftest import BUCKET
from tests.integration.disks import small_disk
from tests.integration.farmyard import CONTROL, READER, Yard, lost_and_doubled, sheet, yard
from tests.integration.s3proxy import moody_proxy
from tests.integration.servers import S3Server, ValkeyServer

PAGE = sheet(6, 4)
MEGABYTE = 1024
ROOM = 512 * MEGABYTE
"""A disk as large as a worker asks for at its start; nothing is taken from memory before it is written to."""


@pytest.fixture
def places(valkey_server: ValkeyServer, tmp_path: Path) -> Places:
    return Places(valkey_server.url, f"{tmp_path}/store", prefix=f"{uuid.uuid4().hex}:")


def _settings(places: Places) -> Settings:
    work = Work(recognize_seconds=10, shutdown_seconds=1)
    return Settings(places, work=work, load=Load(reconcile_seconds=1, stuck_seconds=3))


def _start(farm: Yard) -> None:
    farm.start("control", CONTROL)
    farm.start("reader", READER)
    farm.ready()


def _assert_whole(farm: Yard, job: str) -> None:
    assert farm.wait(job).state == "complete", farm.logs()
    assert lost_and_doubled(farm.document(job), PAGE.lines) == ([], [])


def _goes_on(farm: Yard, job: str) -> None:
    resume(farm.desk, job)
    farm.wait(job, lambda status: status.state != "failed")
    _assert_whole(farm, job)


def test_a_store_on_a_full_disk(places: Places, tmp_path: Path) -> None:
    (tmp_path / "farm").mkdir()
    with small_disk(tmp_path / "store", ROOM) as disk, yard(_settings(places), tmp_path / "farm") as farm:
        _start(farm)
        disk.resize(200)
        children = farm.children("control") + farm.children("reader")
        job = farm.submit(PAGE.png)
        failure = farm.wait(job).failure()
        assert isinstance(failure, StoreFull), failure
        disk.resize(64 * MEGABYTE)
        _goes_on(farm, job)
        assert farm.children("control") + farm.children("reader") == children
        assert not [path for path in (tmp_path / "store").rglob("*.part")]


def test_a_splitter_whose_temporary_folder_is_full(places: Places, tmp_path: Path) -> None:
    (tmp_path / "farm").mkdir()
    with (
        small_disk(tmp_path / "tmp", ROOM) as disk,
        yard(_settings(places), tmp_path / "farm", TMPDIR=str(disk.folder)) as farm,
    ):
        _start(farm)
        disk.resize(60)
        job = farm.submit(PAGE.png)
        failure = farm.wait(job).failure()
        assert isinstance(failure, StoreFull), failure
        assert not list(disk.folder.glob("ocrfarm-*"))
        disk.resize(64 * MEGABYTE)
        _goes_on(farm, job)


def test_a_bucket_without_room(places: Places, aws: S3Server, tmp_path: Path) -> None:
    with moody_proxy(aws.endpoint) as (endpoint, mood):
        store = f"s3://{BUCKET}/{uuid.uuid4().hex}?endpoint={endpoint}"
        S3Store(store).create_bucket()
        with yard(_settings(Places(places.broker, store, prefix=places.prefix)), tmp_path) as farm:
            _start(farm)
            job = farm.submit(PAGE.png)
            farm.wait(job, lambda status: status.tiles > 0)
            mood.full = True
            failure = farm.wait(job).failure()
            assert isinstance(failure, StoreFull), failure
            mood.full = False
            _goes_on(farm, job)


@pytest.fixture
def watched(places: Places, tmp_path: Path) -> Iterator[Yard]:
    """Give a farm whose temporary files a test can see."""
    (tmp_path / "tmp").mkdir()
    with yard(_settings(places), tmp_path, TMPDIR=str(tmp_path / "tmp"), STANDIN_SECONDS="0.1") as farm:
        yield farm


def test_temporary_files_are_gone_however_a_job_ends(watched: Yard) -> None:
    _start(watched)
    ended = [watched.submit(PAGE.png), watched.submit(b"no picture"), watched.submit(PAGE.png[:20_000])]
    assert [watched.wait(job).state for job in ended] == ["complete", "failed", "failed"]
    cancelled = watched.submit(PAGE.png)
    watched.wait(cancelled, lambda status: status.tiles > 0)
    watched.client.job(cancelled).cancel()
    _assert_whole(watched, watched.submit(PAGE.png))
    assert _left(watched) == []


@pytest.mark.parametrize("place", ["split", "store", "stitch"])
def test_temporary_files_of_a_killed_process_are_gone_after_the_next_job(watched: Yard, place: str) -> None:
    """What it was writing in the store stays there for a day."""
    watched.environment["STANDIN_DIE"] = place
    _start(watched)
    _assert_whole(watched, watched.submit(PAGE.png))
    assert (watched.folder / f"died-{place}").exists()
    assert _files(watched.folder / "tmp") == []


def _left(farm: Yard) -> list[str]:
    """Give the files in the temporary folder, and those of the store that are not whole."""
    return _files(farm.folder / "tmp") + _files(Path(farm.settings.places.store) / ".tmp")


def _files(folder: Path) -> list[str]:
    return sorted(os.fspath(path) for path in folder.rglob("*") if path.is_file())
