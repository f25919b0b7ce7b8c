"""The parent process of a worker stops between two steps of its loop, and within a time limit."""

import subprocess
import sys
import time

from tests.support.programs import run_python

LOOP_SCRIPT = """
import os, signal, time
from celery.signals import worker_ready
from kombu.asynchronous import Hub, set_event_loop
from ocrfarm.worker import shutdown
told = []
shutdown._SHUTDOWN_MARGIN = 0.3
signal.signal(signal.SIGTERM, {handler})
shutdown.install_signal_handlers(0, shutdown.StopFlag())
worker_ready.send(sender=None)
loop = Hub()
set_event_loop(loop)
def work():
    os.kill(os.getpid(), signal.SIGTERM)
    told.append("worked")
"""
SHUTDOWN_SCRIPT = LOOP_SCRIPT.format(handler='lambda *_: told.append("obeyed")')
STUCK_SCRIPT = LOOP_SCRIPT.format(handler="lambda *_: time.sleep(60)")


def test_a_running_callback_is_finished_first() -> None:
    script = (
        f"{SHUTDOWN_SCRIPT}\nloop.call_soon(work)\nturns = loop.create_loop()\nnext(turns), next(turns)\nprint(*told)"
    )
    assert run_python(script) == "worked obeyed"


def test_callbacks_that_became_due_meanwhile_are_not_started() -> None:
    """Celery asks its pool whether it may read the broker's reply, and the pool has stopped by then."""
    script = f"""{LOOP_SCRIPT.format(handler="lambda *_: stop()")}
import threading
end, start = os.pipe()
loop.add_reader(end, lambda: told.append("begun"))
def stop(*_):
    from celery.worker import state
    state.should_terminate = 0
    os.write(start, b".")
    told.append("stopped")
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
turns = loop.create_loop()
try:
    while True:
        next(turns)
except SystemExit:
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(*told)
"""
    assert run_python(script) == "stopped"


def test_outside_of_the_event_loop_the_order_is_obeyed_at_once() -> None:
    """While a worker waits for its broker, its loop makes no step."""
    assert run_python(f"{SHUTDOWN_SCRIPT}\nwork()\nprint(*told)") == "obeyed worked"


def test_stopping_that_takes_too_long_is_broken_off() -> None:
    script = f"""{STUCK_SCRIPT}
from celery.exceptions import WorkerTerminate
try:
    work()
except WorkerTerminate:
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("broken off")
"""
    started = time.monotonic()
    assert run_python(script) == "broken off"
    assert time.monotonic() - started < 30


def test_a_process_that_does_not_stop_exits_at_once() -> None:
    script = f"{STUCK_SCRIPT}\ntry:\n    work()\nfinally:\n    time.sleep(60)"
    started = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=50)
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert time.monotonic() - started < 30
