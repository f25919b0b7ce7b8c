"""No error ends what a worker does at intervals, and one that lasts is seen from outside."""

import ctypes
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from ocrfarm.errors import BrokerUnreachable
from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.queues import Queues
from ocrfarm.farm.worker_registry import WorkerRegistry
from ocrfarm.settings import Endpoints, Settings
from ocrfarm.worker import heartbeat, periodic, resource_release, visibility

SETTINGS = Settings(Endpoints("redis://127.0.0.1:1", "/tmp/store"))

Schedule = Callable[[Celery], object]

PERIODIC: dict[str, Schedule] = {
    "renewal of messages": lambda app: visibility.schedule_renewal(app, SETTINGS, group=protocol.worker_group()),
    "registry": lambda app: heartbeat.schedule_registry_heartbeat(app, SETTINGS, name="one", queues=["split"]),
    "queue": lambda app: heartbeat.schedule_queue_heartbeat(app, SETTINGS, model="split"),
    "watch": lambda app: periodic.schedule_watch(app, SETTINGS),
    "reconcile": lambda app: periodic.schedule_reconcile(app, SETTINGS),
    "memory": lambda app: resource_release.install_resource_release(app),
}


@pytest.fixture(autouse=True)
def _forget_failures() -> Iterator[None]:
    yield
    periodic._failing_since.clear()


class FakeTimer:
    """Keeps what it is asked to call."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def call_repeatedly(self, interval: float, function: Callable[[], object]) -> None:
        self.calls.append(function)


def start_steps(app: Celery) -> FakeTimer:
    """Start the app's steps as a worker does, and return the timer with what they call."""
    timer = FakeTimer()
    for step in app.steps["worker"]:
        if step.__module__ == periodic.__name__:
            started: Any = step(SimpleNamespace())
            started.start(SimpleNamespace(timer=timer))
    return timer


def _fail(*_: object, **__: object) -> None:
    raise RuntimeError("a bug")


@pytest.mark.parametrize("name", PERIODIC)
def test_an_error_of_a_periodic_function_is_logged_and_it_is_called_again(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither at the start of the worker nor later does the error leave the function."""
    for owner, method in (
        (Queues, "extend_visibility"),
        (Queues, "send_heartbeat"),
        (WorkerRegistry, "record_heartbeat"),
        (periodic, "watch_jobs"),
        (Celery, "send_task"),
        (ctypes, "CDLL"),
    ):
        monkeypatch.setattr(owner, method, _fail)
    app = make_app(SETTINGS)
    PERIODIC[name](app)
    timer = start_steps(app)
    assert timer.calls
    for _ in range(2):
        for call in timer.calls:
            call()
    assert [record for record in caplog.records if record.levelno == logging.ERROR and record.exc_info]


def test_a_function_that_fails_for_a_minute_stops_the_heartbeat_until_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, errors = [1000.0], [RuntimeError("a bug")]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def work() -> None:
        if errors:
            raise errors[0]

    app = make_app(SETTINGS)
    heartbeat.schedule_file_heartbeat(app, str(tmp_path), name="one")
    periodic.run_every(app, 1.0, action=work)
    timer = start_steps(app)

    def is_alive(seconds: float) -> bool:
        now[0] += seconds
        (tmp_path / "one.alive").unlink(missing_ok=True)
        for _ in range(2):
            for call in timer.calls:
                call()
        return (tmp_path / "one.alive").exists()

    assert [is_alive(0), is_alive(periodic.MAX_FAILING_SECONDS - 1), is_alive(2), is_alive(600)] == [
        True,
        True,
        False,
        False,
    ]
    errors.clear()
    assert is_alive(1)


def test_a_broker_that_is_away_is_no_failure() -> None:
    def work() -> None:
        raise BrokerUnreachable("it does not answer")

    function = periodic.PeriodicFunction(work)
    function()
    assert not periodic._failing_since
