"""The Celery settings that a farm's safety hangs on."""

import pytest
from kombu.exceptions import ContentDisallowed
from kombu.serialization import loads

from ocrfarm.farm.app import CLAIM_SECONDS, Lane, declare, make_app
from ocrfarm.settings import Places, Settings, Work

TCP = Settings(Places("redis://localhost:6379/0", "memory:"))


@pytest.mark.parametrize("lane", list(Lane))
@pytest.mark.parametrize("work", [Work(), Work(recognize_seconds=5, split_seconds=5), Work(recognize_seconds=5000)])
def test_no_message_is_given_away_while_it_may_be_worked_on(lane: Lane, work: Work) -> None:
    conf = make_app(Settings(TCP.places, work=work), lane).conf
    visibility = conf.broker_transport_options["visibility_timeout"]
    assert visibility > conf.task_time_limit + conf.worker_soft_shutdown_timeout
    assert visibility >= CLAIM_SECONDS
    assert conf.task_soft_time_limit < conf.task_time_limit


def test_a_lost_batch_waits_for_five_minutes_at_most_by_default() -> None:
    assert make_app(TCP, Lane.RECOGNIZE).conf.broker_transport_options["visibility_timeout"] <= 300


def test_lanes_do_not_share_their_unacknowledged_messages() -> None:
    one, other = (make_app(TCP, lane).conf.broker_transport_options for lane in Lane)
    for name in ("unacked_key", "unacked_index_key", "unacked_mutex_key"):
        assert one[name] != other[name]


@pytest.mark.parametrize("lane", list(Lane))
def test_only_json_is_spoken_and_accepted(lane: Lane) -> None:
    conf = make_app(TCP, lane).conf
    assert {conf.task_serializer, conf.result_serializer, conf.event_serializer} == {"json"}
    assert conf.accept_content == conf.result_accept_content == ["json"]
    with pytest.raises(ContentDisallowed):
        loads(b"x", "application/x-python-serialize", "binary", accept=conf.accept_content)


def test_every_key_begins_with_the_prefix() -> None:
    conf = make_app(Settings(Places("redis://h/0", "memory:", prefix="mine:"))).conf
    assert conf.broker_transport_options["global_keyprefix"] == "mine:"
    assert conf.result_backend_transport_options["global_keyprefix"] == "mine:"


def test_a_queue_that_nobody_declared_is_refused() -> None:
    app = make_app(TCP)
    with pytest.raises(KeyError):
        app.amqp.queues["recognize.typo"]
    declare(app, "recognize.model")
    assert app.amqp.queues["recognize.model"].name == "recognize.model"
