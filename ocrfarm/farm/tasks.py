"""Who calls whom: split -> chord of recognize batches -> stitch; `submit` calls split, and reconcile what got lost."""

import logging
import resource
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from types import FrameType
from typing import Any, ClassVar

from billiard.common import TERM_SIGNAL
from celery import Celery, Task, chord
from celery.canvas import Signature
from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.worker.request import Request
from celery.worker.state import task_ready

from ocrfarm.errors import BrokerError, JobCancelled, JobFailed, OcrfarmError, TaskTimeLimit
from ocrfarm.farm import handlers, protocol
from ocrfarm.farm.batching import TileBatch, batch_time_limits, count_pixels
from ocrfarm.farm.broker import is_transient, translate_publish_errors
from ocrfarm.farm.celery_app import declare_queue
from ocrfarm.farm.context import WorkerContext, open_job_store
from ocrfarm.farm.manifest import Manifest
from ocrfarm.farm.recovery import clear_dead_letters, find_remaining_work, group_tiles, recover_stalled_jobs
from ocrfarm.farm.second_pass import is_second_pass_batch, load_regions, recognize_regions
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


_REQUEUE_DELAY = 3
"""Before a task goes back to its queue because a service is away: no busy loop."""

_YIELD_CHECK_INTERVAL = 0.25
"""Between two looks for smaller jobs at least: a tile may take less, and a small job none the longer."""


def register_tasks(app: Celery, open_context: ContextFactory) -> None:
    """Give the app its tasks; each is a thin wrapper round one function."""
    base = type("JobTask", (JobTask,), {"open_context": staticmethod(open_context), "abstract": True})

    @app.task(base=base, name=protocol.SPLIT, shared=False, ignore_result=True)
    def split(job: str) -> None:
        with enforce_memory_limit(open_context().settings.admission.split_memory_mb):
            _run_counted(open_context(), job, protocol.SPLIT, lambda: _publish_batches(app, open_context(), job))

    @app.task(base=base, name=protocol.RECOGNIZE, shared=False)
    def recognize(job: str, tiles: list[str]) -> str:
        return _recognize_batch(open_context(), job, tiles)

    @app.task(base=base, name=protocol.STITCH, shared=False, ignore_result=True)
    def stitch(job: str) -> None:
        _run_counted(open_context(), job, protocol.STITCH, lambda: _stitch(app, open_context(), job))

    @app.task(base=base, name=protocol.RESUME, shared=False, ignore_result=True)
    def resume(job: str) -> None:
        _run_counted(open_context(), job, protocol.RESUME, lambda: _resume(app, open_context(), job))

    @app.task(name=protocol.RECONCILE, shared=False, ignore_result=True, throws=(OcrfarmError,), acks_late=False)
    def reconcile() -> None:
        with translate_publish_errors():
            for job in recover_stalled_jobs(open_context()):
                _publish_remaining(app, open_context(), job)


def _publish_batches(app: Celery, context: WorkerContext, job: str) -> None:
    """Publish each batch as soon as its tiles are stored, while the rest of the image is still being decoded.

    Celery keeps one batch back and tells the chord its size just before it sends the last one. All ids are fixed: a
    second split of the same job repeats the same messages, and the chord counts each of them once.
    """
    with closing(handlers.split(context, job)) as found:
        _publish(app, context, job, batches=found)


def _stitch(app: Celery, context: WorkerContext, job: str) -> None:
    """Stitch; what is in doubt then is read again by one more chord, whose callback comes here once more.

    A second delivery of the same message repeats messages with the same ids, which the chord counts once.
    """
    if doubted := handlers.stitch(context, job):
        _publish(app, context, job, batches=doubted, is_second_pass=True)


def _publish(
    app: Celery, context: WorkerContext, job: str, *, batches: Iterable[TileBatch], is_second_pass: bool = False
) -> None:
    generation = protocol.Generation(context.jobs.recovery.get_requeue_count(job), is_second_pass)
    stitch = app.signature(protocol.STITCH, protocol.job_args(job), immutable=True)
    header = _chord_header(app, context, job, batches, generation)
    chord(header, stitch, app=app, task_id=protocol.chord_id(job, generation)).apply_async(
        task_id=protocol.stitch_id(job, generation)
    )


def _chord_header(
    app: Celery, context: WorkerContext, job: str, batches: Iterable[TileBatch], generation: protocol.Generation
) -> Iterator[Signature[Any]]:
    regions = (
        {region.tile.id: region.tile for region in load_regions(context, job)} if generation.is_second_pass else {}
    )
    for index, batch in enumerate(batches):
        if context.jobs.has_ended(job):
            raise JobCancelled(f"job {job} ended while it was split")
        manifest = context.load_manifest(job)
        profile = manifest.request.profile.second_pass_profile if regions else manifest.request.profile
        queue = protocol.recognize_queue(profile.recognizer)
        declare_queue(app, queue)
        tiles = [regions[name] for name in batch] if regions else manifest.select_tiles(batch)
        pixels = sum(map(count_pixels, tiles))
        soft, hard = batch_time_limits(pixels, profile, max_seconds=context.settings.task_limits.batch_time_limit)
        yield app.signature(
            protocol.RECOGNIZE,
            protocol.batch_args(job, batch),
            task_id=protocol.batch_id(job, index, generation=generation),
            queue=queue,
            priority=_priority(manifest),
            soft_time_limit=soft,
            time_limit=hard,
        )


def _priority(manifest: Manifest) -> int:
    priority = manifest.request.priority
    return protocol.choose_priority(len(manifest.tiles)) if priority is None else priority


def _resume(app: Celery, context: WorkerContext, job: str) -> None:
    """Take a job up because somebody asks for it, even where it has ended: what was given up is tried again."""
    status = context.jobs.get_status(job)
    if status.state == "complete":
        return
    clear_dead_letters(context.store, job)
    context.jobs.recovery.reset_job(job, done=set(find_remaining_work(context.store, job).tiles_read))
    _publish_remaining(app, context, job)


def _publish_remaining(app: Celery, context: WorkerContext, job: str) -> None:
    """Publish what the job lacks, and nothing else."""
    left = find_remaining_work(context.store, job)
    if left.awaits_image:
        return
    if left.needs_split:
        task_id = protocol.split_id(job)
        app.signature(protocol.SPLIT, protocol.job_args(job), task_id=task_id, ignore_result=True).apply_async()
    elif left.tiles:
        context.jobs.update(job, state="recognizing")
        found = group_tiles(left.tiles, context.settings.task_limits.batch_pixels)
        _publish(app, context, job, batches=found)
    else:
        app.signature(protocol.STITCH, protocol.job_args(job), task_id=protocol.stitch_id(job)).apply_async()


def _run_counted(context: WorkerContext, job: str, stage: str, action: Callable[[], object]) -> None:
    """Split or stitch; attempts are counted, so that an image which kills its worker does not do so for ever."""
    attempts = context.jobs.attempts
    try:
        with enforce_time_limit(), translate_publish_errors():
            if attempts.get_state(job, stage).has_ended and stage != protocol.RESUME:
                return
            if (attempt := attempts.start(job, stage)) > context.settings.task_limits.max_attempts:
                raise JobFailed(f"job {job}: {stage} lost its worker {attempt - 1} times; is there enough memory?")
            action()
            attempts.reset(job, stage)
    except (SoftTimeLimitExceeded, TaskTimeLimit) as error:
        raise JobFailed(f"job {job}: {stage} was not done in the time that OCRFARM_JOB_TIME_LIMIT allows") from error
    except KeyboardInterrupt:  # the worker is told to leave, which says nothing against the image
        attempts.reset(job, stage)
        raise
    except MemoryError as error:
        raise JobFailed(f"job {job}: {stage} needs more memory than OCRFARM_SPLIT_MEMORY_MB allows") from error
    except OcrfarmError as error:
        _requeue_or_fail(context, job, error, stage)


def _recognize_batch(context: WorkerContext, job: str, names: list[str]) -> str:
    others = _YieldCheck(context, job)
    try:
        with enforce_time_limit():
            if context.jobs.has_ended(job):
                return "the job has ended"
            batch = protocol.parse_tile_ids(names)
            if is_second_pass_batch(batch):
                return f"read {recognize_regions(context, job, batch=batch)} again"
            count, done = handlers.recognize(context, job, batch=batch, should_yield=others.should_yield)
    except (SoftTimeLimitExceeded, TaskTimeLimit) as error:
        raise Reject("out of time", requeue=True) from error
    except MemoryError as error:
        raise SystemExit(1) from error  # another process begins with empty hands; what it was at has been counted
    except OcrfarmError as error:
        _requeue_or_fail(context, job, error, *names)
        return ""
    if not done:
        raise Reject("smaller jobs first", requeue=True)
    return f"read {count}"


class _YieldCheck:
    """Whether a smaller job waits for this worker: it does not wait for the end of a batch, only for that of a tile."""

    def __init__(self, context: WorkerContext, job: str) -> None:
        self._context, self._job = context, job
        self._next_check = time.monotonic() + _YIELD_CHECK_INTERVAL

    def should_yield(self) -> bool:
        if time.monotonic() < self._next_check:
            return False
        self._next_check = time.monotonic() + _YIELD_CHECK_INTERVAL
        manifest = self._context.load_manifest(self._job)
        queue, step = protocol.recognize_queue(manifest.request.profile.recognizer), _priority(manifest)
        return step > 0 and self._context.jobs.queues.has_higher_priority(queue, step)


def _requeue_or_fail(context: WorkerContext, job: str, error: OcrfarmError, *items: str) -> None:
    """Put the message back where the error may pass; raise the error otherwise."""
    if not error.retryable:
        raise error
    with suppress(BrokerError):  # it is what is away: then the attempt counts
        context.jobs.attempts.reset(job, *items)
    time.sleep(_REQUEUE_DELAY)
    raise Reject(str(error), requeue=True) from error
