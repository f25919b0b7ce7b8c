"""A worker returns memory that tasks have freed, and drops old connections."""

import ctypes
from types import SimpleNamespace

import pytest

from ocrfarm.worker.resource_release import _DropStaleConnections
from tests.support.programs import run_python

HOLES = """
from celery.signals import task_postrun
from ocrfarm.farm.celery_app import make_app
from ocrfarm.settings import Endpoints, Settings
from ocrfarm.worker import resource_release
resource_release.install_resource_release(make_app(Settings(Endpoints("redis://localhost", "memory:"))))
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
"""Frees 100 MB that lie below a block in use."""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="no glibc: its malloc has no holes to trim")
def test_memory_below_a_block_in_use_is_returned_after_a_task() -> None:
    assert int(run_python(HOLES)) > 50


def _callback(module: str) -> object:
    return type("Callback", (), {"__module__": module, "__call__": lambda self: None})()


def test_a_new_connection_to_the_broker_drops_the_callbacks_of_the_last() -> None:
    pool, callbacks = _callback("celery.concurrency.asynpool"), [_callback("kombu.transport.redis") for _ in range(4)]
    consumer = SimpleNamespace(hub=SimpleNamespace(on_tick={pool}))
    step = _DropStaleConnections(consumer)
    for callback in callbacks:  # Celery connects, which adds a callback, and then starts the step
        consumer.hub.on_tick.add(callback)
        step.start(consumer)
        assert consumer.hub.on_tick == {pool, callback}
