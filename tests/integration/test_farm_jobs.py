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
from ocrfarm.errors import DamagedImage, TooLarge, UnidentifiedImage
from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.embedded.farm import EmbeddedFarm, WorkerLayout
from ocrfarm.farm.job_store import JobStatus, JobStore
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.submit import Submitter, cancel, open_submitter, submit
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.pipeline import run_pipeline
from ocrfarm.recognize import Profile, Tiling, find_profile
from ocrfarm.recognize.synthetic_engine import SyntheticEngine, make_synthetic_page
from ocrfarm.result import document_from_json, document_to_json
from ocrfarm.settings import ImageLimits, Settings
from ocrfarm.storage import layout, open_store
from ocrfarm.storage.store import Store

PROFILE = replace(find_profile("synthetic"), tiling=Tiling(512, 128, levels=False))
MANY_TILES = replace(PROFILE, tiling=Tiling(256, 96, levels=False))
MAX_PIXELS = 20_000_000


@dataclass
class FarmClient:
    """What a client has: the farm's addresses and nothing of its insides."""

    farm: EmbeddedFarm
    submitter: Submitter
    store: Store
    job_store: JobStore

    def submit(self, source: Path | bytes, name: str = "page.png", *, profile: Profile = PROFILE) -> str:
        request = Request(name, profile, time.time())
        return submit(self.submitter, request, source=source)

    def wait(self, job: str, until: Callable[[JobStatus], bool] = lambda status: status.has_ended) -> JobStatus:
        deadline = time.monotonic() + 60
        while not until(status := self.job_store.get_status(job)):
            self.farm.check()
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return status

    def document(self, job: str) -> Document:
        return document_from_json(self.store.get(layout.result(job)))


@pytest.fixture(scope="module")
def client() -> Iterator[FarmClient]:
    base = Settings(limits=ImageLimits(limit_pixels=MAX_PIXELS))
    with EmbeddedFarm("synthetic", layout=WorkerLayout(2), base_settings=base) as farm:
        farm.wait_ready()
        settings = farm.settings
        store = open_store(settings.endpoints.store)
        submitter = open_submitter(settings, make_app(settings), store=store)
        yield FarmClient(farm, submitter, store, open_job_store(settings, retries=3))


@pytest.fixture(scope="module")
def page() -> tuple[bytes, tuple[Line, ...]]:
    pixels, lines = make_synthetic_page(Size(512 + 4 * 448, 512 + 2 * 448), seed=5, lines=25)
    return encode_tile(pixels), lines


@pytest.fixture(scope="module")
def large_page() -> bytes:
    return encode_tile(make_synthetic_page(Size(4000, 4000), seed=6, lines=150)[0])


@pytest.mark.parametrize("overlap", [128, 64])
def test_the_farm_gives_what_the_pipeline_gives(
    client: FarmClient, page: tuple[bytes, tuple[Line, ...]], tmp_path: Path, overlap: int
) -> None:
    """With little overlap some seams are in doubt, and are looked at a second time."""
    path = tmp_path / "page.png"
    path.write_bytes(page[0])
    profile = PROFILE.with_tiling(overlap=overlap)
    job = client.submit(path, profile=profile)
    assert client.wait(job).state == "complete"
    document = client.document(job)
    assert bool(document.pages[0].coverage.second_pass_count) == (overlap == 64)
    expected = run_pipeline(path, SyntheticEngine(), profile=profile).document
    assert document.pages == document_from_json(document_to_json(expected)).pages
    assert sorted(line.text for line in document.lines) == sorted(line.text for line in page[1])
    assert document.timing["slots"] >= 1


def test_two_jobs_at_once_keep_apart(
    client: FarmClient, page: tuple[bytes, tuple[Line, ...]], large_page: bytes
) -> None:
    jobs = [client.submit(large_page, "one"), client.submit(page[0], "two")]
    assert [client.wait(job).state for job in jobs] == ["complete", "complete"]
    one, two = (client.document(job) for job in jobs)
    assert (one.pages[0].size, two.pages[0].size) == (Size(4000, 4000), Size(2304, 1408))


@pytest.mark.parametrize(
    ("source", "kind"),
    [(b"", UnidentifiedImage), (b"only text", UnidentifiedImage), (b"\x89PNG\r\n\x1a\nrubbish", DamagedImage)],
)
def test_a_bad_image_is_the_same_error_at_the_client(client: FarmClient, source: bytes, kind: type[Exception]) -> None:
    status = client.wait(client.submit(source, "scan.png"))
    assert status.state == "failed"
    assert isinstance(status.make_error(), kind)
    assert "scan.png" in status.error
    assert "\n" not in status.error


def test_an_image_cut_short_fails_though_some_batches_were_sent(client: FarmClient, large_page: bytes) -> None:
    status = client.wait(client.submit(large_page[: len(large_page) // 2]))
    assert isinstance(status.make_error(), DamagedImage)


def test_a_limit_holds_before_anything_is_decoded(client: FarmClient) -> None:
    pixels, _ = make_synthetic_page(Size(5000, 4001), seed=1, lines=1)
    status = client.wait(client.submit(encode_tile(pixels)))
    assert isinstance(status.make_error(), TooLarge)


def test_a_killed_recognizer_costs_time_only(client: FarmClient, large_page: bytes) -> None:
    job = client.submit(large_page, profile=MANY_TILES)
    assert client.wait(job, lambda status: status.done > 0).state in ("splitting", "recognizing")
    for note in _loaded(client):
        os.kill(int(note.name.split(".")[1]), signal.SIGKILL)
        note.unlink()
    assert client.wait(job).state == "complete"
    client.farm.wait_ready()


def _loaded(client: FarmClient) -> list[Path]:
    return list(Path(client.farm.settings.endpoints.health_dir).glob("recognize.*.loaded"))


def test_a_cancelled_job_ends_at_once_and_the_next_one_runs(
    client: FarmClient, page: tuple[bytes, tuple[Line, ...]], large_page: bytes
) -> None:
    job = client.submit(large_page, profile=MANY_TILES)
    client.wait(job, lambda status: status.tiles > 0)
    assert cancel(client.submitter, job)
    assert client.wait(client.submit(page[0])).state == "complete"
    assert client.job_store.get_status(job).state == "cancelled"
    assert not client.store.exists(layout.result(job))


def test_a_pickle_is_refused_and_the_worker_lives(client: FarmClient, page: tuple[bytes, tuple[Line, ...]]) -> None:
    with make_app(client.farm.settings) as app:
        app.conf.update(accept_content=["json", "pickle"])
        app.send_task(protocol.SPLIT, [protocol.new_job_id()], serializer="pickle", queue=protocol.SPLIT_QUEUE)
    assert client.wait(client.submit(page[0])).state == "complete"
    log = (client.farm.logs_dir / "split-stitch.log").read_text(encoding="utf-8")
    assert f"rejected a message in {protocol.SPLIT_QUEUE}" in log


def test_nothing_is_left_in_the_queues(client: FarmClient, large_page: bytes) -> None:
    places = client.farm.settings.endpoints
    names = [f"{places.key_prefix}{queue}" for queue in ("split", "stitch", "recognize.synthetic")]
    queues = [f"{name}{priority}" for name in names for priority in ("", ":5", ":9")]
    socket = places.broker.removeprefix("redis+socket://")
    with redis.Redis(unix_socket_path=socket, decode_responses=True) as server:
        job = client.submit(large_page, profile=MANY_TILES)
        client.wait(job, lambda _: any(server.llen(queue) for queue in queues if "recognize" in queue))
        assert client.wait(job).state == "complete"
        assert [server.llen(queue) for queue in queues] == [0] * 9
        assert all(key.startswith(places.key_prefix) for key in server.scan_iter())
