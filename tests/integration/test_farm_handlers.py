"""The tasks without their processes: what they read, write and count, against a real Valkey."""

import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import redis
from billiard.common import TERM_SIGNAL
from billiard.einfo import ExceptionInfo
from celery.exceptions import SoftTimeLimitExceeded
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.document import Line
from ocrfarm.errors import (
    BrokerUnreachable,
    DamagedImage,
    DamagedObject,
    JobCancelled,
    JobFailed,
    ObjectNotFound,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreUnreachable,
    UnidentifiedImage,
    UnknownJob,
)
from ocrfarm.farm import handlers, protocol, tasks
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.context import UNREAD
from ocrfarm.farm.job_store import JobStatus, JobStore
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.recovery import Fail, Requeue, recover_stalled_jobs
from ocrfarm.farm.retries import MAX_REPEATS
from ocrfarm.farm.submit import cancel, fail_job, submit
from ocrfarm.geometry import Size
from ocrfarm.image import decode_tile, encode_tile
from ocrfarm.recognize import Profile
from ocrfarm.recognize.synthetic_engine import draw_synthetic_line, make_synthetic_page
from ocrfarm.settings import Admission
from ocrfarm.storage import layout
from tests.support.in_process_farm import PROFILE, InProcessFarm
from tests.support.servers import ValkeyServer

MAX_MESSAGE_BYTES = 2_500
"""With all of Celery's headers and the chord's body, which every message carries; one tile has a million bytes."""


@pytest.fixture(scope="module")
def page() -> tuple[bytes, tuple[Line, ...]]:
    pixels, lines = make_synthetic_page(Size(900, 500), seed=3, lines=8)
    return encode_tile(pixels), lines


def test_split_recognize_stitch_give_a_complete_document(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = in_process_farm.submit(page[0])
    assert in_process_farm.status(job).state == "queued"
    batches = list(handlers.split(in_process_farm.services, job))
    assert in_process_farm.status(job).state == "recognizing"
    for batch in batches:
        handlers.recognize(in_process_farm.services, job, batch=batch)
    document = in_process_farm.stitch(job)
    status = in_process_farm.status(job)
    assert (status.state, status.tiles) == ("complete", status.blank + status.done)
    assert sorted(line.text for line in document.lines) == sorted(line.text for line in page[1])
    assert {"wall", "split", "engine", "stitch", "slots", "peak_split_mb"} <= document.timing.keys()
    assert in_process_farm.services.store.exists(layout.overview(job, 0))


def test_blank_tiles_are_marked_and_neither_stored_nor_sent(in_process_farm: InProcessFarm) -> None:
    pixels = np.full((500, 900), 255, np.uint8)
    job = in_process_farm.submit(encode_tile(pixels))
    assert list(handlers.split(in_process_farm.services, job)) == []
    manifest = in_process_farm.manifest(job)
    assert manifest.blank == {tile.id for tile in manifest.tiles}
    assert not list(in_process_farm.services.store.list(f"{layout.job_prefix(job)}tiles/"))
    assert in_process_farm.stitch(job).lines == ()
    assert in_process_farm.status(job).state == "complete"


def test_a_batch_that_runs_twice_does_the_work_once(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = in_process_farm.submit(page[0])
    batches = list(handlers.split(in_process_farm.services, job))
    first = sum(handlers.recognize(in_process_farm.services, job, batch=batch)[0] for batch in batches)
    assert sum(handlers.recognize(in_process_farm.services, job, batch=batch)[0] for batch in batches) == 0
    assert in_process_farm.engine.reads == first == in_process_farm.status(job).done


def test_fragments_in_the_store_count_even_where_the_broker_forgot(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = in_process_farm.submit(page[0])
    (batch, *_) = list(handlers.split(in_process_farm.services, job))
    handlers.recognize(in_process_farm.services, job, batch=batch)
    forgetful = replace(in_process_farm.services, jobs=_empty(in_process_farm))
    assert handlers.recognize(forgetful, job, batch=batch) == (0, True)
    assert in_process_farm.engine.reads == len(batch)


def _empty(in_process_farm: InProcessFarm) -> JobStore:
    return JobStore(
        Broker(in_process_farm.services.settings.endpoints.broker), prefix=f"{uuid.uuid4().hex}:", ttl_seconds=60
    )


def test_splitting_and_stitching_twice_changes_nothing(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = in_process_farm.submit(page[0])
    batches = list(handlers.split(in_process_farm.services, job))
    assert list(handlers.split(in_process_farm.services, job)) == batches
    for batch in batches:
        handlers.recognize(in_process_farm.services, job, batch=batch)
    in_process_farm.stitch(job)
    first = in_process_farm.services.store.get(layout.result(job))
    in_process_farm.stitch(job)
    assert in_process_farm.services.store.get(layout.result(job)) == first


@pytest.mark.parametrize("tiles_cut_again", range(5))
def test_blank_tiles_stay_known_while_an_image_is_cut_again(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]], tiles_cut_again: int
) -> None:
    """Another split of the same job begins, and the first one's chord ends meanwhile."""
    pixels = np.full((1500, 900), 255, np.uint8)
    pixels[:500] = decode_tile(page[0])
    job = in_process_farm.submit(encode_tile(pixels))
    batches = list(handlers.split(in_process_farm.services, job))
    for batch in batches:
        handlers.recognize(in_process_farm.services, job, batch=batch)
    again = handlers.split(in_process_farm.services, job)
    list(islice(again, tiles_cut_again))
    document = in_process_farm.stitch(job)
    again.close()
    assert document.pages[0].coverage.blank
    assert document.is_complete


def test_a_manifest_that_is_damaged_is_stored_again(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = in_process_farm.submit(page[0])
    in_process_farm.services.store.put(layout.manifest(job), b"<html>")
    assert len(list(handlers.split(in_process_farm.services, job))) > 1
    assert in_process_farm.manifest(job).tiles


def test_a_submission_that_fails_does_not_end_a_job_that_was_submitted_before(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(key: str, data: bytes, *, if_absent: bool = False) -> bool:
        raise StoreUnreachable("the store does not answer")

    job = in_process_farm.submit(page[0])
    monkeypatch.setattr(in_process_farm.services.store, "put", away)
    with pytest.raises(StoreUnreachable):
        submit(in_process_farm.make_submitter(), Request("a.png", PROFILE, 0.0), source=page[0], job=job)
    assert in_process_farm.status(job).state == "queued"


def test_a_tile_that_breaks_the_engine_is_a_gap_and_the_rest_is_read(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    def break_on_one_tile(count: int) -> None:
        if 2 <= count <= 1 + 1 + 4 * 2:  # the tile, and each part by the job's model and by the light one
            raise RuntimeError("no such kernel")

    in_process_farm.engine.before_read = break_on_one_tile
    job = in_process_farm.submit(page[0])
    for batch in handlers.split(in_process_farm.services, job):
        handlers.recognize(in_process_farm.services, job, batch=batch)
    document = in_process_farm.stitch(job)
    (gap,) = document.pages[0].coverage.gaps
    assert "no such kernel" in gap.reason
    assert document.lines
    status = in_process_farm.status(job)
    assert (status.state, status.failed) == ("partial", 1)
    store = in_process_farm.services.store
    names = list(store.list(f"{layout.job_prefix(job)}dead_letters/"))
    assert len(names) == 1 + 4  # the tile and its parts
    letters = [json.loads(store.get(name)) for name in names]
    assert all("no such kernel" in letter["reason"] for letter in letters)
    assert all(letter["attempts"] == 3 and str(os.getpid()) in letter["worker"] for letter in letters)
    assert all(store.exists(letter["pixels"]) for letter in letters)


def test_a_tile_that_kills_its_worker_is_given_up_after_three_times(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = in_process_farm.submit(page[0])
    (batch, *_) = list(handlers.split(in_process_farm.services, job))
    for _ in range(3):
        in_process_farm.services.jobs.attempts.start(job, str(batch[0]))
    handlers.recognize(in_process_farm.services, job, batch=batch[:1])
    assert in_process_farm.engine.reads == 0
    assert in_process_farm.status(job).failed == 1
    assert handlers.recognize(in_process_farm.services, job, batch=batch[:1]) == (0, True)
    assert in_process_farm.status(job).failed == 1


def test_a_tile_that_is_damaged_in_the_store_is_a_gap(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = in_process_farm.submit(page[0])
    batches = list(handlers.split(in_process_farm.services, job))
    in_process_farm.services.store.put(layout.tile(job, batches[0][0]), b"no image")
    for _ in range(MAX_REPEATS):
        with pytest.raises(StoreUnreachable):
            handlers.recognize(in_process_farm.services, job, batch=batches[0])
    for batch in batches:
        handlers.recognize(in_process_farm.services, job, batch=batch)
    assert len(in_process_farm.stitch(job).pages[0].coverage.gaps) == 1


@pytest.mark.parametrize("answer", [b"<html>", None], ids=["wrong", "404"])
def test_results_that_come_back_are_stitched(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]], answer: bytes | None
) -> None:
    job = in_process_farm.submit(page[0])
    for batch in handlers.split(in_process_farm.services, job):
        handlers.recognize(in_process_farm.services, job, batch=batch)
    store = in_process_farm.services.store
    hidden = {key: store.get(key) for key in store.list(f"{layout.job_prefix(job)}fragments/")}
    store.delete(hidden)
    for key in hidden if answer else ():
        store.put(key, answer or b"")
    with pytest.raises(DamagedObject if answer else StoreUnreachable):
        handlers.stitch(in_process_farm.services, job)
    for key, content in hidden.items():
        store.put(key, content)
    assert in_process_farm.stitch(job).is_complete


def test_a_quarter_that_is_gone_is_a_gap(in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]) -> None:
    def break_once(count: int) -> None:
        if count == 1:
            raise RuntimeError("no such kernel")

    in_process_farm.engine.before_read = break_once
    job = in_process_farm.submit(page[0])
    for batch in handlers.split(in_process_farm.services, job):
        handlers.recognize(in_process_farm.services, job, batch=batch)
    store = in_process_farm.services.store
    store.delete([next(key for key in store.list(f"{layout.job_prefix(job)}fragments/") if "-q" in key)])
    (gap,) = in_process_farm.stitch(job).pages[0].coverage.gaps
    assert gap.reason == UNREAD


@pytest.mark.parametrize("task", [protocol.SPLIT, protocol.RECOGNIZE, protocol.STITCH])
@pytest.mark.parametrize("error", [StoreDenied("no"), ObjectNotFound("no"), DamagedObject("no"), StoreFull("no")])
def test_a_store_that_refuses_is_asked_again_before_the_job_fails(
    in_process_farm: InProcessFarm,
    page: tuple[bytes, tuple[Line, ...]],
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    error: StoreError,
) -> None:
    def refuse(key: str) -> bytes:
        raise error

    monkeypatch.setattr(tasks, "_REQUEUE_DELAY", 0)
    job = in_process_farm.submit(page[0])
    (batch, *_) = list(handlers.split(in_process_farm.services, job))
    app = make_app(in_process_farm.services.settings)
    tasks.register_tasks(app, lambda: in_process_farm.services)
    arguments = protocol.batch_args(job, batch) if task == protocol.RECOGNIZE else protocol.job_args(job)
    in_process_farm.services._cached_manifests.clear()
    monkeypatch.setattr(in_process_farm.services.store, "get", refuse)
    monkeypatch.setattr(in_process_farm.services.store, "get_file", lambda key, path: refuse(key))
    repeats = 0 if isinstance(error, StoreFull) else MAX_REPEATS
    for _ in range(repeats):
        assert str(app.tasks[task].apply(tuple(arguments)).state) == "REJECTED"
        assert not in_process_farm.status(job).has_ended
    app.tasks[task].apply(tuple(arguments))
    failure = in_process_farm.status(job).make_error()
    assert (type(failure), in_process_farm.status(job).state) == (type(error), "failed")


def test_tiles_of_a_cancelled_job_are_skipped(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    job = in_process_farm.submit(page[0])
    batches = list(handlers.split(in_process_farm.services, job))
    assert cancel(in_process_farm.make_submitter(), job)
    assert not cancel(in_process_farm.make_submitter(), job)
    assert [handlers.recognize(in_process_farm.services, job, batch=batch)[0] for batch in batches] == [0] * len(
        batches
    )
    assert in_process_farm.engine.reads == 0
    in_process_farm.stitch(job)
    assert in_process_farm.status(job).state == "cancelled"
    assert isinstance(in_process_farm.status(job).make_error(), JobCancelled)


@pytest.mark.parametrize(
    ("source", "kind"),
    [(b"", UnidentifiedImage), (b"just text", UnidentifiedImage), (b"\x89PNG\r\n\x1a\n" + b"x" * 99, DamagedImage)],
)
def test_bad_images_raise_typed_errors_with_the_users_name(
    in_process_farm: InProcessFarm, source: bytes, kind: type[Exception]
) -> None:
    job = in_process_farm.submit(source, name="scan 7.png")
    with pytest.raises(kind, match=r"scan 7\.png"):
        list(handlers.split(in_process_farm.services, job))


def test_an_error_travels_through_the_job_record(in_process_farm: InProcessFarm) -> None:
    job = in_process_farm.submit(b"x")
    fail_job(
        in_process_farm.services.jobs, job, error=DamagedImage("a.png: cut short"), store=in_process_farm.services.store
    )
    failure = in_process_farm.status(job).make_error()
    assert isinstance(failure, DamagedImage)
    assert str(failure) == "a.png: cut short"
    other = in_process_farm.submit(b"x")
    fail_job(
        in_process_farm.services.jobs, other, error=ZeroDivisionError("oops"), store=in_process_farm.services.store
    )
    assert type(in_process_farm.status(other).make_error()) is JobFailed


def test_messages_hold_no_pixels_and_a_second_split_repeats_them(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]]
) -> None:
    places = in_process_farm.services.settings.endpoints
    app = make_app(in_process_farm.services.settings)
    tasks.register_tasks(app, lambda: in_process_farm.services)
    job = in_process_farm.submit(page[0])
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


def test_progress_knows_jobs_newest_first_and_refuses_unknown_ones(in_process_farm: InProcessFarm) -> None:
    jobs = [in_process_farm.submit(b"x") for _ in range(3)]
    assert [status.id for status in in_process_farm.services.jobs.list_recent()] == jobs[::-1]
    with pytest.raises(UnknownJob, match="knows no job"):
        in_process_farm.status(protocol.new_job_id())


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
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(key: str, data: bytes, *, if_absent: bool = False) -> bool:
        raise StoreUnreachable("the store does not answer")

    job = in_process_farm.submit(page[0])
    (batch, *_) = list(handlers.split(in_process_farm.services, job))
    app = make_app(in_process_farm.services.settings)
    tasks.register_tasks(app, lambda: in_process_farm.services)
    monkeypatch.setattr(in_process_farm.services.store, "put", away)
    monkeypatch.setattr(tasks, "_REQUEUE_DELAY", 0)
    for _ in range(5):
        outcome = app.tasks[protocol.RECOGNIZE].apply(tuple(protocol.batch_args(job, batch)))
        assert str(outcome.state) == "REJECTED"
    assert in_process_farm.status(job).failed == 0
    assert in_process_farm.services.jobs.attempts.get_state(job, str(batch[0])).attempts == 0


def test_a_store_that_is_away_counts_against_no_job(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that cannot be requeued has not been requeued, however often that is so."""

    def away(key: str) -> bool:
        raise StoreUnreachable("the store does not answer")

    load = Admission(stalled_timeout=0, max_requeues=3)
    services = replace(in_process_farm.services, settings=replace(in_process_farm.services.settings, admission=load))
    job = in_process_farm.submit(page[0])
    list(handlers.split(services, job))  # and no message is sent
    with redis.Redis.from_url(services.settings.endpoints.broker) as server:
        server.delete(f"{services.settings.endpoints.key_prefix}split")
    with monkeypatch.context() as patched:
        patched.setattr(services.store, "exists", away)
        for _ in range(5):
            with pytest.raises(StoreUnreachable):
                recover_stalled_jobs(services)
    for _ in range(3):
        assert recover_stalled_jobs(services) == [Requeue(in_process_farm.status(job))]
        services.jobs.recovery.count_requeue(in_process_farm.status(job))
    assert recover_stalled_jobs(services) == [Fail(job, "was requeued 3 times and made no progress")]


@pytest.fixture
def exits_on_term_signal() -> Iterator[None]:
    """Give this process the handler that a worker's child has."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(-number)

    before = signal.signal(TERM_SIGNAL, leave)
    yield
    signal.signal(TERM_SIGNAL, before)


def test_a_worker_that_is_told_to_end_blames_neither_the_engine_nor_the_tile(
    in_process_farm: InProcessFarm, page: tuple[bytes, tuple[Line, ...]], exits_on_term_signal: None
) -> None:
    job = in_process_farm.submit(page[0])
    (batch, *_) = list(handlers.split(in_process_farm.services, job))
    app = make_app(in_process_farm.services.settings)
    tasks.register_tasks(app, lambda: in_process_farm.services)
    in_process_farm.engine.before_read = lambda _: os.kill(os.getpid(), TERM_SIGNAL)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            app.tasks[protocol.RECOGNIZE].apply(tuple(protocol.batch_args(job, batch)))
    turn = in_process_farm.services.jobs.attempts.get_state(job, str(batch[0]))
    assert (in_process_farm.engine.reads, turn.attempts, turn.failures) == (3, 0, 0)


def test_a_splitter_that_is_told_to_end_does_not_count_it(
    in_process_farm: InProcessFarm,
    page: tuple[bytes, tuple[Line, ...]],
    exits_on_term_signal: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = in_process_farm.submit(page[0])
    app = make_app(in_process_farm.services.settings)
    tasks.register_tasks(app, lambda: in_process_farm.services)
    with monkeypatch.context() as patched:
        patched.setattr(handlers, "open_source", lambda *_, **__: os.kill(os.getpid(), TERM_SIGNAL))
        for _ in range(4):
            with pytest.raises(KeyboardInterrupt):
                app.tasks[protocol.SPLIT].apply((job,))
    app.tasks[protocol.SPLIT].apply((job,))
    assert in_process_farm.status(job).state == "recognizing"


def test_a_narrow_tile_is_read_in_two_parts(in_process_farm: InProcessFarm) -> None:
    pixels = np.full((600, 90), 255, np.uint8)
    lines = [f"line {number}" for number in range(9)]
    for number, text in enumerate(lines):
        draw_synthetic_line(pixels, text, x=5, y=10 + 60 * number, height=16)

    def break_once(count: int) -> None:
        if count == 1:
            raise RuntimeError("no such kernel")

    in_process_farm.engine.before_read = break_once
    job = in_process_farm.submit(encode_tile(pixels))
    for batch in handlers.split(in_process_farm.services, job):
        handlers.recognize(in_process_farm.services, job, batch=batch)
    document = in_process_farm.stitch(job)
    assert in_process_farm.status(job).state == "complete"
    assert [line.text for line in document.lines] == lines
    parts = [
        name.rpartition("-")[2]
        for name in in_process_farm.services.store.list(f"{layout.job_prefix(job)}fragments/")
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
def test_a_task_fails_its_job_unless_the_reason_may_pass(
    in_process_farm: InProcessFarm, error: Exception, state: str
) -> None:
    app = make_app(in_process_farm.services.settings)
    tasks.register_tasks(app, lambda: in_process_farm.services)
    job = in_process_farm.submit(b"x")
    try:
        raise error
    except type(error):
        app.tasks[protocol.RECOGNIZE].on_failure(error, "id", (job, []), {}, ExceptionInfo())
    assert in_process_farm.status(job).state == state


def test_requests_and_manifests_survive_the_store() -> None:
    request = Request("Zeichnung Ä.png", Profile.from_json(PROFILE.to_json()), 12.5, priority=5)
    assert Request.from_bytes(request.to_bytes()) == request
