"""A chord that is published batch by batch sends what Celery's own chord sends, and counts as it does."""

import base64
import json
import uuid
from typing import Any

import pytest
import redis
from celery import Celery, chord
from celery.canvas import Signature

from ocrfarm.farm import protocol
from ocrfarm.farm.batching import BatchChord
from ocrfarm.farm.celery_app import declare_queue, make_app
from ocrfarm.settings import Endpoints, Settings
from ocrfarm.tile import TileId
from tests.support.servers import ValkeyServer

JOB = protocol.new_job_id()
GENERATION = protocol.Generation(2)
QUEUE = protocol.recognize_queue("synthetic")


def _app(server: ValkeyServer) -> tuple[Celery, str]:
    prefix = f"{uuid.uuid4().hex}:"
    app = make_app(Settings(Endpoints(server.url, "memory:", key_prefix=prefix)))
    declare_queue(app, QUEUE)
    return app, prefix


def _tasks(app: Celery, count: int) -> list[Signature[Any]]:
    return [
        app.signature(
            protocol.RECOGNIZE,
            protocol.batch_args(JOB, [TileId(0, 0, 0, index)]),
            task_id=protocol.batch_id(JOB, index, generation=GENERATION),
            queue=QUEUE,
            priority=5,
            soft_time_limit=10.0,
            time_limit=12.0,
        )
        for index in range(count)
    ]


def _messages(server: ValkeyServer, prefix: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What lies in the queues, without what differs from call to call, and the sizes of chords."""
    with redis.Redis.from_url(server.url, decode_responses=True) as link:
        lists = [f"{prefix}{QUEUE}:5", f"{prefix}{protocol.STITCH_QUEUE}"]
        messages = [json.loads(message) for name in lists for message in link.lrange(name, 0, -1)]
        sizes = {key.removeprefix(prefix): link.get(key) for key in link.scan_iter(f"{prefix}*") if key.endswith(".s")}
    for message in messages:
        message["body"] = json.loads(base64.b64decode(message["body"]))
        del message["headers"][protocol.SENT_HEADER]
        del message["properties"]["delivery_tag"]
        message["properties"].pop("reply_to")
        (callback := message["body"][2]["chord"] or {"options": {}})["options"].pop("reply_to", None)
        assert not callback["options"].get("chord")
    return messages, sizes


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_messages_are_those_of_celerys_chord(valkey_server: ValkeyServer, count: int) -> None:
    app, prefix = _app(valkey_server)
    published = BatchChord(app, JOB, generation=GENERATION)
    for task in _tasks(app, count):
        published.add(task)
    published.finish()
    other, other_prefix = _app(valkey_server)
    stitch = other.signature(protocol.STITCH, protocol.job_args(JOB), immutable=True)
    chord(iter(_tasks(other, count)), stitch, app=other, task_id=protocol.chord_id(JOB, GENERATION)).apply_async(
        task_id=protocol.stitch_id(JOB, GENERATION)
    )
    messages, sizes = _messages(valkey_server, prefix)
    assert len(messages) == max(count, 1)
    assert (messages, sizes) == _messages(valkey_server, other_prefix)


def test_one_batch_is_held_back_until_the_next_one_follows(valkey_server: ValkeyServer) -> None:
    app, prefix = _app(valkey_server)
    published = BatchChord(app, JOB, generation=GENERATION)
    sent = []
    for task in _tasks(app, 3):
        published.add(task)
        messages, sizes = _messages(valkey_server, prefix)
        sent.append((len(messages), len(sizes)))
    assert sent == [(0, 0), (1, 0), (2, 0)]
    published.finish()
    messages, sizes = _messages(valkey_server, prefix)
    assert (len(messages), list(sizes.values())) == (3, ["3"])
