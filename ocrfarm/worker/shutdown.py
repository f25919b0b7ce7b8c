"""The order to end is obeyed when the worker's parent process has nothing in hand, and in time.

Celery stops its pool inside the signal's handler. If that comes while a child's message or the broker's answer is half
read, the pool waits for ever for what it has itself interrupted, or the connection is no longer understood.
"""

import atexit
import os
import signal
from collections.abc import Callable
from types import FrameType

from celery.exceptions import WorkerTerminate
from celery.signals import worker_ready
from celery.worker import state
from kombu.asynchronous import get_event_loop

_SHUTDOWN_SIGNALS = (signal.SIGTERM, signal.SIGQUIT)
_LOOP_MODULE, _POLL_MODULE = "kombu.asynchronous.hub", "kombu.utils.eventio"
"""Modules of the event loop, and of what it waits in."""

_SHUTDOWN_MARGIN = 5.0
"""What stopping takes at most besides the time that running batches get: half a second on an idle machine."""

_Handler = Callable[[int, FrameType | None], object]


def install_signal_handlers(shutdown_timeout: float) -> None:
    """Let the worker of this process, once it is ready, finish what it has in hand before it obeys."""

    def prepare(**_: object) -> None:
        signal.signal(signal.SIGALRM, _ForceExit())
        # Python gives the signal its deadly default back while it ends, when everything is stopped.
        atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
        for order in _SHUTDOWN_SIGNALS:
            handler = signal.getsignal(order)
            if callable(handler):
                signal.signal(order, _defer_until_idle(handler, shutdown_timeout + _SHUTDOWN_MARGIN))

    worker_ready.connect(prepare, weak=False)


def _defer_until_idle(handler: _Handler, timeout: float) -> _Handler:
    def shut_down(order: int) -> None:
        """Leave the loop at once: what it would turn to next may need what has been stopped."""
        handler(order, None)
        state.maybe_shutdown()

    def handle(order: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, timeout)
        loop, modules = get_event_loop(), _module_stack(frame)
        if not loop or _LOOP_MODULE not in modules:
            handler(order, frame)
        elif modules[0] == _POLL_MODULE:
            shut_down(order)
        else:
            loop.call_soon(shut_down, order)

    return handle


def _module_stack(frame: FrameType | None) -> list[str]:
    """Name the modules of what was interrupted and of its callers, the innermost first."""
    modules = []
    while frame:
        modules.append(str(frame.f_globals.get("__name__")))
        frame = frame.f_back
    return modules


class _ForceExit:
    """What happens when stopping takes too long: the pool is no longer waited for, and then nothing is."""

    def __init__(self) -> None:
        self._call_count = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._call_count += 1
        if self._call_count > 1:
            os._exit(1)
        signal.setitimer(signal.ITIMER_REAL, _SHUTDOWN_MARGIN)
        raise WorkerTerminate(0)
