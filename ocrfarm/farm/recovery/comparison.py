"""Comparison of store and broker: jobs that the broker has lost, or knows in an older state, come back.

    the server's run is another than at the last comparison, or the last is an hour old
        every job of the store, and every one that the broker lists
    otherwise, every minute
        jobs whose ids were made within the last 50 minutes: a handful of short listings

A server that was emptied, restored from a backup, or that took over from another one has another run. The run is
recorded when every difference was mended, and not before: a comparison that was interrupted is repeated. Jobs that it
had restored are known to the broker by then, so that it goes on where it was interrupted.

The store wins: a job that has ended there has ended, and one that was reopened there goes on.

The cost of a full comparison, for 100,000 jobs: 100 listings of 1,000 names, and 100 round trips to the broker; and for
each job that is missing, two small objects.
"""

import logging
import time
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from ocrfarm.errors import UnknownJob
from ocrfarm.farm import protocol
from ocrfarm.farm.broker import is_transient
from ocrfarm.farm.context import WorkerContext
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.manifest import read_end_state, restore_status
from ocrfarm.farm.recovery.decisions import Forget, RecoveryDecision, Restore
from ocrfarm.storage import layout
from ocrfarm.storage.store import Store

_log = logging.getLogger(__name__)

_INTERVAL = 3600.0
"""Seconds between two full comparisons: they also find jobs whose ids were made by a clock that was wrong."""

_TIME_BUDGET = 300.0
"""Seconds after which a full comparison leaves the rest to the next run, so that stalled jobs do not wait for it."""

_THREADS = 8
"""Jobs whose small objects are read at a time."""

_CHUNK_SIZE = 200
"""Jobs that are restored before the time is looked at again."""

_YOUNG_PREFIX_LENGTH = 6
"""Characters of a job's id that jobs of the same 17 minutes share."""

_YOUNG_PREFIX_SECONDS = (1 << 20) / 1000

_YOUNG_STEPS = range(-2, 2)
"""Of these prefixes, counted from that of now: the later one is for clocks that are ahead."""

_MAX_REOPENED = 1000
"""Ended jobs, newest first, of which a new run of the server asks whether they were reopened."""


def compare_with_store(context: WorkerContext) -> Iterator[RecoveryDecision]:
    """Yield what brings the broker up to the store's state; each decision must be carried out before the next."""
    comparison, now, run = context.jobs.comparison, context.jobs.read_time(), context.jobs.comparison.read_run_id()
    compared_run, compared_at = comparison.read_comparison()
    if run == compared_run and compared_at <= now < compared_at + _INTERVAL:
        yield from _restore(context, comparison.find_unknown(_list_young_jobs(context.store, now)))
        return
    deadline = time.monotonic() + _TIME_BUDGET
    if run != compared_run:
        yield from _settle_ended(context)
    remaining = iter(comparison.find_unlisted(_list_all_jobs(context)))
    while chunk := list(islice(remaining, _CHUNK_SIZE)):
        if time.monotonic() > deadline:
            return
        yield from _restore(context, chunk)
    comparison.record_comparison(run, now)


def _list_young_jobs(store: Store, now: float) -> Iterator[str]:
    for step in _YOUNG_STEPS:
        prefix = protocol.job_id_prefix(now + step * _YOUNG_PREFIX_SECONDS, _YOUNG_PREFIX_LENGTH)
        yield from _list_stored_jobs(store, prefix)


def _list_all_jobs(context: WorkerContext) -> list[str]:
    """Return every job of the store, and every one that the broker lists; newest first, since those may not be done."""
    listed = context.jobs.comparison.list_ids()
    return sorted({*_list_stored_jobs(context.store, ""), *listed}, reverse=True)


def _list_stored_jobs(store: Store, id_prefix: str) -> Iterator[str]:
    return filter(protocol.is_job_id, store.list(f"{layout.JOBS}{id_prefix}", only_folders=True))


def _restore(context: WorkerContext, jobs: Iterable[str]) -> Iterator[RecoveryDecision]:
    deleted = context.jobs.deletions.list_all()
    return _look_at_each(jobs, partial(_look_at_unlisted, context, deleted=deleted))


def _look_at_unlisted(context: WorkerContext, job: str, *, deleted: Container[str]) -> RecoveryDecision | None:
    if job in deleted:
        return None
    try:
        return Restore(restore_status(context.store, job))
    except UnknownJob:
        # Without a request, what lies there is what a slow worker has stored of a job that was deleted.
        return None if context.store.exists(layout.request(job)) else Forget(job)


def _settle_ended(context: WorkerContext) -> Iterator[RecoveryDecision]:
    """Yield what ends the jobs that have ended in the store, and what reopens those that were reopened there."""
    active = context.jobs.get_statuses(*context.jobs.list_active())
    ended = [status for status in context.jobs.list_recent() if status.has_ended and status.state != "complete"]
    known = {status.id: status for status in (*active, *ended[:_MAX_REOPENED])}
    return _look_at_each(known, lambda job: _look_at_known(context, known[job]))


def _look_at_known(context: WorkerContext, status: JobStatus) -> RecoveryDecision | None:
    stored = read_end_state(context.store, status.id)
    if not stored or (stored in protocol.FINAL_STATES) == status.has_ended:
        return None
    return Restore(restore_status(context.store, status.id), replace_known=True)


def _look_at_each(jobs: Iterable[str], look: Callable[[str], RecoveryDecision | None]) -> Iterator[RecoveryDecision]:
    """Yield what each look decides; a job that cannot be read is left alone, and does not stop the others."""

    def look_safely(job: str) -> RecoveryDecision | None:
        try:
            return look(job)
        except Exception as error:
            if is_transient(error):
                raise
            _log.warning("job %s is left alone: what the store has of it cannot be read", job, exc_info=True)
            return None

    with ThreadPoolExecutor(_THREADS) as threads:
        yield from filter(None, threads.map(look_safely, jobs))
