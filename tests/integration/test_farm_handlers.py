"""The tasks without their processes: what they read, write and count, against a real Valkey."""

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import redis
from billiard.common import TERM_SIGNAL
from billiard.einfo import ExceptionInfo
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.document import Document, Line
from ocrfarm.errors import (
    BrokerUnreachable,
    DamagedImage,
    JobCancelled,
    JobFailed,
    StoreFull,
    StoreUnreachable,
    UnidentifiedImage,
    UnknownJob,
)
from ocrfarm.farm import handlers, protocol, tasks
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.context import WorkerContext
from ocrfarm.farm.job_store import JobStatus, JobStore
from ocrfarm.farm.manifest import Manifest, Request
from ocrfarm.farm.recovery import recover_stalled_jobs
from ocrfarm.farm.second_pass import recognize_regions
from ocrfarm.farm.submit import Submitter, cancel, fail_job, submit
from ocrfarm.geometry import Quad, Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize import EngineOutput, Profile, RgbPixels, Tiling, find_profile
from ocrfarm.recognize.engine import LineFilter, accept_all
from ocrfarm.recognize.synthetic_engine import SyntheticEngine, draw_synthetic_line, make_synthetic_page
from ocrfarm.result import document_from_json
from ocrfarm.settings import Admission, Endpoints, Settings
from ocrfarm.storage import layout, open_store
from ocrfarm.tile import Fragment
from tests.support.servers import ValkeyServer

MAX_MESSAGE_BYTES = 2_500
"""With all of Celery's headers and the chord's body, which every message carries; one tile has a million bytes."""

PROFILE = replace(find_profile("synthetic"), tiling=Tiling(256, 64, levels=False))


@dataclass
class CountingEngine:
    """Reads synthetic lines, counts the tiles, and does what a test wants before each."""

    model: str = "synthetic"
    reads: int = 0
    before_read: Callable[[int], None] = lambda _: None
    engine: SyntheticEngine = field(default_factory=SyntheticEngine)

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        self.reads += 1
        self.before_read(self.reads)
        return self.engine.read(pixels, accept=accept)

    def read_lines(self, pixels: RgbPixels, lines: Sequence[Quad]) -> list[Fragment]:
        self.reads += 1
        self.before_read(self.reads)
        return self.engine.read_lines(pixels, lines)


@dataclass
class InProcessFarm:
    """One process that plays all workers, and one submitted page."""

    services: WorkerContext
    engine: CountingEngine

    def submit(self, source: bytes, name: str = "page.png", *, profile: Profile = PROFILE) -> str:
        app = make_app(self.services.settings)
        return submit(self.make_submitter(app), Request(name, profile, time.time()), source=source)

    def make_submitter(self, app: Celery | None = None) -> Submitter:
        services = self.services
        return Submitter(
            app or make_app(services.settings),
            services.store,
            services.jobs,
            services.settings.admission,
        )

    def status(self, job: str) -> JobStatus:
        return self.services.jobs.get_status(job)

    def stitch(self, job: str) -> Document:
        """Stitch, and read what is in doubt, until there is a document."""
        while batches := handlers.stitch(self.services, job):
            for batch in batches:
                recognize_regions(self.services, job, batch=batch)
        return document_from_json(self.services.store.get(layout.result(job)))

    def manifest(self, job: str) -> Manifest:
        return Manifest.from_bytes(self.services.store.get(layout.manifest(job)))


@pytest.fixture
def bench(valkey_server: ValkeyServer) -> InProcessFarm:
    prefix = f"{uuid.uuid4().hex}:"
    settings = Settings(Endpoints(broker=valkey_server.url, store="memory:", key_prefix=prefix))
    engine = CountingEngine()
    broker = Broker(valkey_server.url)
    progress = JobStore(broker, prefix=prefix, ttl_seconds=60)
    return InProcessFarm(WorkerContext(settings, open_store("memory:"), progress, lambda _: engine), engine)


@pytest.fixture(scope="module")
def page() -> tuple[bytes, tuple[Line, ...]]:
    pixels, lines = make_synthetic_page(Size(900, 500), seed=3, lines=8)
    return encode_tile(pixels), lines


def test_split_recognize_stitch_give_a_complete_document(
    bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = bench.submit(page[0])
    assert bench.status(job).state == "queued"
    batches = list(handlers.split(bench.services, job))
    assert bench.status(job).state == "recognizing"
    for batch in batches:
        handlers.recognize(bench.services, job, batch=batch)
    document = bench.stitch(job)
    status = bench.status(job)
    assert (status.state, status.tiles) == ("complete", status.blank + status.done)
    assert sorted(line.text for line in document.lines) == sorted(line.text for line in page[1])
    assert {"wall", "split", "engine", "stitch", "slots", "peak_split_mb"} <= document.timing.keys()
    assert bench.services.store.exists(layout.overview(job, 0))


def test_blank_tiles_are_marked_and_neither_stored_nor_sent(bench: InProcessFarm) -> None:
    pixels = np.full((500, 900), 255, np.uint8)
    job = bench.submit(encode_tile(pixels))
    assert list(handlers.split(bench.services, job)) == []
    manifest = bench.manifest(job)
    assert manifest.blank == {tile.id for tile in manifest.tiles}
    assert not list(bench.services.store.list(f"{layout.job_prefix(job)}tiles/"))
    assert bench.stitch(job).lines == ()
    assert bench.status(job).state == "complete"


def test_a_batch_that_runs_twice_does_the_work_once(bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]) -> None:
    job = bench.submit(page[0])
    batches = list(handlers.split(bench.services, job))
    first = sum(handlers.recognize(bench.services, job, batch=batch)[0] for batch in batches)
    assert sum(handlers.recognize(bench.services, job, batch=batch)[0] for batch in batches) == 0
    assert bench.engine.reads == first == bench.status(job).done


def test_fragments_in_the_store_count_even_where_the_broker_forgot(
    bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = bench.submit(page[0])
    (batch, *_) = list(handlers.split(bench.services, job))
    handlers.recognize(bench.services, job, batch=batch)
    forgetful = replace(bench.services, jobs=_empty(bench))
    assert handlers.recognize(forgetful, job, batch=batch) == (0, True)
    assert bench.engine.reads == len(batch)


def _empty(bench: InProcessFarm) -> JobStore:
    return JobStore(Broker(bench.services.settings.endpoints.broker), prefix=f"{uuid.uuid4().hex}:", ttl_seconds=60)


def test_splitting_and_stitching_twice_changes_nothing(
    bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = bench.submit(page[0])
    batches = list(handlers.split(bench.services, job))
    assert list(handlers.split(bench.services, job)) == batches
    for batch in batches:
        handlers.recognize(bench.services, job, batch=batch)
    bench.stitch(job)
    first = bench.services.store.get(layout.result(job))
    bench.stitch(job)
    assert bench.services.store.get(layout.result(job)) == first


def test_a_tile_that_breaks_the_engine_is_a_gap_and_the_rest_is_read(
    bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    def break_on_one_tile(count: int) -> None:
        if 2 <= count <= 1 + 1 + 4 * 2:  # the tile, and each part by the job's model and by the light one
            raise RuntimeError("no such kernel")

    bench.engine.before_read = break_on_one_tile
    job = bench.submit(page[0])
    for batch in handlers.split(bench.services, job):
        handlers.recognize(bench.services, job, batch=batch)
    document = bench.stitch(job)
    (gap,) = document.pages[0].coverage.gaps
    assert "no such kernel" in gap.reason
    assert document.lines
    status = bench.status(job)
    assert (status.state, status.failed) == ("partial", 1)
    store = bench.services.store
    names = list(store.list(f"{layout.job_prefix(job)}dead_letters/"))
    assert len(names) == 1 + 4  # the tile and its parts
    letters = [json.loads(store.get(name)) for name in names]
    assert all("no such kernel" in letter["reason"] for letter in letters)
    assert all(letter["attempts"] == 3 and str(os.getpid()) in letter["worker"] for letter in letters)
    assert all(store.exists(letter["pixels"]) for letter in letters)


def test_a_tile_that_kills_its_worker_is_given_up_after_three_times(
    bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = bench.submit(page[0])
    (batch, *_) = list(handlers.split(bench.services, job))
    for _ in range(3):
        bench.services.jobs.attempts.start(job, str(batch[0]))
    handlers.recognize(bench.services, job, batch=batch[:1])
    assert bench.engine.reads == 0
    assert bench.status(job).failed == 1
    assert handlers.recognize(bench.services, job, batch=batch[:1]) == (0, True)
    assert bench.status(job).failed == 1


def test_a_tile_that_is_damaged_in_the_store_is_a_gap(
    bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = bench.submit(page[0])
    batches = list(handlers.split(bench.services, job))
    bench.services.store.put(layout.tile(job, batches[0][0]), b"no image")
    for batch in batches:
        handlers.recognize(bench.services, job, batch=batch)
    assert len(bench.stitch(job).pages[0].coverage.gaps) == 1


def test_tiles_of_a_cancelled_job_are_skipped(bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]) -> None:
    job = bench.submit(page[0])
    batches = list(handlers.split(bench.services, job))
    assert cancel(bench.make_submitter(), job)
    assert not cancel(bench.make_submitter(), job)
    assert [handlers.recognize(bench.services, job, batch=batch)[0] for batch in batches] == [0] * len(batches)
    assert bench.engine.reads == 0
    bench.stitch(job)
    assert bench.status(job).state == "cancelled"
    assert isinstance(bench.status(job).make_error(), JobCancelled)


@pytest.mark.parametrize(
    ("source", "kind"),
    [(b"", UnidentifiedImage), (b"just text", UnidentifiedImage), (b"\x89PNG\r\n\x1a\n" + b"x" * 99, DamagedImage)],
)
def test_bad_images_raise_typed_errors_with_the_users_name(
    bench: InProcessFarm, source: bytes, kind: type[Exception]
) -> None:
    job = bench.submit(source, name="scan 7.png")
    with pytest.raises(kind, match=r"scan 7\.png"):
        list(handlers.split(bench.services, job))


def test_an_error_travels_through_the_job_record(bench: InProcessFarm) -> None:
    job = bench.submit(b"x")
    fail_job(bench.services.jobs, job, error=DamagedImage("a.png: cut short"), store=bench.services.store)
    failure = bench.status(job).make_error()
    assert isinstance(failure, DamagedImage)
    assert str(failure) == "a.png: cut short"
    other = bench.submit(b"x")
    fail_job(bench.services.jobs, other, error=ZeroDivisionError("oops"), store=bench.services.store)
    assert type(bench.status(other).make_error()) is JobFailed


def test_messages_hold_no_pixels_and_a_second_split_repeats_them(
    bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    places = bench.services.settings.endpoints
    app = make_app(bench.services.settings)
    tasks.register_tasks(app, lambda: bench.services)
    job = bench.submit(page[0])
    ids = []
    with redis.Redis.from_url(places.broker) as server:
        for _ in range(2):
            app.tasks[protocol.SPLIT].apply((job,))
            queue = f"{places.key_prefix}{protocol.recognize_queue('synthetic')}"
            messages = [json.loads(message) for message in reversed(server.lrange(queue, 0, -1))]
            server.delete(queue)
            assert messages
            assert all(message["content-type"] == "application/json" for message in messages)
            assert all(len(json.dumps(message)) < MAX_MESSAGE_BYTES for message in messages)
            ids.append([message["headers"]["id"] for message in messages])
    assert (
        ids[0]
        == ids[1]
        == [protocol.batch_id(job, index, generation=protocol.Generation()) for index in range(len(ids[0]))]
    )


def test_progress_knows_jobs_newest_first_and_refuses_unknown_ones(bench: InProcessFarm) -> None:
    jobs = [bench.submit(b"x") for _ in range(3)]
    assert [status.id for status in bench.services.jobs.list_recent()] == jobs[::-1]
    with pytest.raises(UnknownJob, match="knows no job"):
        bench.status(protocol.new_job_id())


@given(st.lists(st.sampled_from([0.0, 0.1, 0.2, 1 / 3, 7.0])), st.integers(1, 6))
def test_pages_of_jobs_put_together_are_all_jobs(valkey_server: ValkeyServer, moments: list[float], most: int) -> None:
    """Those that were handed in at the same moment, too."""
    broker, now = Broker(valkey_server.url), time.time()
    progress = JobStore(broker, prefix=f"{uuid.uuid4().hex}:", ttl_seconds=60)
    for moment in moments:
        progress.create(JobStatus(protocol.new_job_id(), "queued", submitted=now + moment, owner="dora"))
    found, last = list[JobStatus](), None
    while page := progress.list_recent("dora", most, after=last):
        assert len(page) == most or len(page) + len(found) == len(moments)
        found, last = [*found, *page], page[-1]
    assert found == progress.list_recent()
    assert sorted(found, key=lambda status: (status.submitted, status.id), reverse=True) == found
    assert len(found) == len(moments)
    progress.close()


def test_a_broker_that_is_away_is_one_sentence() -> None:
    progress = JobStore(Broker("redis://user:secret@127.0.0.1:1/0", retries=0), prefix="x:", ttl_seconds=60)
    with pytest.raises(BrokerUnreachable) as caught:
        progress.list_recent()
    assert "127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_error_that_may_pass_puts_the_message_back_and_forgives_the_tiles(
    bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(key: str, data: bytes, *, if_absent: bool = False) -> bool:
        raise StoreUnreachable("the store does not answer")

    job = bench.submit(page[0])
    (batch, *_) = list(handlers.split(bench.services, job))
    app = make_app(bench.services.settings)
    tasks.register_tasks(app, lambda: bench.services)
    monkeypatch.setattr(bench.services.store, "put", away)
    monkeypatch.setattr(tasks, "_REQUEUE_DELAY", 0)
    for _ in range(5):
        outcome = app.tasks[protocol.RECOGNIZE].apply(tuple(protocol.batch_args(job, batch)))
        assert str(outcome.state) == "REJECTED"
    assert bench.status(job).failed == 0
    assert bench.services.jobs.attempts.get_state(job, str(batch[0])).attempts == 0


def test_a_store_that_is_away_counts_against_no_job(
    bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that cannot be taken up has not been taken up, however often that is so."""

    def away(key: str) -> bool:
        raise StoreUnreachable("the store does not answer")

    load = Admission(stalled_timeout=0, max_requeues=3)
    services = replace(bench.services, settings=replace(bench.services.settings, admission=load))
    monkeypatch.setattr(services.jobs.recovery, "try_lock", lambda *_: True)
    job = bench.submit(page[0])
    list(handlers.split(services, job))  # and no message is sent
    with redis.Redis.from_url(services.settings.endpoints.broker) as server:
        server.delete(f"{services.settings.endpoints.key_prefix}split")
    with monkeypatch.context() as patched:
        patched.setattr(services.store, "exists", away)
        for _ in range(5):
            with pytest.raises(StoreUnreachable):
                list(recover_stalled_jobs(services))
    assert [list(recover_stalled_jobs(services)) for _ in range(3)] == [[job]] * 3
    assert list(recover_stalled_jobs(services)) == []
    assert "taken up 3 times" in bench.status(job).error


@pytest.fixture
def told_to_end() -> Iterator[None]:
    """Give this process the handler that a worker's child has."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(-number)

    before = signal.signal(TERM_SIGNAL, leave)
    yield
    signal.signal(TERM_SIGNAL, before)


def test_a_worker_that_is_told_to_end_blames_neither_the_engine_nor_the_tile(
    bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]], told_to_end: None
) -> None:
    job = bench.submit(page[0])
    (batch, *_) = list(handlers.split(bench.services, job))
    app = make_app(bench.services.settings)
    tasks.register_tasks(app, lambda: bench.services)
    bench.engine.before_read = lambda _: os.kill(os.getpid(), TERM_SIGNAL)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            app.tasks[protocol.RECOGNIZE].apply(tuple(protocol.batch_args(job, batch)))
    turn = bench.services.jobs.attempts.get_state(job, str(batch[0]))
    assert (bench.engine.reads, turn.attempts, turn.failures) == (3, 0, 0)


def test_a_splitter_that_is_told_to_end_does_not_count_it(
    bench: InProcessFarm, page: tuple[bytes, tuple[Line, ...]], told_to_end: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.submit(page[0])
    app = make_app(bench.services.settings)
    tasks.register_tasks(app, lambda: bench.services)
    with monkeypatch.context() as patched:
        patched.setattr(handlers, "open_source", lambda *_, **__: os.kill(os.getpid(), TERM_SIGNAL))
        for _ in range(4):
            with pytest.raises(KeyboardInterrupt):
                app.tasks[protocol.SPLIT].apply((job,))
    app.tasks[protocol.SPLIT].apply((job,))
    assert bench.status(job).state == "recognizing"


def test_a_narrow_tile_is_read_in_two_parts(bench: InProcessFarm) -> None:
    pixels = np.full((600, 90), 255, np.uint8)
    lines = [f"line {number}" for number in range(9)]
    for number, text in enumerate(lines):
        draw_synthetic_line(pixels, text, x=5, y=10 + 60 * number, height=16)

    def break_once(count: int) -> None:
        if count == 1:
            raise RuntimeError("no such kernel")

    bench.engine.before_read = break_once
    job = bench.submit(encode_tile(pixels))
    for batch in handlers.split(bench.services, job):
        handlers.recognize(bench.services, job, batch=batch)
    document = bench.stitch(job)
    assert bench.status(job).state == "complete"
    assert [line.text for line in document.lines] == lines
    parts = [
        name.rpartition("-")[2]
        for name in bench.services.store.list(f"{layout.job_prefix(job)}fragments/")
        if "-q" in name
    ]
    assert parts == ["q0.json.gz", "q2.json.gz"]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (redis.exceptions.ConnectionError("the broker went while Celery counted"), "queued"),
        (redis.exceptions.OutOfMemoryError("no room"), "queued"),
        (SoftTimeLimitExceeded(), "queued"),
        (StoreUnreachable("the store does not answer"), "queued"),
        (StoreFull("no room"), "failed"),
        (ZeroDivisionError("oops"), "failed"),
    ],
)
def test_a_task_fails_its_job_unless_the_reason_may_pass(bench: InProcessFarm, error: Exception, state: str) -> None:
    app = make_app(bench.services.settings)
    tasks.register_tasks(app, lambda: bench.services)
    job = bench.submit(b"x")
    try:
        raise error
    except type(error):
        app.tasks[protocol.RECOGNIZE].on_failure(error, "id", (job, []), {}, ExceptionInfo())
    assert bench.status(job).state == state


def test_requests_and_manifests_survive_the_store() -> None:
    request = Request("Zeichnung Ä.png", Profile.from_json(PROFILE.to_json()), 12.5, priority=5)
    assert Request.from_bytes(request.to_bytes()) == request
