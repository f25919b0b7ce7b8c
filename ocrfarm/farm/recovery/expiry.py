"""Jobs whose retention is over, and jobs that a client has deleted.

A deletion cannot be undone, so one look never decides it, and no clock alone does:

    the broker's clock    measures every retention; what workers and clients take for the time is never asked
    the store's clock     must agree with it within an hour
    this process's own    must have run on as the broker's did: a clock that was set is not trusted for a day
    two looks             find the retention over, as far apart as the shortest retention, or an hour
"""

import logging
from collections.abc import Iterator

from ocrfarm.farm import protocol
from ocrfarm.farm.context import WorkerContext
from ocrfarm.farm.manifest import delete_objects
from ocrfarm.farm.recovery.decisions import Delete, RecoveryDecision
from ocrfarm.settings import Settings

_log = logging.getLogger(__name__)

_CLEANUP_INTERVAL = 3600
"""Seconds between two looks: each reads the record of every job."""

_CLOCK_TOLERANCE = 3600.0
"""Seconds by which clocks may differ: less than any retention of a farm in production, more than clocks drift."""


def find_expired_jobs(context: WorkerContext) -> Iterator[RecoveryDecision]:
    """Yield the jobs to be deleted; none within an hour of the last look, or if a clock is wrong."""
    jump = context.jobs.comparison.measure_clock_jump()
    retention = _retention_by_state(context.settings)
    interval = min([_CLEANUP_INTERVAL, *retention.values()])
    if not retention or not context.jobs.recovery.try_lock("cleanup", interval):
        return
    if reason := _distrust_clocks(context, jump):
        _log.warning("no job is deleted although retentions may be over: %s", reason)
        return
    now = context.jobs.read_time()
    for status in context.jobs.list_recent():
        seconds = retention.get(status.state, 0)
        if seconds and max(status.submitted, status.finished) + seconds <= now:
            for_how_long = context.jobs.recovery.measure_expired_seconds(status.id, seconds, states=[status.state])
            if for_how_long >= interval:
                yield Delete(status.id)


def find_deleted_jobs(context: WorkerContext) -> Iterator[RecoveryDecision]:
    """Yield the jobs that a client has deleted: a worker that had begun a tile has stored it since."""
    limits, now = context.settings.task_limits, context.jobs.read_time()
    for job, deleted_at in context.jobs.deletions.list_all().items():
        yield Delete(job, keep_record=now < deleted_at + limits.job_time_limit + limits.batch_time_limit)


def delete_job(context: WorkerContext, job: str, *, keep_record: bool) -> None:
    """Delete a job that has ended, or what workers have stored of it since a client deleted it.

    Args:
        context: The store and the job states.
        job: The job's id.
        keep_record: Whether the broker has to know longer that the job was deleted.
    """
    if context.jobs.has_ended(job):
        delete_objects(context.store, job)
        if not keep_record:
            context.jobs.recovery.delete_job(job)


def _distrust_clocks(context: WorkerContext, jump: float) -> str:
    """Return why the broker's clock cannot be trusted; "" if it can."""
    if abs(jump) > _CLOCK_TOLERANCE:
        return f"the broker's clock was set by {jump:+.0f} s while this worker ran; it is trusted again after a day"
    difference = context.store.server_time() - context.jobs.read_time()
    if abs(difference) > _CLOCK_TOLERANCE:
        return f"the store's clock is {difference:+.0f} s from the broker's; correct the wrong one"
    return ""


def _retention_by_state(settings: Settings) -> dict[str, int]:
    """Return the seconds for which jobs are kept, by their final state; states that are kept for ever are left out."""
    values = {state: getattr(settings.retention, f"retention_{state}") for state in protocol.FINAL_STATES}
    return {state: seconds for state, seconds in values.items() if seconds}
