"""Who calls whom: split -> chord of recognize batches -> stitch; `submit` calls split, and reconcile what got lost."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from typing import Any

from celery import Celery, chord
from celery.canvas import Signature
from celery.exceptions import Reject, SoftTimeLimitExceeded

from ocrfarm.errors import BrokerError, JobCancelled, JobFailed, OcrfarmError, OutOfTime
from ocrfarm.farm import steps, wire
from ocrfarm.farm.app import declare
from ocrfarm.farm.broker import publishing
from ocrfarm.farm.budget import Batch, batch_budget, pixels_of
from ocrfarm.farm.looks import is_look, read_looks, stored_looks
from ocrfarm.farm.manifest import Manifest
from ocrfarm.farm.reconcile import stuck_jobs
from ocrfarm.farm.revive import batches, drop_dead, lack
from ocrfarm.farm.services import Services
from ocrfarm.farm.stage import Open, Stage, memory_limit, time_limit

_PAUSE_SECONDS = 3
"""Before a task goes back to its queue because a service is away: no busy loop."""

_LOOK_SECONDS = 0.25
"""Between two looks for smaller jobs at least: a tile may take less, and a small job none the longer."""


def register(app: Celery, services: Open) -> None:
    """Give the app its tasks; each is a thin wrapper round one function."""
    base = type("Stage", (Stage,), {"services": staticmethod(services), "abstract": True})

    @app.task(base=base, name=wire.SPLIT, shared=False, ignore_result=True)
    def split(job: str) -> None:
        with memory_limit(services().settings.load.split_megabytes):
            _once(services(), job, wire.SPLIT, lambda: _publish_batches(app, services(), job))

    @app.task(base=base, name=wire.RECOGNIZE, shared=False)
    def recognize(job: str, tiles: list[str]) -> str:
        return _tiles(services(), job, tiles)

    @app.task(base=base, name=wire.STITCH, shared=False, ignore_result=True)
    def stitch(job: str) -> None:
        _once(services(), job, wire.STITCH, lambda: _stitch(app, services(), job))

    @app.task(base=base, name=wire.RESUME, shared=False, ignore_result=True)
    def resume(job: str) -> None:
        _once(services(), job, wire.RESUME, lambda: _resume(app, services(), job))

    @app.task(name=wire.RECONCILE, shared=False, ignore_result=True, throws=(OcrfarmError,), acks_late=False)
    def reconcile() -> None:
        with publishing():
            for job in stuck_jobs(services()):
                _take_up(app, services(), job)


def _publish_batches(app: Celery, services: Services, job: str) -> None:
    """Publish each batch as soon as its tiles are stored, while the rest of the picture is still being decoded.

    Celery keeps one batch back and tells the chord its size just before it sends the last one. All ids are fixed: a
    second split of the same job repeats the same messages, and the chord counts each of them once.
    """
    with closing(steps.split(services, job)) as found:
        _publish(app, services, job, batches=found)


def _stitch(app: Celery, services: Services, job: str) -> None:
    """Stitch; what is in doubt then is read again by one more chord, whose callback comes here once more.

    A second delivery of the same message repeats messages with the same ids, which the chord counts once.
    """
    if doubted := steps.stitch(services, job):
        _publish(app, services, job, batches=doubted, again=True)


def _publish(app: Celery, services: Services, job: str, *, batches: Iterable[Batch], again: bool = False) -> None:
    wave = wire.Wave(services.upkeep.revivals(job), again)
    stitch = app.signature(wire.STITCH, wire.job_message(job), immutable=True)
    header = _header(app, services, job, batches, wave)
    chord(header, stitch, app=app, task_id=wire.group_id(job, wave)).apply_async(task_id=wire.stitch_id(job, wave))


def _header(
    app: Celery, services: Services, job: str, batches: Iterable[Batch], wave: wire.Wave
) -> Iterator[Signature[Any]]:
    looks = {look.tile.id: look.tile for look in stored_looks(services, job)} if wave.again else {}
    for index, batch in enumerate(batches):
        if services.progress.ended(job):
            raise JobCancelled(f"job {job} ended while it was split")
        manifest = services.manifest(job)
        profile = manifest.request.profile.strong if looks else manifest.request.profile
        queue = wire.recognize_queue(profile.recognizer)
        declare(app, queue)
        tiles = [looks[name] for name in batch] if looks else manifest.pick(batch)
        pixels = sum(map(pixels_of, tiles))
        soft, hard = batch_budget(pixels, profile, most=services.settings.work.recognize_seconds)
        yield app.signature(
            wire.RECOGNIZE,
            wire.batch_message(job, batch),
            task_id=wire.batch_id(job, index, wave=wave),
            queue=queue,
            priority=_step(manifest),
            soft_time_limit=soft,
            time_limit=hard,
        )


def _step(manifest: Manifest) -> int:
    asked = manifest.request.priority
    return wire.priority(len(manifest.tiles)) if asked is None else asked


def _resume(app: Celery, services: Services, job: str) -> None:
    """Take a job up because somebody asks for it, even where it has ended: what was given up is tried again."""
    status = services.progress.status(job)
    if status.state == "complete":
        return
    drop_dead(services.store, job)
    services.upkeep.reopen(job, done=set(lack(services.store, job).read))
    _take_up(app, services, job)


def _take_up(app: Celery, services: Services, job: str) -> None:
    """Publish what the job lacks, and nothing else."""
    left = lack(services.store, job)
    if left.picture:
        return
    if left.split:
        task_id = wire.split_id(job)
        app.signature(wire.SPLIT, wire.job_message(job), task_id=task_id, ignore_result=True).apply_async()
    elif left.tiles:
        services.progress.change(job, state="recognizing")
        found = batches(left.tiles, services.settings.work.batch_pixels)
        _publish(app, services, job, batches=found)
    else:
        app.signature(wire.STITCH, wire.job_message(job), task_id=wire.stitch_id(job)).apply_async()


def _once(services: Services, job: str, stage: str, work: Callable[[], object]) -> None:
    """Split or stitch; attempts are counted, so that a picture which kills its worker does not do so for ever."""
    attempts = services.progress.attempts
    try:
        with time_limit(), publishing():
            if attempts.look(job, stage).ended and stage != wire.RESUME:
                return
            if (attempt := attempts.begin(job, stage)) > services.settings.work.attempts:
                raise JobFailed(f"job {job}: {stage} lost its worker {attempt - 1} times; is there enough memory?")
            work()
            attempts.forgive(job, stage)
    except (SoftTimeLimitExceeded, OutOfTime) as error:
        raise JobFailed(f"job {job}: {stage} was not done in the time that OCRFARM_SPLIT_SECONDS allows") from error
    except KeyboardInterrupt:  # the worker is told to leave, which says nothing against the picture
        attempts.forgive(job, stage)
        raise
    except MemoryError as error:
        raise JobFailed(f"job {job}: {stage} needs more memory than OCRFARM_SPLIT_MEGABYTES allows") from error
    except OcrfarmError as error:
        _step_back(services, job, error, stage)


def _tiles(services: Services, job: str, names: list[str]) -> str:
    others = _Others(services, job)
    try:
        with time_limit():
            if services.progress.ended(job):
                return "the job has ended"
            batch = wire.tiles_of(names)
            if is_look(batch):
                return f"read {read_looks(services, job, batch=batch)} again"
            count, done = steps.recognize(services, job, batch=batch, gives_way=others.wait)
    except (SoftTimeLimitExceeded, OutOfTime) as error:
        raise Reject("out of time", requeue=True) from error
    except MemoryError as error:
        raise SystemExit(1) from error  # another process begins with empty hands; what it was at has been counted
    except OcrfarmError as error:
        _step_back(services, job, error, *names)
        return ""
    if not done:
        raise Reject("smaller jobs first", requeue=True)
    return f"read {count}"


class _Others:
    """Whether a smaller job waits for this worker: it does not wait for the end of a batch, only for that of a tile."""

    def __init__(self, services: Services, job: str) -> None:
        self._services, self._job = services, job
        self._next = time.monotonic() + _LOOK_SECONDS

    def wait(self) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + _LOOK_SECONDS
        manifest = self._services.manifest(self._job)
        queue, step = wire.recognize_queue(manifest.request.profile.recognizer), _step(manifest)
        return step > 0 and self._services.progress.queues.waiting(queue, step)


def _step_back(services: Services, job: str, error: OcrfarmError, *counted: str) -> None:
    """Put the message back where the error may pass; raise the error otherwise."""
    if not error.retryable:
        raise error
    with suppress(BrokerError):  # it is what is away: then the attempt counts
        services.progress.attempts.forgive(job, *counted)
    time.sleep(_PAUSE_SECONDS)
    raise Reject(str(error), requeue=True) from error
