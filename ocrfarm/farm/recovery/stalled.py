"""Jobs that make no progress: they are requeued, and failed if that brings nothing."""

from ocrfarm.farm.context import WorkerContext
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.manifest import read_end_state, restore_status
from ocrfarm.farm.protocol import FINAL_STATES
from ocrfarm.farm.recovery.decisions import Fail, RecoveryDecision, Requeue, Restore
from ocrfarm.storage import layout

_UPLOAD_TIMEOUT = 24 * 3600
"""Seconds that submitting an image may take; if the client died in between, it never ends."""


def recover_stalled_jobs(context: WorkerContext) -> list[RecoveryDecision]:
    """Return what is done with jobs that make no progress.

    A job is stalled if it has made no progress for a while and no message of it is in a queue or with a worker. It is
    requeued, but failed if that has brought nothing several times in a row. A job whose recognizer no worker holds is
    failed after a longer while.
    """
    limits = context.settings.admission
    idle = {status: context.jobs.recovery.measure_idle_seconds(status) for status in _list_active(context)}
    unserved = _fail_unserved(context, idle) if limits.no_worker_timeout else {}
    resting = {
        status: seconds
        for status, seconds in idle.items()
        if seconds >= limits.stalled_timeout and status.id not in unserved
    }
    # Reading the queues is what costs.
    moving = context.jobs.queues.find_jobs({status.model for status in resting if status.model}) if resting else set()
    stalled = [_decide(context, status, resting[status]) for status in resting if status.id not in moving]
    return [*unserved.values(), *(decision for decision in stalled if decision)]


def _list_active(context: WorkerContext) -> list[JobStatus]:
    return [status for status in context.jobs.get_statuses(*context.jobs.list_active()) if not status.has_ended]


def _fail_unserved(context: WorkerContext, idle: dict[JobStatus, float]) -> dict[str, RecoveryDecision]:
    """Return what ends the jobs that no worker has served for too long, by their ids."""
    late = [
        status
        for status, seconds in idle.items()
        if seconds >= context.settings.admission.no_worker_timeout and status.is_before_stitching
    ]
    unserved = context.jobs.queues.find_models_without_worker(status.model for status in late)
    return {
        status.id: Fail(status.id, f"{status.waiting} for {idle[status]:.0f} s; start one")
        for status in late
        if status.model in unserved
    }


def _decide(context: WorkerContext, status: JobStatus, idle_seconds: float) -> RecoveryDecision | None:
    """Return what is done with a stalled job; nothing while its image may still arrive."""
    # Asked for every job: if the store is away, nothing is decided, and no requeue is counted.
    has_image = context.store.exists(layout.source(status.id))
    if read_end_state(context.store, status.id) in FINAL_STATES:
        return Restore(restore_status(context.store, status.id), replace_known=True)
    if status.state == "queued" and not has_image:
        is_late = idle_seconds >= _UPLOAD_TIMEOUT
        return Fail(status.id, "its image was never stored in whole; submit it again") if is_late else None
    allowed = context.settings.admission.max_requeues
    if context.jobs.recovery.count_fruitless_requeues(status) >= allowed:
        return Fail(status.id, f"was requeued {allowed} times and made no progress")
    return Requeue(status)
