"""Who calls whom: split -> chord of recognize batches -> stitch; `submit` calls split."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from celery import Celery, Task, chord
from celery.canvas import Signature
from celery.exceptions import Reject, SoftTimeLimitExceeded

from ocrfarm.errors import JobFailed, OcrfarmError
from ocrfarm.farm import steps, wire
from ocrfarm.farm.app import declare
from ocrfarm.farm.services import Services
from ocrfarm.farm.submit import end_failed

_PAUSE_SECONDS = 3
"""Before a task goes back to its queue because a service is away: no busy loop."""

Open = Callable[[], Services]
"""Gives the services of this process; called in the child, never before the fork."""


def register(app: Celery, services: Open) -> None:
    """Give the app the three tasks; each is a thin wrapper round one function of `steps`."""

    class Stage(Task):  # type: ignore[type-arg]
        """A task that ends its job when it fails for good."""

        throws = (OcrfarmError,)

        def on_failure(
            self, exc: BaseException, task_id: str, args: tuple[str, ...], kwargs: object, einfo: object
        ) -> None:
            """Whatever went wrong, the job ends and says why."""
            end_failed(services().progress, args[0], error=exc)

    @app.task(base=Stage, name=wire.SPLIT, shared=False, ignore_result=True)
    def split(job: str) -> None:
        _once(services(), job, wire.SPLIT, lambda: _publish_batches(app, services(), job))

    @app.task(base=Stage, name=wire.RECOGNIZE, shared=False)
    def recognize(job: str, tiles: list[str]) -> str:
        return _tiles(services(), job, tiles)

    @app.task(base=Stage, name=wire.STITCH, shared=False, ignore_result=True)
    def stitch(job: str) -> None:
        _once(services(), job, wire.STITCH, lambda: steps.stitch(services(), job))


def _publish_batches(app: Celery, services: Services, job: str) -> None:
    """Publish each batch as soon as its tiles are stored, while the rest of the picture is still being decoded.

    Celery keeps one batch back and tells the chord its size just before it sends the last one. All ids are fixed: a
    second split of the same job repeats the same messages, and the chord counts each of them once.
    """
    stitch = app.signature(wire.STITCH, wire.job_message(job), immutable=True)
    with closing(steps.split(services, job)) as batches:
        header = chord(_header(app, services, job, batches), stitch, app=app, task_id=wire.group_id(job))
        header.apply_async(task_id=wire.stitch_id(job))


def _header(app: Celery, services: Services, job: str, batches: Iterator[steps.Batch]) -> Iterator[Signature[Any]]:
    for index, batch in enumerate(batches):
        manifest = services.manifest(job)
        queue = wire.recognize_queue(manifest.request.profile.recognizer)
        declare(app, queue)
        asked = manifest.request.priority
        step = wire.priority(len(manifest.tiles)) if asked is None else asked
        message, task_id = wire.batch_message(job, batch), wire.batch_id(job, index)
        yield app.signature(wire.RECOGNIZE, message, task_id=task_id, queue=queue, priority=step)


def _once(services: Services, job: str, stage: str, work: Callable[[], object]) -> None:
    """Split or stitch; attempts are counted, so that a picture which kills its worker does not do so for ever."""
    turn = services.progress.begin(job, stage)
    if turn.ended:
        return
    if turn.attempt > services.settings.work.attempts:
        raise JobFailed(f"job {job}: {stage} lost its worker {turn.attempt - 1} times; is there enough memory?")
    try:
        work()
    except SoftTimeLimitExceeded as error:
        raise JobFailed(f"job {job}: {stage} was not done in the time that OCRFARM_SPLIT_SECONDS allows") from error
    except OcrfarmError as error:
        _step_back(services, job, error, stage)
    services.progress.forgive(job, stage)


def _tiles(services: Services, job: str, names: list[str]) -> str:
    try:
        return f"read {steps.recognize(services, job, batch=wire.tiles_of(names))}"
    except SoftTimeLimitExceeded as error:
        raise Reject("out of time", requeue=True) from error
    except OcrfarmError as error:
        _step_back(services, job, error, *names)
        return ""


def _step_back(services: Services, job: str, error: OcrfarmError, *counted: str) -> None:
    """Put the message back where the error may pass; raise the error otherwise."""
    if not error.retryable:
        raise error
    services.progress.forgive(job, *counted)
    time.sleep(_PAUSE_SECONDS)
    raise Reject(str(error), requeue=True) from error
