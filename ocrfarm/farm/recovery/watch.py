"""A look at the active jobs every few seconds: those whose tiles are all read, and messages of workers that are gone.

    recognizing, all tiles read, for 3 s       its reader died before its chord knew: stitch now, from the store
    a message not renewed for 2 intervals      its worker is silent: the job says so
    a message not renewed for 4 intervals      its worker is gone: its lease ends now, and not after 5 minutes

All of that is harmless if it is wrong, since every task finds what another one has stored. A look needs the broker
alone: one script for all jobs, and the messages of the queues only if a job stands still.
"""

from collections.abc import Iterable
from itertools import groupby

from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import renewal_interval
from ocrfarm.farm.job_store import JobStore
from ocrfarm.farm.queues import TakenMessage
from ocrfarm.farm.recovery_state import IdleJob

WATCH_INTERVAL = 3.0
"""Seconds between two looks."""

_IDLE_SECONDS = 3
"""Seconds without progress after which a job is looked at: the last reader starts to stitch within milliseconds."""

_SILENT_INTERVALS, _GONE_INTERVALS = 2, 4
"""Intervals between renewals of a message after which its worker counts as silent, and as gone."""

_STITCH_QUEUED = "all its tiles are read; stitch is queued"
"""What a job waits for while the stitchers work on others."""


def watch_jobs(jobs: JobStore) -> list[str]:
    """Look at the active jobs, end the leases of workers that are gone, and record what jobs wait for.

    Args:
        jobs: The job states.

    Returns:
        The jobs that have to be stitched although no message says so.
    """
    if not jobs.recovery.try_lock("watch", int(WATCH_INTERVAL) - 1):
        return []
    watched_for = jobs.watch.measure_watch_seconds()
    idle = jobs.watch.find_idle_jobs(_IDLE_SECONDS)
    if not idle:
        return []
    taken = jobs.taken.list_taken({job.model for job in idle if protocol.is_model_name(job.model)})
    if watched_for >= _GONE_INTERVALS * renewal_interval():  # else nobody could renew: the broker was away
        jobs.taken.end_leases(each for each in taken if each.silent_seconds >= _GONE_INTERVALS * renewal_interval())
    queued = jobs.queues.find_jobs([]) if any(job.is_all_read for job in idle) else set()
    by_job = {job: list(found) for job, found in groupby(sorted(taken, key=_job_of), _job_of)}
    for job in idle:
        _record_waiting(jobs, job, by_job.get(job.id, []), is_queued=job.id in queued)
    return [job.id for job in idle if job.is_all_read and job.id not in queued]


def _job_of(message: TakenMessage) -> str:
    return message.job


def _record_waiting(jobs: JobStore, job: IdleJob, taken: list[TakenMessage], *, is_queued: bool) -> None:
    text = _describe_silent(taken) or (_STITCH_QUEUED if job.is_all_read and is_queued else "")
    if text != job.waiting and (text or job.state != "queued"):  # a client says of a queued job what it waits for
        jobs.watch.set_waiting(job, text)


def _describe_silent(taken: Iterable[TakenMessage]) -> str:
    """Return which tiles are with workers that are silent; "" if there are none.

    >>> _describe_silent([TakenMessage("t", "g", "01J", tiles=2, worker="one@host", silent_seconds=12.0)])
    '2 tiles are with worker one@host, silent for 12 s; their lease ends in 8 s'
    """
    silent = [each for each in taken if each.silent_seconds >= _SILENT_INTERVALS * renewal_interval()]
    if not silent:
        return ""
    longest = max(silent, key=lambda each: each.silent_seconds)
    tiles = sum(each.tiles for each in silent if each.worker == longest.worker)
    what = f"{tiles} tiles are" if tiles > 1 else "a tile is" if tiles else "its task is"
    worker = f"worker {longest.worker}" if longest.worker else "a worker"
    left = max(_GONE_INTERVALS * renewal_interval() - longest.silent_seconds, 0)
    whose = "their" if tiles > 1 else "its"
    return f"{what} with {worker}, silent for {longest.silent_seconds:.0f} s; {whose} lease ends in {left:.0f} s"
