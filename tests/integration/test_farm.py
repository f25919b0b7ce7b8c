"""The embedded farm with real processes: jobs, faults, and what a client sees."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import redis

from ocrfarm.document import Document, Line
from ocrfarm.errors import DamagedImage, NotAnImage, TooLarge
from ocrfarm.farm import wire
from ocrfarm.farm.app import make_app
from ocrfarm.farm.local import EmbeddedFarm, Shape
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.progress import JobStatus, Progress
from ocrfarm.farm.services import open_progress
from ocrfarm.farm.submit import Counter, cancel, open_counter, submit
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.pipeline import read
from ocrfarm.recognize import Profile, Tiling, find_profile
from ocrfarm.recognize.planted import PlantedEngine, planted_page
from ocrfarm.result import document_from_json, document_to_json
from ocrfarm.settings import Limits, Settings
from ocrfarm.storage import keys, open_store
from ocrfarm.storage.store import Store

PROFILE = replace(find_profile("planted"), tiling=Tiling(512, 128, levels=False))
MANY_TILES = replace(PROFILE, tiling=Tiling(256, 96, levels=False))
MOST_PIXELS = 20_000_000


@dataclass
class Desk:
    """What a client has: the farm's addresses and nothing of its insides."""

    farm: EmbeddedFarm
    counter: Counter
    store: Store
    progress: Progress

    def submit(self, source: Path | bytes, name: str = "page.png", *, profile: Profile = PROFILE) -> str:
        request = Request(name, profile, time.time())
        return submit(self.counter, request, source=source)

    def wait(self, job: str, until: Callable[[JobStatus], bool] = lambda status: status.ended) -> JobStatus:
        deadline = time.monotonic() + 60
        while not until(status := self.progress.status(job)):
            self.farm.check()
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return status

    def document(self, job: str) -> Document:
        return document_from_json(self.store.get(keys.result(job)))


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    base = Settings(limits=Limits(limit_pixels=MOST_PIXELS))
    with EmbeddedFarm("planted", shape=Shape(2), base=base) as farm:
        farm.wait_ready()
        settings = farm.settings
        store = open_store(settings.places.store)
        counter = open_counter(settings, make_app(settings), store=store)
        yield Desk(farm, counter, store, open_progress(settings, tries=3))


@pytest.fixture(scope="module")
def page() -> tuple[bytes, tuple[Line, ...]]:
    pixels, lines = planted_page(Size(512 + 4 * 448, 512 + 2 * 448), seed=5, lines=25)
    return encode_tile(pixels), lines


@pytest.fixture(scope="module")
def large_page() -> bytes:
    return encode_tile(planted_page(Size(4000, 4000), seed=6, lines=150)[0])


@pytest.mark.parametrize("overlap", [128, 64])
def test_the_farm_gives_what_the_pipeline_gives(
    desk: Desk, page: tuple[bytes, tuple[Line, ...]], tmp_path: Path, overlap: int
) -> None:
    """With little overlap some seams are in doubt, and are looked at a second time."""
    path = tmp_path / "page.png"
    path.write_bytes(page[0])
    profile = PROFILE.tiled(overlap=overlap)
    job = desk.submit(path, profile=profile)
    assert desk.wait(job).state == "complete"
    document = desk.document(job)
    assert bool(document.pages[0].coverage.looks) == (overlap == 64)
    expected = read(path, PlantedEngine(), profile=profile).document
    assert document.pages == document_from_json(document_to_json(expected)).pages
    assert sorted(line.text for line in document.lines) == sorted(line.text for line in page[1])
    assert document.timing["slots"] >= 1


def test_two_jobs_at_once_keep_apart(desk: Desk, page: tuple[bytes, tuple[Line, ...]], large_page: bytes) -> None:
    jobs = [desk.submit(large_page, "one"), desk.submit(page[0], "two")]
    assert [desk.wait(job).state for job in jobs] == ["complete", "complete"]
    one, two = (desk.document(job) for job in jobs)
    assert (one.pages[0].size, two.pages[0].size) == (Size(4000, 4000), Size(2304, 1408))


@pytest.mark.parametrize(
    ("source", "kind"),
    [(b"", NotAnImage), (b"only text", NotAnImage), (b"\x89PNG\r\n\x1a\nrubbish", DamagedImage)],
)
def test_a_bad_picture_is_the_same_error_at_the_client(desk: Desk, source: bytes, kind: type[Exception]) -> None:
    status = desk.wait(desk.submit(source, "scan.png"))
    assert status.state == "failed"
    assert isinstance(status.failure(), kind)
    assert "scan.png" in status.error
    assert "\n" not in status.error


def test_a_picture_cut_short_fails_though_some_batches_were_sent(desk: Desk, large_page: bytes) -> None:
    status = desk.wait(desk.submit(large_page[: len(large_page) // 2]))
    assert isinstance(status.failure(), DamagedImage)


def test_a_limit_holds_before_anything_is_decoded(desk: Desk) -> None:
    pixels, _ = planted_page(Size(5000, 4001), seed=1, lines=1)
    status = desk.wait(desk.submit(encode_tile(pixels)))
    assert isinstance(status.failure(), TooLarge)


def test_a_killed_recognizer_costs_time_only(desk: Desk, large_page: bytes) -> None:
    job = desk.submit(large_page, profile=MANY_TILES)
    desk.wait(job, lambda status: status.done > 0 or status.ended)
    for note in _loaded(desk):
        os.kill(int(note.name.split(".")[1]), signal.SIGKILL)
        note.unlink()
    assert desk.wait(job).state == "complete"
    desk.farm.wait_ready()


def _loaded(desk: Desk) -> list[Path]:
    return list(Path(desk.farm.settings.places.health).glob("recognize.*.loaded"))


def test_a_cancelled_job_ends_at_once_and_the_next_one_runs(
    desk: Desk, page: tuple[bytes, tuple[Line, ...]], large_page: bytes
) -> None:
    job = desk.submit(large_page, profile=MANY_TILES)
    desk.wait(job, lambda status: status.tiles > 0)
    assert cancel(desk.counter, job)
    assert desk.wait(desk.submit(page[0])).state == "complete"
    assert desk.progress.status(job).state == "cancelled"
    assert not desk.store.exists(keys.result(job))


def test_a_pickle_is_refused_and_the_worker_lives(desk: Desk, page: tuple[bytes, tuple[Line, ...]]) -> None:
    with make_app(desk.farm.settings) as app:
        app.conf.update(accept_content=["json", "pickle"])
        app.send_task(wire.SPLIT, [wire.new_job_id()], serializer="pickle", queue=wire.SPLIT_QUEUE)
    assert desk.wait(desk.submit(page[0])).state == "complete"
    log = (desk.farm.logs / "split-stitch.log").read_text(encoding="utf-8")
    assert "ContentDisallowed" in log or "Refusing to deserialize" in log


def test_nothing_is_left_in_the_queues(desk: Desk) -> None:
    places = desk.farm.settings.places
    socket = places.broker.removeprefix("redis+socket://")
    with redis.Redis(unix_socket_path=socket, decode_responses=True) as server:
        names = [f"{places.prefix}{queue}" for queue in ("split", "stitch", "recognize.planted")]
        assert [server.llen(f"{name}{step}") for name in names for step in ("", ":5", ":9")] == [0] * 9
        assert all(key.startswith(places.prefix) for key in server.scan_iter())
