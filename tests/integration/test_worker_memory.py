"""What a worker gives back: memory that tasks have freed, connections that are gone."""

import ctypes
from types import SimpleNamespace

import pytest

from ocrfarm.worker.memory import _DropStaleConnections
from tests.support.programs import run_python

HOLES = """
from celery.signals import task_postrun
from ocrfarm.farm.celery_app import make_app
from ocrfarm.settings import Endpoints, Settings
from ocrfarm.worker import memory
memory.install_memory_release(make_app(Settings(Endpoints("redis://localhost", "memory:"))))
def megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) / 256
blocks = [bytes(2000) for _ in range(50_000)]
last = bytes(2000)
del blocks
before = megabytes()
task_postrun.send(sender=None)
print(int(before - megabytes()))
"""
"""Frees 100 MB that lie below a piece in use."""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="no glibc: its malloc has no holes to trim")
def test_memory_below_what_is_in_use_is_given_back_after_a_task() -> None:
    assert int(run_python(HOLES)) > 50


def _turn(module: str) -> object:
    return type("Turn", (), {"__module__": module, "__call__": lambda self: None})()


def test_each_new_connection_to_the_broker_drops_the_turns_of_the_last() -> None:
    pool, turns = _turn("celery.concurrency.asynpool"), [_turn("kombu.transport.redis") for _ in range(4)]
    consumer = SimpleNamespace(hub=SimpleNamespace(on_tick={pool}))
    step = _DropStaleConnections(consumer)
    for turn in turns:  # Celery connects, which adds a turn, and then starts the step
        consumer.hub.on_tick.add(turn)
        step.start(consumer)
        assert consumer.hub.on_tick == {pool, turn}
