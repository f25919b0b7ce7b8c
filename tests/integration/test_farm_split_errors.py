"""Whatever goes wrong at whatever batch while an image is cut: a retry, or a job that fails with the reason."""

import base64
import itertools
import json
from collections.abc import Iterator

import pytest
import redis
from celery import Celery
from celery.canvas import Signature
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError

from ocrfarm.errors import (
    BrokerFull,
    DamagedImage,
    JobFailed,
    StoreDenied,
    StoreFull,
    StoreUnreachable,
    TaskTimeLimit,
    TooLarge,
)
from ocrfarm.farm import handlers, protocol, tasks
from ocrfarm.farm.celery_app import make_app
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from tests.support.in_process_farm import InProcessFarm

PAGE = encode_tile(make_synthetic_page(Size(1100, 500), seed=3, lines=12)[0])
"""Of 18 tiles."""

RETRIED: dict[str, BaseException] = {
    "store": StoreUnreachable("the store does not answer"),
    "denied": StoreDenied("access denied"),
    "broker full": BrokerFull("the broker is full"),
    "SIGTERM": KeyboardInterrupt(),
}
FAILED: dict[str, tuple[BaseException, type[Exception], str]] = {
    "damaged": (DamagedImage("page.png: cut short"), DamagedImage, "cut short"),
    "too large": (TooLarge("page.png: too large"), TooLarge, "too large"),
    "store full": (StoreFull("no space left"), StoreFull, "no space left"),
    "soft limit": (SoftTimeLimitExceeded(), JobFailed, "not done in the time"),
    "time": (TaskTimeLimit(), JobFailed, "not done in the time"),
    "memory": (MemoryError(), JobFailed, "more memory"),
    "bug": (ZeroDivisionError("oops"), JobFailed, "oops"),
    "generator's end": (StopIteration(), JobFailed, "a bug in ocrfarm"),
}


@pytest.fixture
def app(in_process_farm: InProcessFarm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    monkeypatch.setattr(tasks, "_REQUEUE_DELAY", 0)
    app = make_app(in_process_farm.services.settings)
    tasks.register_tasks(app, lambda: in_process_farm.services)
    yield app
    app.close()


def _fail_at_tile(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
    count, original = itertools.count(), handlers._store_pages

    def failing(*arguments: object) -> Iterator[object]:
        for tile in original(*arguments):  # type: ignore[arg-type]
            if next(count) == number:
                raise error
            yield tile

    monkeypatch.setattr(handlers, "_store_pages", failing)


def _fail_at_message(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    count, original = itertools.count(), Signature.apply_async

    def failing(self: Signature[object], *arguments: object, **named: object) -> object:
        if next(count) == number:
            raise OperationalError("connection refused")
        return original(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Signature, "apply_async", failing)


def _split(app: Celery, job: str) -> str:
    try:
        return str(app.tasks[protocol.SPLIT].apply((job,)).state)
    except KeyboardInterrupt:
        return "REJECTED"  # by the pool, whose message was not acknowledged


def _published(farm: InProcessFarm) -> tuple[set[str], int, list[str]]:
    """Give the tiles of all batches, how many batches there are, and the sizes that chords were given."""
    endpoints = farm.services.settings.endpoints
    with redis.Redis.from_url(endpoints.broker, decode_responses=True) as link:
        queue = f"{endpoints.key_prefix}{protocol.recognize_queue('synthetic')}"
        messages = [json.loads(message) for message in link.lrange(queue, 0, -1)]
        assert not link.llen(f"{endpoints.key_prefix}{protocol.STITCH_QUEUE}")
        sizes = [link.get(key) for key in link.scan_iter(f"{endpoints.key_prefix}*") if key.endswith(".s")]
    batches = {message["headers"]["id"]: json.loads(base64.b64decode(message["body"]))[0][1] for message in messages}
    return {tile for batch in batches.values() for tile in batch}, len(batches), [str(size) for size in sizes]


def _check_all_is_published(farm: InProcessFarm, job: str) -> None:
    manifest = farm.manifest(job)
    tiles, batches, sizes = _published(farm)
    assert tiles == {str(tile.id) for tile in manifest.tiles} - {str(tile) for tile in manifest.blank}
    assert batches > 2
    assert sizes == [str(batches)]


@pytest.mark.parametrize("name", RETRIED)
def test_an_error_that_may_pass_is_retried(
    in_process_farm: InProcessFarm, app: Celery, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for number in range(18):
        job = in_process_farm.submit(PAGE)
        with monkeypatch.context() as patched:
            _fail_at_tile(patched, number, RETRIED[name])
            assert _split(app, job) == "REJECTED"
            assert not in_process_farm.status(job).has_ended
            assert not _published(in_process_farm)[2], "a chord of less than all batches could end"
        assert _split(app, job) == "SUCCESS"
        _check_all_is_published(in_process_farm, job)
        _empty(in_process_farm)


def test_a_broker_that_is_away_at_any_batch_is_asked_again(
    in_process_farm: InProcessFarm, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        job = in_process_farm.submit(PAGE)
        with monkeypatch.context() as patched:
            _fail_at_message(patched, number)
            assert _split(app, job) == "REJECTED"
            assert not in_process_farm.status(job).has_ended
        assert _split(app, job) == "SUCCESS"
        _check_all_is_published(in_process_farm, job)
        _empty(in_process_farm)


@pytest.mark.parametrize("name", FAILED)
def test_an_error_that_stays_fails_the_job_with_its_reason(
    in_process_farm: InProcessFarm, app: Celery, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    error, kind, reason = FAILED[name]
    for number in range(18):
        job = in_process_farm.submit(PAGE)
        with monkeypatch.context() as patched:
            _fail_at_tile(patched, number, error)
            _split(app, job)
        status = in_process_farm.status(job)
        assert status.state == "failed"
        assert type(status.make_error()) is kind
        assert reason in status.error
        assert not _published(in_process_farm)[2]
        _empty(in_process_farm)


def _empty(farm: InProcessFarm) -> None:
    endpoints = farm.services.settings.endpoints
    with redis.Redis.from_url(endpoints.broker) as link:
        for key in link.scan_iter(f"{endpoints.key_prefix}*"):
            link.delete(key)
