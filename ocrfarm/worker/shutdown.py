"""A worker stops when its parent process is between two steps of its event loop, and within a time limit.

Celery stops the pool of children inside the signal handler. If the signal arrives while a child's message or the
broker's reply is half read, the pool waits for ever for the very step that the handler interrupted, or the connection
can no longer be parsed.

```
 signal ---> handler ---> the loop waits for I/O -----------> stop now
                |-------> the loop runs a callback ---------> stop after it
                |-------> the loop does not run (yet) ------> stop now
                '-------> timer: shutdown timeout + margin -> end without waiting for the pool
                                 + another margin ----------> exit at once
```

SIGTERM is remapped to SIGQUIT (see `ocrfarm.worker`): running batches get the shutdown timeout, then they return to
their queue.
"""

import os
import signal
from collections.abc import Callable
from multiprocessing.util import Finalize
from types import FrameType

from celery.exceptions import WorkerTerminate
from celery.signals import worker_ready
from celery.worker import state
from kombu.asynchronous import get_event_loop

_SHUTDOWN_SIGNALS = (signal.SIGTERM, signal.SIGQUIT)
_LOOP_MODULE, _POLL_MODULE = "kombu.asynchronous.hub", "kombu.utils.eventio"
"""Modules of the event loop and of the call in which it waits for I/O."""

_SHUTDOWN_MARGIN = 5.0
"""Seconds that stopping may take beyond the time that running batches get: half a second on an idle machine."""

_Handler = Callable[[int, FrameType | None], object]


def install_signal_handlers(shutdown_timeout: float) -> None:
    """Make this process's worker, once it is ready, stop between two steps and within `shutdown_timeout` seconds."""

    def prepare(**_: object) -> None:
        signal.signal(signal.SIGALRM, _ForceExit())
        # Python restores the signal's default action, which kills, once everything has stopped. Until then the timer
        # runs: kombu returns unacknowledged messages in a finalizer of priority 1, and a silent broker blocks it.
        Finalize(None, signal.setitimer, args=(signal.ITIMER_REAL, 0), exitpriority=-1)
        for number in _SHUTDOWN_SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                signal.signal(number, _defer_until_idle(handler, shutdown_timeout + _SHUTDOWN_MARGIN))

    worker_ready.connect(prepare, weak=False)


def _defer_until_idle(handler: _Handler, timeout: float) -> _Handler:
    def shut_down(number: int) -> None:
        """Leave the loop at once, since its next callback may need what has been stopped."""
        handler(number, None)
        state.maybe_shutdown()

    def handle(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, timeout)
        loop, modules = get_event_loop(), _module_stack(frame)
        if not loop or _LOOP_MODULE not in modules:
            handler(number, frame)
        elif modules[0] == _POLL_MODULE:
            shut_down(number)
        else:
            loop.call_soon(shut_down, number)

    return handle


def _module_stack(frame: FrameType | None) -> list[str]:
    """Return the names of the modules of the interrupted function and its callers, innermost first."""
    modules = []
    while frame:
        modules.append(str(frame.f_globals.get("__name__")))
        frame = frame.f_back
    return modules


class _ForceExit:
    """Handles the timer of a shutdown that takes too long: first stop waiting for the pool, then exit at once."""

    def __init__(self) -> None:
        self._call_count = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._call_count += 1
        if self._call_count > 1:
            os._exit(1)
        signal.setitimer(signal.ITIMER_REAL, _SHUTDOWN_MARGIN)
        raise WorkerTerminate(0)
