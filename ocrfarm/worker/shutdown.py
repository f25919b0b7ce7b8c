"""A worker that is told to stop takes nothing new, ends the tiles that it reads, and leaves at once when they are done.

```
 signal ---> handler ---> nothing runs, or a second signal -> stop now
                |-------> tasks run: the flag is set; no more messages are taken
                |             |-> the last task has ended -> stop now
                |             '-> shutdown timeout -------> stop now; the tasks that still run go back to their queue
                '-------> timer: shutdown timeout + margin -> end without waiting for the pool
                                 + another margin ----------> exit at once
```

A child looks at the flag after each tile and returns the rest of its batch to the queue, so a worker stays no longer
than one tile takes. Celery's own soft shutdown sleeps for the whole timeout instead.

Celery stops the pool of children inside the signal handler. If the signal arrives while a child's message or the
broker's reply is half read, the pool waits for ever for the very step that the handler interrupted, or the connection
can no longer be parsed. So the worker stops only while its event loop waits for I/O, or else after the callback that
runs. SIGTERM is remapped to SIGQUIT (see `ocrfarm.worker`): tasks that still run return to their queue.
"""

import os
import signal
from collections.abc import Callable
from mmap import mmap
from multiprocessing.util import Finalize
from types import FrameType
from typing import Any

from celery.exceptions import WorkerTerminate
from celery.signals import worker_ready
from celery.worker import state
from kombu.asynchronous import Hub, get_event_loop

_SHUTDOWN_SIGNALS = (signal.SIGTERM, signal.SIGQUIT)
_LOOP_MODULE, _POLL_MODULE = "kombu.asynchronous.hub", "kombu.utils.eventio"
"""Modules of the event loop and of the call in which it waits for I/O."""

_SHUTDOWN_MARGIN = 5.0
"""Seconds that stopping may take beyond the time that running batches get: half a second on an idle machine."""

_CHECK_INTERVAL = 0.2
"""Seconds between two looks at whether the last task has ended."""

_Handler = Callable[[int, FrameType | None], object]


class StopFlag:
    """Whether a worker stops: set in its parent process, and seen by the children that are forked later.

    >>> flag = StopFlag()
    >>> flag.set()
    >>> flag.is_set()
    True
    """

    def __init__(self) -> None:
        self._shared = mmap(-1, 1)

    def set(self) -> None:
        """Tell the children to return to the queue what they have not started yet."""
        self._shared[0] = 1

    def is_set(self) -> bool:
        """Return whether the worker stops."""
        return bool(self._shared[0])


def install_signal_handlers(shutdown_timeout: float, flag: StopFlag) -> None:
    """Make this process's worker, once it is ready, stop as the module says.

    Args:
        shutdown_timeout: Seconds that running tasks get.
        flag: Is set when the worker is told to stop.
    """

    def prepare(sender: Any = None, **_: object) -> None:  # noqa: ANN401 - Celery's consumer; its stubs lack it
        signal.signal(signal.SIGALRM, _ForceExit())
        # Python restores the signal's default action, which kills, once everything has stopped. Until then the timer
        # runs: kombu returns unacknowledged messages in a finalizer of priority 1, and a silent broker blocks it.
        Finalize(None, signal.setitimer, args=(signal.ITIMER_REAL, 0), exitpriority=-1)
        for number in _SHUTDOWN_SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                signal.signal(number, _Shutdown(handler, shutdown_timeout, flag=flag, consumer=sender))

    worker_ready.connect(prepare, weak=False)


class _Shutdown:
    """Handles a signal: stops the worker when its last task has ended, or when the time is up."""

    def __init__(self, handler: _Handler, timeout: float, *, flag: StopFlag, consumer: Any) -> None:  # noqa: ANN401
        self._handler, self._timeout, self._flag, self._consumer = handler, timeout, flag, consumer

    def __call__(self, number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._timeout + _SHUTDOWN_MARGIN)
        loop, modules = get_event_loop(), _module_stack(frame)
        if not loop or _LOOP_MODULE not in modules:
            self._handler(number, frame)
        elif self._flag.is_set() or not state.active_requests:
            self._stop_between_steps(loop, modules, number)
        else:
            self._flag.set()
            loop.call_soon(self._drain, loop, number)

    def _stop_between_steps(self, loop: Hub, modules: list[str], number: int) -> None:
        if modules[0] == _POLL_MODULE:
            self._stop(number)
        else:
            loop.call_soon(self._stop, number)

    def _stop(self, number: int) -> None:
        """Leave the loop at once, since its next callback may need what has been stopped."""
        self._handler(number, None)
        state.maybe_shutdown()

    def _drain(self, loop: Hub, number: int) -> None:
        """Take no more messages, and stop when the last task has ended or the time is up."""

        def stop_if_idle() -> None:
            if not state.active_requests:
                self._stop(number)

        self._consumer.task_consumer.cancel()
        loop.call_repeatedly(_CHECK_INTERVAL, stop_if_idle)
        loop.call_later(self._timeout, self._stop, number)


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
