"""Whatever lies in a queue, no worker ends, nothing is dropped in silence, and every job ends."""

import base64
import json
import time
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import declare_queue, make_app
from ocrfarm.farm.protocol import Generation
from ocrfarm.farm.snapshot import make_snapshot_reader
from ocrfarm.settings import Admission, Endpoints, Settings, TaskLimits
from ocrfarm.tile import TileId
from tests.support.farm_fixture import CONTROL, FARM_PROFILE, RECOGNIZER, ProcessFarm, draw_page, run_farm
from tests.support.servers import ValkeyServer

QUEUES = (protocol.SPLIT_QUEUE, protocol.STITCH_QUEUE, protocol.recognize_queue(FARM_PROFILE.recognizer))
PAGE = draw_page(2, 2)
UNKNOWN_JOB = protocol.new_job_id()

NO_MESSAGES: list[str | bytes] = [
    "",
    "not json",
    b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00\x8c\x04test\x94.",
    b"\xff\xfe\x00",
    "null",
    "5",
    "NaN",
    "[]",
    "{}",
    '"text"',
    "[" * 100_000,
    '{"headers": null}',
    '{"body": 1}',
    '{"body": "x", "properties": null, "headers": {}}',
    '{"body": "x", "properties": {}, "headers": {}}',
    '{"__type__": "uuid", "__value__": "no"}',
    "x" * 8_000_000,
]
"""Texts in a queue that are no message of Celery's."""

WRONG_VALUES: list[Any] = [None, 5, -1.5, True, "text", "", [], {}, [[]], {"a": {}}, "x" * 3_000_000]
"""Values that take the place of each part of a true message in turn."""


@pytest.fixture
def farm(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[ProcessFarm]:
    places = Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")
    load = Admission(reconcile_interval=1, stalled_timeout=3)
    limits = TaskLimits(batch_time_limit=20, shutdown_timeout=1)
    with run_farm(Settings(places, task_limits=limits, admission=load), tmp_path) as farm:
        farm.start("control", CONTROL)
        farm.start("recognize", RECOGNIZER)
        farm.wait_ready()
        yield farm


def _connect(farm: ProcessFarm) -> "redis.Redis":
    return redis.Redis.from_url(farm.settings.endpoints.broker)


def _push(farm: ProcessFarm, queue: str, *messages: str | bytes) -> None:
    _connect(farm).lpush(f"{farm.settings.endpoints.key_prefix}{queue}", *messages)


def _make_message(farm: ProcessFarm, task: str, args: list[Any], *, task_id: str, queue: str) -> dict[str, Any]:
    """Return a true message, by sending it to a queue that nobody reads."""
    app, unread = make_app(farm.settings), f"recognize.{uuid.uuid4().hex}"
    declare_queue(app, unread)
    app.send_task(task, args, queue=unread, task_id=task_id)
    text = _connect(farm).rpop(f"{farm.settings.endpoints.key_prefix}{unread}")
    assert isinstance(text, bytes)
    message: dict[str, Any] = json.loads(text)
    message["properties"]["delivery_info"]["routing_key"] = queue
    return message


def _encode_body(content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


def _list_mutants(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the message with each of its parts, at all depths, replaced by each wrong value, or missing."""
    for path in list(_list_paths(message)):
        for value in WRONG_VALUES:
            yield _replace(message, path, value)
        yield _replace(message, path, ...)


def _list_paths(value: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, inner in value.items():
        yield (*prefix, key)
        if isinstance(inner, dict):
            yield from _list_paths(inner, (*prefix, key))


def _replace(message: dict[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(message))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return copy


def _list_wrong_bodies(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    job, none = message["headers"]["id"][:26], {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    for content in (
        None,
        5,
        [],
        {},
        [[job], {}],
        [[job], {"newfield": 1}, none],
        [[], {}, none],
        [[5], {}, none],
        [[None], {}, none],
        [["../../etc/passwd"], {}, none],
        [[job, 1, 2, 3], {}, none],
        [{"job": job}, {}, none],
        [[job], [], none],
        [[job], {}, 5],
        [[job], {}, none | {"chord": 5}],
        [[job], {}, none | {"callbacks": [5]}],
        [[job], {}, none | {"errbacks": "text"}],
        {"args": [job], "kwargs": {}, "task": protocol.SPLIT},
    ):
        yield message | {"body": _encode_body(content)}
    bomb = base64.b64encode(zlib.compress(b" " * 300_000_000)).decode()
    yield message | {"body": bomb, "headers": message["headers"] | {"compression": "application/x-gzip"}}
    yield message | {"content-type": "application/x-python-serialize"}
    yield message | {"content-encoding": "binary"}
    yield message | {"headers": message["headers"] | {"task": "os.system"}}
    yield message | {"headers": message["headers"] | {"task": "celery.chord_unlock"}}
    yield message | {"headers": message["headers"] | {"task": protocol.RECOGNIZE}}


def _list_wrong_batches(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    job, none = message["headers"]["id"][:26], {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    for tiles in (None, 5, "text", [], [5], ["../x"], {"a": 1}, ["p0000-l0-r000-c000"] * 100_000):
        yield message | {"body": _encode_body([[job, tiles], {}, none])}


def _assert_farm_works(farm: ProcessFarm) -> None:
    """Assert that the first processes still live and read a page."""
    job = farm.submit(PAGE.png)
    status = farm.wait(job, seconds=60)
    assert status.state == "complete", farm.logs()
    assert all(process.poll() is None for process in farm.running.values()), farm.logs()


def _count_rejected(farm: ProcessFarm) -> int:
    counters = make_snapshot_reader(farm.settings)().counters
    return sum(count for name, count in counters.items() if name.startswith("rejected_messages"))


def _wait_until_empty(farm: ProcessFarm) -> None:
    broker, prefix = _connect(farm), farm.settings.endpoints.key_prefix
    names = [f"{prefix}{queue}" for queue in QUEUES]
    names += [f"{prefix}unacked_{group}" for group in ("control", QUEUES[-1])]
    deadline = time.monotonic() + 60
    while left := [name for name in names if broker.exists(name)]:
        assert time.monotonic() < deadline, (left, farm.logs())
        time.sleep(0.1)


def test_texts_that_are_no_messages_are_counted_and_logged_and_end_no_worker(farm: ProcessFarm) -> None:
    for queue in QUEUES:
        _push(farm, queue, *NO_MESSAGES)
    _assert_farm_works(farm)
    assert _count_rejected(farm) == len(NO_MESSAGES) * len(QUEUES)
    assert "not json" in farm.log("control")
    assert "not json" in farm.log("recognize")
    assert len(farm.log("control")) < 100_000


def test_messages_with_any_part_wrong_or_missing_end_no_worker(farm: ProcessFarm) -> None:
    split_id, batch_id = protocol.split_id(UNKNOWN_JOB), protocol.batch_id(UNKNOWN_JOB, 0, generation=Generation())
    message = _make_message(farm, protocol.SPLIT, [UNKNOWN_JOB], task_id=split_id, queue=protocol.SPLIT_QUEUE)
    args = protocol.batch_args(UNKNOWN_JOB, [TileId(0, 0, 0, 0)])
    batch = _make_message(farm, protocol.RECOGNIZE, args, task_id=batch_id, queue=QUEUES[-1])
    mutants = [*_list_mutants(message), *_list_wrong_bodies(message)]
    batches = [*_list_mutants(batch), *_list_wrong_batches(batch)]
    _push(farm, protocol.SPLIT_QUEUE, *(json.dumps(mutant) for mutant in mutants))
    _push(farm, QUEUES[-1], *(json.dumps(mutant) for mutant in batches))
    _wait_until_empty(farm)
    _assert_farm_works(farm)
    assert "Traceback" not in farm.log("control") + farm.log("recognize")


@pytest.mark.parametrize(
    ("args", "options"),
    [([], {"newfield": 1}), (["a newer argument"], {}), ([], {"mode": {"nested": [1]}})],
)
def test_a_job_whose_message_is_of_a_newer_version_is_requeued_and_read(
    farm: ProcessFarm, args: list[Any], options: dict[str, Any]
) -> None:
    """The message is put aside, and recovery sends one that this version understands."""
    farm.stop("control")
    job = farm.submit(PAGE.png)
    broker, key = _connect(farm), f"{farm.settings.endpoints.key_prefix}{protocol.SPLIT_QUEUE}"
    message = json.loads(broker.rpop(key))  # type: ignore[arg-type]
    content = json.loads(base64.b64decode(message["body"]))
    message["body"] = _encode_body([[*content[0], *args], content[1] | options, content[2]])
    broker.lpush(key, json.dumps(message))
    farm.start("control", CONTROL)
    assert farm.wait(job, seconds=60).state == "complete"
    assert _count_rejected(farm) == 1


def test_what_the_broker_holds_of_taken_messages_may_be_malformed(farm: ProcessFarm) -> None:
    broker, prefix = _connect(farm), farm.settings.endpoints.key_prefix
    for tag, text in enumerate(("not json", "5", "[]", '[{}, "", ""]', "[null, null, null]")):
        broker.hset(f"{prefix}unacked_control", str(tag), text)
        broker.zadd(f"{prefix}unacked_control_index", {str(tag): time.time() - 10_000})
    _wait_until_empty(farm)
    _assert_farm_works(farm)
