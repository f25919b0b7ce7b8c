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

from ocrfarm.errors import BrokerError, OcrfarmError, TaskTimeLimit
from ocrfarm.farm.broker import is_transient
from ocrfarm.farm.context import WorkerContext, open_job_store
from ocrfarm.farm.submit import fail_job

_log = logging.getLogger(__name__)

_SignalHandler = Any
"""What `signal.signal` takes."""

ContextFactory = Callable[[], WorkerContext]
"""Gives the context of this process; opened when first used, and safe to go on with after a fork."""


class RequeueingRequest(Request):
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
            record_timeout(self.task, *self.args)
        self.reject(requeue=True)


class JobTask(Task):  # type: ignore[type-arg]
    """A task whose first argument is a job, which ends when the task fails for good."""

    abstract = True
    Request = RequeueingRequest  # type: ignore[assignment]  # a class will do as well as its name
    throws = (OcrfarmError,)
    open_context: ClassVar[ContextFactory]

    def on_failure(
        self, exc: BaseException, task_id: str, args: tuple[Any, ...], kwargs: object, einfo: object
    ) -> None:
        """Whatever went wrong, the job ends and says why; what may pass is left to the reconciler."""
        context = type(self).open_context()
        if args and not is_transient(exc):
            fail_job(context.jobs, args[0], error=exc, store=context.store)


def record_timeout(task: Any, *args: Any) -> None:  # noqa: ANN401 - what a message holds
    """Note that the last of the task's tiles that was begun took all its time."""
    match args:
        case [str(job), [str(), *_] as tiles]:
            # With few tries: the parent process must not stop while the broker is away.
            open_job_store(task.open_context().settings).attempts.record_failure_of_running(job, tiles)


@contextmanager
def enforce_time_limit() -> Iterator[None]:
    """Let the soft time limit, and the order to end, raise what no `except` round an engine's calls swallows."""
    handlers = {signal.SIGUSR1: _raise_time_limit, TERM_SIGNAL: _wrap_term_handler(signal.getsignal(TERM_SIGNAL))}
    before = [(number, signal.signal(number, handler)) for number, handler in handlers.items()]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _raise_time_limit(number: int, frame: FrameType | None) -> None:
    raise TaskTimeLimit


def _wrap_term_handler(before: _SignalHandler) -> _SignalHandler:
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
def enforce_memory_limit(megabytes: int) -> Iterator[None]:
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
