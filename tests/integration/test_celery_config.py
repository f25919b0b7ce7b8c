"""The Celery settings that a farm's safety hangs on."""

import pytest
from kombu.exceptions import ContentDisallowed
from kombu.serialization import loads

from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import VISIBILITY_TIMEOUT, declare_queue, make_app, renewal_interval
from ocrfarm.farm.context import WorkerContext
from ocrfarm.farm.tasks import register_tasks
from ocrfarm.settings import Endpoints, Settings, TaskLimits

TCP = Settings(Endpoints("redis://localhost:6379/0", "memory:"))
MODELS = ("", "synthetic")
"""An app of workers that split and stitch, and one of workers that hold a recognizer."""


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "work", [TaskLimits(), TaskLimits(batch_time_limit=5, job_time_limit=5), TaskLimits(batch_time_limit=5000)]
)
def test_a_dead_workers_message_comes_back_in_five_minutes_and_a_living_ones_does_not(
    model: str, work: TaskLimits
) -> None:
    conf = make_app(Settings(TCP.endpoints, task_limits=work), model).conf
    assert conf.broker_transport_options["visibility_timeout"] == VISIBILITY_TIMEOUT == 300
    assert TaskLimits().shutdown_timeout + 4 * renewal_interval() < VISIBILITY_TIMEOUT
    assert conf.worker_soft_shutdown_timeout == 0  # it sleeps, and the tasks that end meanwhile are not acknowledged


@pytest.mark.parametrize("model", MODELS)
def test_a_task_has_its_own_time_wherever_its_message_comes_from(model: str) -> None:
    app = make_app(Settings(TCP.endpoints, task_limits=TaskLimits(batch_time_limit=60, job_time_limit=600)), model)
    register_tasks(app, _nothing)
    for name, hard in ((protocol.RECOGNIZE, 60), (protocol.SPLIT, 600), (protocol.STITCH, 600), (protocol.RESUME, 600)):
        assert (app.tasks[name].soft_time_limit, app.tasks[name].time_limit) == (hard * 5 // 6, hard)


def _nothing() -> WorkerContext:
    raise AssertionError("nothing is opened before it is used")


def test_lanes_do_not_share_their_unacknowledged_messages() -> None:
    options = [make_app(TCP, model).conf.broker_transport_options for model in (*MODELS, "other")]
    for name in ("unacked_key", "unacked_index_key", "unacked_mutex_key"):
        assert len({each[name] for each in options}) == len(options)


@pytest.mark.parametrize("model", MODELS)
def test_only_json_is_spoken_and_accepted(model: str) -> None:
    conf = make_app(TCP, model).conf
    assert {conf.task_serializer, conf.result_serializer, conf.event_serializer} == {"json"}
    assert conf.accept_content == conf.result_accept_content == ["json"]
    with pytest.raises(ContentDisallowed):
        loads(b"x", "application/x-python-serialize", "binary", accept=conf.accept_content)


def test_every_key_begins_with_the_prefix() -> None:
    conf = make_app(Settings(Endpoints("redis://h/0", "memory:", key_prefix="mine:"))).conf
    assert conf.broker_transport_options["global_keyprefix"] == "mine:"
    assert conf.result_backend_transport_options["global_keyprefix"] == "mine:"


def test_a_queue_that_nobody_declared_is_refused() -> None:
    app = make_app(TCP)
    with pytest.raises(KeyError):
        app.amqp.queues["recognize.typo"]
    declare_queue(app, "recognize.model")
    assert app.amqp.queues["recognize.model"].name == "recognize.model"
