"""What a client does: submit an image, cancel a job, resume a job; needs no engine and no image library.

A job is safe against a client that dies because of the order in which it is submitted: first the record in Redis, so
that recovery knows the job, then the request, then the image, and the message split last. A job without its image is
failed by recovery after a day; one with its image, but without a message, is requeued.
"""

import socket
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from celery import Celery

from ocrfarm.errors import FarmBusy, OcrfarmError, SettingsError, UnknownJob
from ocrfarm.farm import protocol
from ocrfarm.farm.broker import translate_errors
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.job_store import JobStatus, JobStore
from ocrfarm.farm.manifest import Request, delete_objects, make_end_note, record_end, request_fields, restore_status
from ocrfarm.printable import printable
from ocrfarm.public_http import AllowedHosts, parse_webhook_url
from ocrfarm.settings import Admission, Settings
from ocrfarm.storage import layout
from ocrfarm.storage.store import Store

_RETRY_POLICY = {"max_retries": 3, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 2}
"""Attempts at a message: a person is waiting, for three seconds at most, where a worker tries for a minute."""

_MIN_RETRY_AFTER, _MAX_RETRY_AFTER = 5.0, 600.0
"""Seconds after which a refused client is asked to come back: neither at once nor tomorrow."""

_UPLOADING = "its image is being uploaded"
"""What a job waits for until its message is published; if the client dies before that, this stays true."""


@dataclass(frozen=True, slots=True)
class Submitter:
    """What is needed to submit a job.

    Attributes:
        app: Publishes messages.
        store: Takes the request and the image.
        jobs: Takes the job's record.
        admission: How much work the farm accepts.
        webhook_hosts: Hosts that webhooks may reach although they are not public.
    """

    app: Celery
    store: Store
    jobs: JobStore
    admission: Admission
    webhook_hosts: AllowedHosts

    def close(self) -> None:
        """Close every connection to the broker."""
        self.app.close()
        self.jobs.close()


def open_submitter(settings: Settings, app: Celery, *, store: Store) -> Submitter:
    """Return a submitter for the settings' farm; nothing is contacted yet.

    Args:
        settings: The farm's settings.
        app: The app that publishes.
        store: The farm's store.
    """
    allowed = AllowedHosts(settings.security.webhook_allowed_hosts)
    return Submitter(app, store, open_job_store(settings), settings.admission, allowed)


def submit(submitter: Submitter, request: Request, *, source: Path | bytes, job: str = "") -> str:
    """Submit an image, and return the job's id.

    Args:
        submitter: Where to.
        request: What is asked for.
        source: The image file, or its bytes.
        job: The job's id; "" makes a new one. Submitting again under the same id changes nothing.

    Raises:
        FarmBusy: The farm has enough to do; nothing was submitted.
        SettingsError: The priority is none that a queue has, or nothing can be delivered to the webhook.
        StoreError: The store failed; a new job has failed, and no worker knows of it.
        BrokerError: The broker failed; the same.
    """
    _check_request(request, submitter.webhook_hosts)
    _check_capacity(submitter)
    job, jobs, store = job or protocol.new_job_id(), submitter.jobs, submitter.store
    request = replace(request, submitted=jobs.read_time())
    is_new = jobs.create(JobStatus(id=job, state="queued", waiting=_UPLOADING, **request_fields(request)))
    try:
        store.put(layout.request(job), request.to_bytes(), if_absent=True)
        if isinstance(source, Path):
            store.put_file(layout.source(job), source)
        else:
            store.put(layout.source(job), source)
        _publish(submitter.app, protocol.SPLIT, job, task_id=protocol.split_id(job))
        jobs.update(job, waiting="")
    except OcrfarmError as error:
        if is_new:  # else another client has submitted it, and its job goes on
            fail_job(jobs, job, error=error, store=store)
        raise
    return job


def _check_request(request: Request, allowed: AllowedHosts) -> None:
    if request.priority not in (None, *protocol.PRIORITIES):
        raise SettingsError(f"priority {request.priority} is none: 0 (first), 5 or 9")
    if request.webhook:
        parse_webhook_url(request.webhook, allowed)


def _check_capacity(submitter: Submitter) -> None:
    """Raise `FarmBusy` if the farm has enough to do; clients that ask at the same moment may all be accepted."""
    limits, active = submitter.admission, submitter.jobs.list_active()
    statuses = submitter.jobs.get_statuses(*active) if active else []
    tiles = sum(status.tiles - status.blank - status.done - status.failed for status in statuses)
    over = max(len(active) / limits.max_active_jobs, tiles / limits.max_pending_tiles)
    if over >= 1:
        excess = tiles - limits.max_pending_tiles * 9 // 10
        after = _estimate_retry_after(statuses, excess, now=submitter.jobs.read_time())
        allowed = f"{limits.max_active_jobs} and {limits.max_pending_tiles} are allowed"
        reason = f"{len(active)} jobs with {tiles} tiles wait, {allowed}"
        raise FarmBusy(f"the farm has enough to do ({reason}); come back in {after:.0f} seconds", after)


def _estimate_retry_after(statuses: list[JobStatus], tiles: int, *, now: float) -> float:
    """Return the seconds until so many tiles are done, at the pace of the jobs that are being read."""
    begun = [status for status in statuses if status.started]
    done = sum(status.done for status in begun)
    seconds = now - min((status.started for status in begun), default=now)
    return min(max(max(tiles, 1) * seconds / done if done else 0.0, _MIN_RETRY_AFTER), _MAX_RETRY_AFTER)


def _publish(app: Celery, name: str, job: str, *, task_id: str) -> None:
    task = app.signature(name, protocol.job_args(job), task_id=task_id, ignore_result=True)
    with (
        translate_errors(),
        app.connection_for_write() as connection,
    ):  # kombu's pools outlive a client that was closed
        task.apply_async(retry_policy=_RETRY_POLICY, connection=connection)


def cancel(submitter: Submitter, job: str) -> bool:
    """Cancel a job; tiles in the queues are skipped, and those that are being read end.

    Args:
        submitter: The farm.
        job: The job's id.

    Returns:
        False if the job had ended before, or has ended otherwise meanwhile.

    Raises:
        UnknownJob: Neither the broker nor the store knows the job.
    """
    jobs, finished = submitter.jobs, submitter.jobs.read_time()
    model = _get_status(submitter, job).model
    if not jobs.update(job, state="cancelled", finished=finished):
        return False
    submitter.store.put(layout.final_status(job), make_end_note(JobStatus(job, "cancelled", finished=finished)))
    jobs.queues.purge_job(job, model)
    jobs.update(job, state="cancelled", finished=finished)  # if the broker went back in time meanwhile
    return _get_status(submitter, job).state == "cancelled"


def _get_status(submitter: Submitter, job: str) -> JobStatus:
    """Return the job's status; if the broker has forgotten it, record what the store knows."""
    try:
        return submitter.jobs.get_status(job)
    except UnknownJob:
        status = restore_status(submitter.store, job)
        submitter.jobs.create(status)
        return status


def delete(submitter: Submitter, job: str) -> None:
    """Delete a job: its image, its tiles, its results, and what the broker knows of it. A running job is cancelled.

    A worker that is reading a tile may store it a moment later; recovery deletes that as well.

    Args:
        submitter: The farm.
        job: The job's id.

    Raises:
        UnknownJob: Neither the broker nor the store knows the job.
        StoreError: The store failed. Recovery deletes the rest.
        BrokerError: The broker failed; nothing or not everything was deleted.
    """
    cancel(submitter, job)
    submitter.jobs.deletions.add(job, submitter.jobs.read_time())
    delete_objects(submitter.store, job)


def resume(submitter: Submitter, job: str) -> None:
    """Resume a job, even one that has ended or that the broker has forgotten.

    What was read is kept, and what was given up is tried again.

    Args:
        submitter: The farm.
        job: The job's id.

    Raises:
        UnknownJob: The store has no request of this job.
    """
    _get_status(submitter, job)
    _publish(submitter.app, protocol.RESUME, job, task_id=protocol.resume_id(job))


def fail_job(jobs: JobStore, job: str, *, error: BaseException, store: Store) -> None:
    """End a job as failed, with an error that a client can raise again.

    Args:
        jobs: The job states.
        job: The job's id.
        error: Why it failed.
        store: Keeps the reason, in case the broker forgets it.
    """
    kind = type(error).__name__
    bug = f"a bug in ocrfarm ({kind}: {error}); the worker's log on {socket.gethostname()} has the traceback"
    text = printable(str(error) if isinstance(error, OcrfarmError) else bug)
    if jobs.has_ended(job):
        return
    status = JobStatus(job, "failed", finished=jobs.read_time(), error=text, error_kind=kind)
    with suppress(OcrfarmError):  # the store may be what failed; the broker knows it
        status = record_end(store, status)
    jobs.update(job, **status.end_fields)
