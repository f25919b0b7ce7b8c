"""The Celery tasks: which there are, what they publish, and what becomes of their errors.

`submit` sends split; split publishes a chord of recognize tasks, one a batch; the chord's callback is stitch, which may
publish one more chord for the second pass (docs/images/farm.svg). The task `reconcile` runs every minute and requeues
what was lost. A task makes one call into `handlers` or `recovery`, and publishes what that returns.

What becomes of an error:

    raised by a task                     split, stitch, resume               recognize
    -----------------------------------  ----------------------------------  ----------------------------------
    an `OcrfarmError` that is retryable  requeue in 3 s; the attempt is      requeue in 3 s; the attempts at its
      (`StoreUnreachable`, ...)            not counted                         tiles are not counted
    any other `StoreError`, except       the same, five times; then fail     the same, five times; then fail
      `StoreFull` (`StoreDenied`, ...)     the job with this error             the job with this error
    any other `OcrfarmError`             fail the job with this error        fail the job with this error
      (`DamagedImage`, `StoreFull`, ...)
    `JobCancelled`                       ignore: the job has ended           ignore: the job has ended
    soft limit: `TaskTimeLimit`,         fail the job: `JobFailed`           requeue; the tile that took all its
      `SoftTimeLimitExceeded`                                                  time has failed once
    hard limit: the process is killed    requeue; the attempt counts         requeue; the tile that was being
                                                                               read has failed once
    `MemoryError`                        fail the job: `JobFailed`           end the process, which requeues; the
                                                                               attempt counts
    `KeyboardInterrupt` or `Reject`:     requeue; the attempt is not         requeue; the attempt is not counted
      the worker is told to end            counted
    the worker dies                      requeue; the attempt counts         requeue; the attempt counts
    connection lost while Celery         ignore: reconcile finds the job     ignore: reconcile finds the job
      acknowledges or counts
    anything else                        fail the job: a fault of ours       fail the job: a fault of ours

An attempt that counts is one of at most OCRFARM_MAX_ATTEMPTS: then `_counted` fails the job, and `TilePolicy` gives the
tile up. A failure of the engine on a tile is no error of a task: `TilePolicy` decides what is done. Errors of reconcile
are logged, and its next run starts afresh.
"""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from celery import Celery, Task
from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.worker.request import Request
from celery.worker.state import task_ready

from ocrfarm.errors import BrokerError, JobCancelled, JobFailed, OcrfarmError, TaskTimeLimit
from ocrfarm.farm import handlers, protocol
from ocrfarm.farm.batching import requeue
from ocrfarm.farm.broker import is_transient, translate_errors
from ocrfarm.farm.context import (
    ContextFactory,
    WorkerContext,
    enforce_memory_limit,
    enforce_time_limit,
    open_job_store,
)
from ocrfarm.farm.recovery import RemainingWork, clear_dead_letters, find_remaining_work
from ocrfarm.farm.recovery.carry_out import recover, requeue_unread
from ocrfarm.farm.retries import REPEATS_PREFIX, looks_final
from ocrfarm.farm.second_pass import is_second_pass_batch, recognize_regions
from ocrfarm.farm.submit import fail_job

_log = logging.getLogger(__name__)

_REQUEUE_DELAY = 3
"""Seconds before a task goes back to its queue because a service is away: no busy loop."""

_YIELD_CHECK_INTERVAL = 0.25
"""Seconds between two checks for smaller jobs: a tile may take less, and a small job hardly waits longer for it."""

_END_CHECK_INTERVAL = 1.0
"""Seconds between two checks whether a job that is split has ended: a cancelled job frees its worker soon."""

_STOP_GRACE_PERIOD = 3.0
"""Seconds for a split to end by itself when its worker stops; then another worker begins it afresh."""


class RequeueingRequest(Request):
    """A task as the worker's parent process sees it: one that is killed at its hard time limit is requeued.

    Celery would store a failure first, and the chord would fail for good with it.
    """

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Requeue the message when its process is killed, and record what was being read.

        Args:
            soft: Whether it is the soft limit.
            timeout: The limit in seconds.
        """
        if soft:
            super().on_timeout(soft, timeout)
            return
        task_ready(self)
        _log.error("killed after %s s: %s[%s]", timeout, self.name, self.id)
        with suppress(BrokerError):  # then the death counts as any other
            _record_timeout(self.task, *self.args)
        self.reject(requeue=True)

    def _success_was_stored(self) -> bool:
        """Return False, so that a message whose process died goes back even if the task's result is stored.

        Celery acknowledges such a message. The result is stored before the chord counts it, so a process that dies in
        between would leave a chord that never ends. The task runs again instead: it finds its tiles read.
        """
        return False


def _record_timeout(task: Any, *args: Any) -> None:  # noqa: ANN401 - what a message holds
    match args:
        case [str(job), [str(), *_] as tiles]:
            # With few retries: the parent process must not stop while the broker is away.
            open_job_store(task.open_context().settings).attempts.record_failure_of_running(job, tiles)


class JobTask(Task):  # type: ignore[type-arg]
    """A task whose first argument is a job, which ends if the task fails for good."""

    abstract = True
    Request = RequeueingRequest  # type: ignore[assignment]  # a class will do as well as its name
    throws = (OcrfarmError,)

    def open_context(self) -> WorkerContext:
        """Return the context of this process."""
        raise NotImplementedError

    def on_failure(
        self, exc: BaseException, task_id: str, args: tuple[Any, ...], kwargs: object, einfo: object
    ) -> None:
        """End the job with the error, unless the error may pass: then recovery finds the job.

        Args:
            exc: The error.
            task_id: The task's id.
            args: The arguments of the task.
            kwargs: Unused.
            einfo: Unused.
        """
        context = self.open_context()
        if args and not is_transient(exc):
            fail_job(context.jobs, args[0], error=exc, store=context.store)


def register_tasks(app: Celery, open_context: ContextFactory) -> None:
    """Register the tasks with an app.

    Args:
        app: The app of a worker.
        open_context: Returns the context of the process in which a task runs.
    """

    class ContextTask(JobTask):
        """A task of this app."""

        abstract = True

        def open_context(self) -> WorkerContext:
            """Return the context of this process."""
            return open_context()

    @app.task(base=ContextTask, name=protocol.SPLIT, shared=False, ignore_result=True)
    def split(job: str) -> None:
        _split(app, open_context(), job)

    @app.task(base=ContextTask, name=protocol.RECOGNIZE, shared=False)
    def recognize(job: str, tiles: list[str]) -> str:
        with _returned_on_error(open_context(), job, tiles):
            task: Any = app.current_task  # this one
            if open_context().jobs.attempts.start_batch(job, task.request.id, worker=task.request.hostname or ""):
                return "the job has ended"
            return _recognize_batch(open_context(), job, tiles)

    @app.task(base=ContextTask, name=protocol.STITCH, shared=False, ignore_result=True)
    def stitch(job: str) -> None:
        _stitch(app, open_context(), job)

    @app.task(base=ContextTask, name=protocol.RESUME, shared=False, ignore_result=True)
    def resume(job: str) -> None:
        _resume(app, open_context(), job)

    @app.task(name=protocol.RECONCILE, shared=False, ignore_result=True, throws=(OcrfarmError,), acks_late=False)
    def reconcile() -> None:
        _reconcile(app, open_context())


def _split(app: Celery, context: WorkerContext, job: str) -> None:
    memory = context.settings.admission.split_memory_mb
    with enforce_memory_limit(memory), _counted(context, job, protocol.SPLIT) as is_due:
        if is_due:
            with closing(handlers.split(context, job, check=_EndCheck(context, job))) as batches:
                requeue(app, context, job=job, work=RemainingWork(batches=batches))


def _recognize_batch(context: WorkerContext, job: str, names: list[str]) -> str:
    batch = protocol.parse_tile_ids(names)
    if is_second_pass_batch(batch):
        count, is_done = recognize_regions(context, job, batch=batch)
    else:
        check = _YieldCheck(context, job)
        count, is_done = handlers.recognize(context, job, batch=batch, should_yield=check.should_yield)
    if not is_done:
        raise Reject("the worker stops, or smaller jobs come first", requeue=True)
    return f"read {count}"


def _stitch(app: Celery, context: WorkerContext, job: str) -> None:
    with _counted(context, job, protocol.STITCH) as is_due:
        if not is_due or requeue_unread(app, context, job=job):
            return
        if batches := handlers.stitch(context, job):
            context.jobs.watch.begin_second_pass(job, sum(map(len, batches)))
            requeue(app, context, job=job, work=RemainingWork(batches=batches, is_second_pass=True))


def _resume(app: Celery, context: WorkerContext, job: str) -> None:
    """Reopen a job because its owner asks for it, even if it has ended: what was given up is tried again."""
    with _counted(context, job, protocol.RESUME) as is_due:
        if is_due:
            clear_dead_letters(context.store, job)
            work = _find_remaining_work(context, job)
            context.jobs.recovery.reset_job(job, done=set(work.tiles_read))
            requeue(app, context, job=job, work=work)


def _reconcile(app: Celery, context: WorkerContext) -> None:
    if not context.jobs.recovery.try_lock("reconcile", context.settings.admission.reconcile_interval * 9 // 10):
        return
    with translate_errors():
        recover(app, context)


def _find_remaining_work(context: WorkerContext, job: str) -> RemainingWork:
    return find_remaining_work(context.store, job, batch_pixels=context.settings.task_limits.batch_pixels)


@contextmanager
def _counted(context: WorkerContext, job: str, task: str) -> Iterator[bool]:
    """Run split, stitch or resume, and count the attempt, so that an image cannot kill its workers for ever.

    Yields whether the task is still needed. Errors become what the table at the top says.
    """
    attempts = context.jobs.attempts
    try:
        with enforce_time_limit(), translate_errors():
            is_due = _is_due(context, job, task)
            if is_due and (attempt := attempts.start(job, task)) > context.settings.task_limits.max_attempts:
                raise JobFailed(f"job {job}: {task} lost its worker {attempt - 1} times; is there enough memory?")
            yield is_due
            if is_due:
                attempts.reset(job, task, REPEATS_PREFIX + task)
    except (SoftTimeLimitExceeded, TaskTimeLimit) as error:
        raise JobFailed(f"job {job}: {task} was not done in the time that OCRFARM_JOB_TIME_LIMIT allows") from error
    except (KeyboardInterrupt, Reject):
        attempts.reset(job, task)
        raise
    except MemoryError as error:
        raise JobFailed(f"job {job}: {task} needs more memory than OCRFARM_SPLIT_MEMORY_MB allows") from error
    except OcrfarmError as error:
        _requeue_or_fail(context, job, error, task)


def _is_due(context: WorkerContext, job: str, task: str) -> bool:
    if task == protocol.RESUME:
        return context.jobs.get_status(job).state != "complete"
    return not context.jobs.attempts.get_state(job, task).has_ended


@contextmanager
def _returned_on_error(context: WorkerContext, job: str, names: list[str]) -> Iterator[None]:
    """Read a batch; errors become what the table at the top says."""
    try:
        with enforce_time_limit():
            yield
    except (SoftTimeLimitExceeded, TaskTimeLimit) as error:
        raise Reject("out of time", requeue=True) from error
    except MemoryError as error:
        raise SystemExit(1) from error  # the next process starts with free memory
    except OcrfarmError as error:
        _requeue_or_fail(context, job, error, *names)


class _EndCheck:
    """Stops a split whose job has ended, or whose worker stops; called often, it looks once a second."""

    def __init__(self, context: WorkerContext, job: str) -> None:
        self._context, self._job = context, job
        self._next_check, self._stops_at = time.monotonic(), math.inf

    def __call__(self) -> None:
        if (now := time.monotonic()) < self._next_check:
            return
        self._next_check = now + _END_CHECK_INTERVAL
        if self._context.jobs.has_ended(self._job):
            raise JobCancelled(f"job {self._job} ended while it was split")
        if self._context.should_stop():
            self._stops_at = min(self._stops_at, now + _STOP_GRACE_PERIOD)
            if now >= self._stops_at:
                raise Reject("the worker stops", requeue=True)


class _YieldCheck:
    """Whether the worker stops or a smaller job waits for it: neither waits for the end of a batch, only of a tile."""

    def __init__(self, context: WorkerContext, job: str) -> None:
        self._context, self._job = context, job
        self._next_check = time.monotonic() + _YIELD_CHECK_INTERVAL

    def should_yield(self) -> bool:
        if self._context.should_stop():
            return True
        if time.monotonic() < self._next_check:
            return False
        self._next_check = time.monotonic() + _YIELD_CHECK_INTERVAL
        manifest = self._context.load_manifest(self._job)
        queue, step = protocol.recognize_queue(manifest.request.profile.recognizer), manifest.priority
        return step > 0 and self._context.jobs.queues.has_higher_priority(queue, step)


def _requeue_or_fail(context: WorkerContext, job: str, error: OcrfarmError, *items: str) -> None:
    """Requeue the message if the error may pass, and forget the attempts at these items; else raise the error."""
    if not error.retryable and not (looks_final(error) and context.jobs.attempts.may_repeat(job, items[0])):
        raise error
    with suppress(BrokerError):  # it is what is away: then the attempt counts
        context.jobs.attempts.reset(job, *items)
    time.sleep(_REQUEUE_DELAY)
    raise Reject(str(error), requeue=True) from error
