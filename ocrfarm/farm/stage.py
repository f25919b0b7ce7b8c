"""What all tasks have in common: time limits that no engine can hold back, and what becomes of a task that fails."""

import logging
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, ClassVar

from billiard.common import TERM_SIGNAL
from celery import Task
from celery.worker.request import Request
from celery.worker.state import task_ready

from ocrfarm.errors import BrokerError, OcrfarmError, OutOfTime
from ocrfarm.farm.broker import may_pass
from ocrfarm.farm.services import Services, open_progress
from ocrfarm.farm.submit import end_failed

_log = logging.getLogger(__name__)

_Handler = Any
"""What `signal.signal` takes."""

Open = Callable[[], Services]
"""Gives the services of this process; opened when first used, and safe to go on with after a fork."""


class PatientRequest(Request):
    """A task in the eyes of the worker's parent process; one that is killed for its time goes back to its queue.

    Celery would store a failure first, and the chord with it would fail for good.
    """

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Put the message back when its process is killed, and say what it was at."""
        if soft:
            super().on_timeout(soft, timeout)
            return
        task_ready(self)
        _log.error("killed after %s s: %s[%s]", timeout, self.name, self.id)
        with suppress(BrokerError):  # then the death counts as any other
            blame(self.task, *self.args)
        self.reject(requeue=True)


class Stage(Task):  # type: ignore[type-arg]
    """A task whose first argument is a job, which ends when the task fails for good."""

    abstract = True
    Request = PatientRequest  # type: ignore[assignment]  # a class will do as well as its name
    throws = (OcrfarmError,)
    services: ClassVar[Open]

    def on_failure(
        self, exc: BaseException, task_id: str, args: tuple[Any, ...], kwargs: object, einfo: object
    ) -> None:
        """Whatever went wrong, the job ends and says why; what may pass is left to the reconciler."""
        services = type(self).services()
        if args and not may_pass(exc):
            end_failed(services.progress, args[0], error=exc, store=services.store)


def blame(task: Any, *args: Any) -> None:  # noqa: ANN401 - what a message holds
    """Note that the last of the task's tiles that was begun took all its time."""
    match args:
        case [str(job), [str(), *_] as tiles]:
            # With few tries: the parent process must not stop while the broker is away.
            open_progress(task.services().settings).attempts.blame_last(job, tiles)


@contextmanager
def time_limit() -> Iterator[None]:
    """Let the soft time limit, and the order to end, raise what no `except` round an engine's calls swallows."""
    handlers = {signal.SIGUSR1: _stop, TERM_SIGNAL: _leaving(signal.getsignal(TERM_SIGNAL))}
    before = [(number, signal.signal(number, handler)) for number, handler in handlers.items()]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    raise OutOfTime


def _leaving(before: _Handler) -> _Handler:
    """Let the handler of the worker's pool do its work, but not raise SystemExit, which an engine may raise too.

    It would be taken for one that broke, and the next tile be begun in the moments before the process is killed.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        try:
            before(number, frame)
        except SystemExit as order:
            raise KeyboardInterrupt from order

    return leave if callable(before) else before


@contextmanager
def memory_limit(megabytes: int) -> Iterator[None]:
    """Let this process have no more memory of its own than so much: then MemoryError, or its end."""
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    set_memory_limit(megabytes)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


def set_memory_limit(megabytes: int) -> None:
    """Let this process have no more memory of its own than so much, from now on."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = megabytes << 20
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))
