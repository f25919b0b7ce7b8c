"""What a client does: hand a picture in, cancel a job, take it up again; needs no engine and no image library."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from celery import Celery

from ocrfarm.errors import FarmBusy, OcrfarmError, SettingsError, UnknownJob
from ocrfarm.farm import wire
from ocrfarm.farm.broker import publishing
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.outside import checked_webhook
from ocrfarm.farm.progress import JobStatus, Progress
from ocrfarm.farm.remember import asked, note, remembered
from ocrfarm.farm.services import open_progress, open_upkeep
from ocrfarm.farm.upkeep import Upkeep
from ocrfarm.settings import Load, Settings
from ocrfarm.storage import keys
from ocrfarm.storage.store import Store

_HASTE = {"max_retries": 3, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 2}
"""A person waits: three seconds, where a worker tries for a minute."""

_SOONEST, _LATEST = 5.0, 600.0
"""Seconds: a refused client comes back neither at once nor tomorrow."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Where jobs are handed in: the queues, the store, the states, and how much the farm takes."""

    app: Celery
    store: Store
    progress: Progress
    upkeep: Upkeep
    load: Load

    def close(self) -> None:
        """Close every connection to the broker."""
        self.app.close()
        self.progress.close()
        self.upkeep.close()


def open_counter(settings: Settings, app: Celery, *, store: Store) -> Counter:
    """Open the counter of the settings' farm; nothing is contacted yet."""
    return Counter(app, store, open_progress(settings), open_upkeep(settings), settings.load)


def submit(counter: Counter, request: Request, *, source: Path | bytes, job: str = "") -> str:
    """Hand in a picture and give the job's id, a new one unless it is given; again under the same id changes nothing.

    `FarmBusy`: come back later, nothing was handed in. `BrokerUnreachable`, `StoreError`: the job has failed, and no
    worker has heard of it. `SettingsError` for a priority that no queue has, or a webhook that is no https address.
    """
    _check(request)
    _admit(counter)
    job, progress, store = job or wire.new_job_id(), counter.progress, counter.store
    if not progress.statuses(job):
        progress.create(JobStatus(id=job, state="queued", **asked(request)))
    try:
        store.put(keys.request(job), request.to_bytes())
        if isinstance(source, Path):
            store.put_file(keys.source(job), source)
        else:
            store.put(keys.source(job), source)
        _publish(counter.app, wire.SPLIT, job, task_id=wire.split_id(job))
    except OcrfarmError as error:
        end_failed(progress, job, error=error, store=store)
        raise
    return job


def _check(request: Request) -> None:
    if request.priority not in (None, *wire.PRIORITIES):
        raise SettingsError(f"priority {request.priority} is none: 0 (first), 5 or 9")
    if request.webhook:
        checked_webhook(request.webhook)


def _admit(counter: Counter) -> None:
    """Refuse what is more than the farm takes; others may come in at the same moment, so a few more are let in."""
    load, active = counter.load, counter.upkeep.active()
    statuses = counter.progress.statuses(*active) if active else []
    tiles = sum(status.tiles - status.blank - status.done - status.failed for status in statuses)
    over = max(len(active) / load.most_jobs, tiles / load.most_tiles)
    if over >= 1:
        after = _come_back(statuses, tiles - load.most_tiles * 9 // 10)
        claim = f"{len(active)} jobs with {tiles} tiles wait, {load.most_jobs} and {load.most_tiles} are allowed"
        raise FarmBusy(f"the farm has enough to do ({claim}); come back in {after:.0f} seconds", after)


def _come_back(statuses: list[JobStatus], tiles: int) -> float:
    """Give the seconds until so many tiles are done, at the pace of the jobs that are being read."""
    begun = [status for status in statuses if status.started]
    done = sum(status.done for status in begun)
    seconds = time.time() - min((status.started for status in begun), default=time.time())
    return min(max(max(tiles, 1) * seconds / done if done else 0.0, _SOONEST), _LATEST)


def _publish(app: Celery, name: str, job: str, *, task_id: str) -> None:
    task = app.signature(name, wire.job_message(job), task_id=task_id, ignore_result=True)
    with publishing(), app.connection_for_write() as connection:  # kombu's pools outlive a client that was closed
        task.apply_async(retry_policy=_HASTE, connection=connection)


def cancel(counter: Counter, job: str) -> bool:
    """Cancel the job: its queued tiles are skipped, running ones end; False where it had ended before."""
    progress, finished = counter.progress, time.time()
    model = _known(counter, job).model
    if not progress.change(job, state="cancelled", finished=finished):
        return False
    progress.queues.drop(job, model)
    counter.store.put(keys.ended(job), note(JobStatus(job, "cancelled", finished=finished)))
    return True


def _known(counter: Counter, job: str) -> JobStatus:
    """Give the job's status; where the broker has forgotten it, tell it what the store knows."""
    try:
        return counter.progress.status(job)
    except UnknownJob:
        status = remembered(counter.store, job)
        counter.progress.create(status)
        return status


def resume(counter: Counter, job: str) -> None:
    """Take a job up again, even one that has ended or that the broker has forgotten; what was read is kept.

    What was given up is tried again. `UnknownJob` where the store has no request of it.
    """
    _known(counter, job)
    _publish(counter.app, wire.RESUME, job, task_id=wire.resume_id(job))


def end_failed(progress: Progress, job: str, *, error: BaseException, store: Store) -> None:
    """End the job as failed; a client can raise the same error again."""
    kind, finished = type(error).__name__, time.time()
    text = str(error) if isinstance(error, OcrfarmError) else f"a fault inside ocrfarm ({kind}: {error}); see the log"
    if progress.change(job, state="failed", error=text, error_kind=kind, finished=finished):
        with suppress(OcrfarmError):  # the store may be what failed; the broker knows it
            store.put(keys.ended(job), note(JobStatus(job, "failed", finished=finished, error=text, error_kind=kind)))
