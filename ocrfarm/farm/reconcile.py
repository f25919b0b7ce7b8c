"""Every minute, in one place: jobs that lost a message are found, jobs past their time are removed."""

import time
from collections.abc import Iterator
from contextlib import suppress

from ocrfarm.errors import JobFailed, UnknownJob
from ocrfarm.farm import wire
from ocrfarm.farm.attempts import ENDED
from ocrfarm.farm.progress import JobStatus
from ocrfarm.farm.remember import remembered
from ocrfarm.farm.services import Services
from ocrfarm.farm.submit import end_failed
from ocrfarm.settings import Settings
from ocrfarm.storage import keys

_SWEEP_SECONDS = 3600
"""Between two looks for jobs past their time: reading every job's record costs."""

_UPLOAD_SECONDS = 24 * 3600
"""What handing in a picture may take; a client that died in between never ends it."""


def stuck_jobs(services: Services) -> Iterator[str]:
    """Give the jobs that have to be taken up; nothing where somebody else has looked a moment ago.

    A job is stuck that makes no progress while no message of it waits or is in anybody's hand.
    """
    upkeep, load = services.upkeep, services.settings.load
    if not upkeep.take_office("reconciler", load.reconcile_seconds * 9 // 10):
        return
    if upkeep.was_emptied():
        _recover(services)
    _sweep(services)
    idle = {status: upkeep.idle_seconds(status) for status in _unfinished(services)}
    for status, seconds in idle.items():
        if status.waiting and load.unread_seconds and seconds >= load.unread_seconds:
            _fail(services, status, f"{status.waiting} for {seconds:.0f} s; start one")
    resting = {status: seconds for status, seconds in idle.items() if seconds >= load.stuck_seconds}
    if not resting:  # looking through the queues is what costs
        return
    moving = services.progress.queues.jobs({status.model for status in resting if status.model})
    for status, seconds in resting.items():
        if status.id not in moving and _worth_it(services, status, seconds):
            yield status.id


def _unfinished(services: Services) -> list[JobStatus]:
    active = services.upkeep.active()
    return [status for status in services.progress.statuses(*active) if not status.ended] if active else []


def _worth_it(services: Services, status: JobStatus, idle: float) -> bool:
    """Say whether to take the job up; fail it where that has been no use, or its picture never came."""
    # Asked of every job: where the store is away, this ends the look before anything is counted.
    handed_in = services.store.exists(keys.source(status.id))
    if status.state == "queued" and not handed_in:
        if idle >= _UPLOAD_SECONDS:
            _fail(services, status, "its picture was never handed in whole; submit it again")
        return False
    if services.upkeep.revive(status) > services.settings.load.revivals:
        _fail(services, status, f"was taken up {services.settings.load.revivals} times and made no progress")
        return False
    return True


def _fail(services: Services, status: JobStatus, why: str) -> None:
    end_failed(services.progress, status.id, error=JobFailed(f"job {status.id}: {why}"), store=services.store)


def _recover(services: Services) -> None:
    """Write down again every job in the store that an emptied broker has forgotten."""
    for job in sorted({name.split("/")[1] for name in services.store.list("jobs/")}):
        with suppress(UnknownJob):
            wire.checked_job_id(job)
            if not services.progress.statuses(job):
                services.progress.create(remembered(services.store, job))


def _sweep(services: Services) -> None:
    """Remove what is past its time, now and then."""
    keep = _retention(services.settings)
    shortest = min((seconds for seconds in keep.values() if seconds), default=_SWEEP_SECONDS)
    if not services.upkeep.take_office("sweep", min(_SWEEP_SECONDS, shortest)):
        return
    for status in services.progress.newest():
        seconds = keep.get(status.state, 0)
        if seconds and (status.finished or status.submitted) + seconds < time.time():
            services.store.delete(list(services.store.list(keys.job(status.id))))
            services.upkeep.forget(status.id)


def _retention(settings: Settings) -> dict[str, int]:
    return {state: getattr(settings.keep, f"keep_{state}") for state in ENDED}
