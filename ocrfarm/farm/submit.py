"""What a client does: hand an image in, cancel a job, take it up again; needs no engine and no image library."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from celery import Celery

from ocrfarm.errors import FarmBusy, OcrfarmError, SettingsError, UnknownJob
from ocrfarm.farm import protocol
from ocrfarm.farm.broker import translate_errors
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.job_store import JobStatus, JobStore
from ocrfarm.farm.manifest import Request, make_end_note, request_fields, restore_status
from ocrfarm.public_http import validate_webhook_url
from ocrfarm.settings import Admission, Settings
from ocrfarm.storage import layout
from ocrfarm.storage.store import Store

_RETRY_POLICY = {"max_retries": 3, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 2}
"""A person waits: three seconds, where a worker tries for a minute."""

_MIN_RETRY_AFTER, _MAX_RETRY_AFTER = 5.0, 600.0
"""Seconds: a refused client comes back neither at once nor tomorrow."""


@dataclass(frozen=True, slots=True)
class Submitter:
    """Where jobs are handed in: the queues, the store, the states, and how much the farm takes."""

    app: Celery
    store: Store
    jobs: JobStore
    admission: Admission

    def close(self) -> None:
        """Close every connection to the broker."""
        self.app.close()
        self.jobs.close()


def open_submitter(settings: Settings, app: Celery, *, store: Store) -> Submitter:
    """Open the way into the settings' farm; nothing is contacted yet."""
    return Submitter(app, store, open_job_store(settings), settings.admission)


def submit(submitter: Submitter, request: Request, *, source: Path | bytes, job: str = "") -> str:
    """Hand in an image and give the job's id, a new one unless it is given; again under the same id changes nothing.

    `FarmBusy`: come back later, nothing was handed in. `BrokerUnreachable`, `StoreError`: the job has failed, and no
    worker has heard of it. `SettingsError` for a priority that no queue has, or a webhook that is no https address.
    """
    _check_request(request)
    _check_capacity(submitter)
    job, jobs, store = job or protocol.new_job_id(), submitter.jobs, submitter.store
    if not jobs.get_statuses(job):
        jobs.create(JobStatus(id=job, state="queued", **request_fields(request)))
    try:
        store.put(layout.request(job), request.to_bytes())
        if isinstance(source, Path):
            store.put_file(layout.source(job), source)
        else:
            store.put(layout.source(job), source)
        _publish(submitter.app, protocol.SPLIT, job, task_id=protocol.split_id(job))
    except OcrfarmError as error:
        fail_job(jobs, job, error=error, store=store)
        raise
    return job


def _check_request(request: Request) -> None:
    if request.priority not in (None, *protocol.PRIORITIES):
        raise SettingsError(f"priority {request.priority} is none: 0 (first), 5 or 9")
    if request.webhook:
        validate_webhook_url(request.webhook)


def _check_capacity(submitter: Submitter) -> None:
    """Refuse what is more than the farm takes; others may come in at the same moment, so a few more are let in."""
    limits, active = submitter.admission, submitter.jobs.list_active()
    statuses = submitter.jobs.get_statuses(*active) if active else []
    tiles = sum(status.tiles - status.blank - status.done - status.failed for status in statuses)
    over = max(len(active) / limits.max_active_jobs, tiles / limits.max_pending_tiles)
    if over >= 1:
        after = _estimate_retry_after(statuses, tiles - limits.max_pending_tiles * 9 // 10)
        allowed = f"{limits.max_active_jobs} and {limits.max_pending_tiles} are allowed"
        reason = f"{len(active)} jobs with {tiles} tiles wait, {allowed}"
        raise FarmBusy(f"the farm has enough to do ({reason}); come back in {after:.0f} seconds", after)


def _estimate_retry_after(statuses: list[JobStatus], tiles: int) -> float:
    """Give the seconds until so many tiles are done, at the pace of the jobs that are being read."""
    begun = [status for status in statuses if status.started]
    done = sum(status.done for status in begun)
    seconds = time.time() - min((status.started for status in begun), default=time.time())
    return min(max(max(tiles, 1) * seconds / done if done else 0.0, _MIN_RETRY_AFTER), _MAX_RETRY_AFTER)


def _publish(app: Celery, name: str, job: str, *, task_id: str) -> None:
    task = app.signature(name, protocol.job_args(job), task_id=task_id, ignore_result=True)
    with (
        translate_errors(),
        app.connection_for_write() as connection,
    ):  # kombu's pools outlive a client that was closed
        task.apply_async(retry_policy=_RETRY_POLICY, connection=connection)


def cancel(submitter: Submitter, job: str) -> bool:
    """Cancel the job: its queued tiles are skipped, running ones end; False where it had ended before."""
    jobs, finished = submitter.jobs, time.time()
    model = _get_status(submitter, job).model
    if not jobs.update(job, state="cancelled", finished=finished):
        return False
    jobs.queues.purge_job(job, model)
    submitter.store.put(layout.final_status(job), make_end_note(JobStatus(job, "cancelled", finished=finished)))
    return True


def _get_status(submitter: Submitter, job: str) -> JobStatus:
    """Give the job's status; where the broker has forgotten it, tell it what the store knows."""
    try:
        return submitter.jobs.get_status(job)
    except UnknownJob:
        status = restore_status(submitter.store, job)
        submitter.jobs.create(status)
        return status


def resume(submitter: Submitter, job: str) -> None:
    """Take a job up again, even one that has ended or that the broker has forgotten; what was read is kept.

    What was given up is tried again. `UnknownJob` where the store has no request of it.
    """
    _get_status(submitter, job)
    _publish(submitter.app, protocol.RESUME, job, task_id=protocol.resume_id(job))


def fail_job(jobs: JobStore, job: str, *, error: BaseException, store: Store) -> None:
    """End the job as failed; a client can raise the same error again."""
    kind, finished = type(error).__name__, time.time()
    text = str(error) if isinstance(error, OcrfarmError) else f"a fault inside ocrfarm ({kind}: {error}); see the log"
    if jobs.update(job, state="failed", error=text, error_kind=kind, finished=finished):
        with suppress(OcrfarmError):  # the store may be what failed; the broker knows it
            store.put(
                layout.final_status(job),
                make_end_note(JobStatus(job, "failed", finished=finished, error=text, error_kind=kind)),
            )
