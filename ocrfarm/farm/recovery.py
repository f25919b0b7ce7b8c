"""What a job still needs, from the store alone, and what recovery decides about jobs every minute.

The functions here look and decide; the task `reconcile` carries their decisions out.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from ocrfarm.errors import ObjectNotFound, UnknownJob
from ocrfarm.farm import protocol
from ocrfarm.farm.batching import TileBatch, count_pixels, iter_batches
from ocrfarm.farm.context import WorkerContext
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.manifest import Manifest, restore_status
from ocrfarm.settings import Settings
from ocrfarm.split.tiling import split_tile
from ocrfarm.storage import layout
from ocrfarm.storage.store import Store
from ocrfarm.tile import SECOND_PASS_QUADKEY, Tile

_CLEANUP_INTERVAL = 3600
"""Seconds between two searches for expired jobs: each reads the record of every job."""

_UPLOAD_TIMEOUT = 24 * 3600
"""Seconds that submitting an image may take; if the client died in between, it never ends."""


@dataclass(frozen=True, slots=True)
class RemainingWork:
    """What has to be done for a job: stitch it, unless a field says that something else comes first.

    Attributes:
        awaits_image: The client has not stored the whole image yet.
        needs_split: The image has to be split, at least again.
        batches: Batches that have to be read; they may be made while they are published.
        is_second_pass: The batches hold regions of the second pass.
        tiles_read: Names of the tiles that were read.
    """

    awaits_image: bool = False
    needs_split: bool = False
    batches: Iterable[TileBatch] = ()
    is_second_pass: bool = False
    tiles_read: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Restore:
    """Record a job that an emptied broker has forgotten."""

    status: JobStatus


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a job whose time is over."""

    job: str


@dataclass(frozen=True, slots=True)
class Fail:
    """End a job as failed, and say why."""

    job: str
    why: str


@dataclass(frozen=True, slots=True)
class Requeue:
    """Publish what a job still needs."""

    status: JobStatus


RecoveryDecision = Restore | Delete | Fail | Requeue


def find_remaining_work(store: Store, job: str, *, batch_pixels: int) -> RemainingWork:
    """Return what a job still needs, whatever the broker says.

    Args:
        store: The store, which holds all that was done.
        job: The job's id.
        batch_pixels: Pixels of a batch.
    """
    if store.exists(layout.result(job)):
        return RemainingWork()
    try:
        manifest = Manifest.from_bytes(store.get(layout.manifest(job)))
    except ObjectNotFound:
        is_there = store.exists(layout.request(job)) and store.exists(layout.source(job))
        return RemainingWork(awaits_image=not is_there, needs_split=is_there)
    fragments, dead, cut = (
        _list_tile_names(store, key(job, "x")) for key in (layout.fragments, layout.dead_letter, layout.tile)
    )
    overlap = manifest.request.profile.tiling.overlap
    wanted = [tile for tile in manifest.tiles if tile.id not in manifest.blank]
    read = frozenset(str(tile.id) for tile in wanted if _is_read(tile, fragments, overlap))
    left = [tile for tile in wanted if str(tile.id) not in read | dead]
    has_overviews = all(store.exists(layout.overview(job, page)) for page in range(len(manifest.pages)))
    return RemainingWork(
        needs_split=not has_overviews or not {str(tile.id) for tile in left} <= cut,
        batches=tuple(iter_batches(((tile.id, count_pixels(tile)) for tile in left), max_weight=batch_pixels)),
        tiles_read=read,
    )


def clear_dead_letters(store: Store, job: str) -> None:
    """Delete a job's dead letters, its second pass and its result, so that all of it is tried again.

    Args:
        store: The store.
        job: The job's id.
    """
    regions = [
        key for key in store.list(_parent_prefix(layout.fragments(job, "x"))) if f"-q{SECOND_PASS_QUADKEY}." in key
    ]
    results = [layout.result(job), layout.final_status(job), layout.second_pass(job)]
    store.delete([*store.list(_parent_prefix(layout.dead_letter(job, "x"))), *regions, *results])


def _is_read(tile: Tile, fragments: set[str], overlap: int) -> bool:
    parts = [str(part.id) for part in split_tile(tile, overlap)]
    return str(tile.id) in fragments or (bool(parts) and fragments.issuperset(parts))


def _list_tile_names(store: Store, example_key: str) -> set[str]:
    """Return the names of the tiles that have an object like the example."""
    folder = _parent_prefix(example_key)
    return {key.removeprefix(folder).partition(".")[0] for key in store.list(folder)}


def _parent_prefix(example_key: str) -> str:
    return f"{example_key.rpartition('/')[0]}/"


def find_forgotten_jobs(context: WorkerContext) -> list[RecoveryDecision]:
    """Return what restores every job of the store if the broker was emptied."""
    if not context.jobs.recovery.was_flushed():
        return []
    decisions: list[RecoveryDecision] = []
    for job in sorted({name.split("/")[1] for name in context.store.list("jobs/")}):
        with suppress(UnknownJob):
            protocol.validate_job_id(job)
            if not context.jobs.get_statuses(job):
                decisions.append(Restore(restore_status(context.store, job)))
    return decisions


def find_expired_jobs(context: WorkerContext) -> list[RecoveryDecision]:
    """Return what deletes the jobs whose time is over; nothing if that was done within the last hour."""
    retention = _retention_by_state(context.settings)
    shortest = min((seconds for seconds in retention.values() if seconds), default=_CLEANUP_INTERVAL)
    if not context.jobs.recovery.try_lock("cleanup", min(_CLEANUP_INTERVAL, shortest)):
        return []
    return [Delete(status.id) for status in context.jobs.list_recent() if _has_expired(status, retention)]


def recover_stalled_jobs(context: WorkerContext) -> list[RecoveryDecision]:
    """Return what is done with jobs that make no progress.

    A job is stalled if it has made no progress for a while and no message of it is in a queue or with a worker. It is
    requeued, but failed if that has brought nothing several times in a row. A job whose recognizer no worker holds is
    failed after a longer while.
    """
    limits, recovery = context.settings.admission, context.jobs.recovery
    idle = {status: recovery.measure_idle_seconds(status) for status in _list_active(context)}
    unserved = {
        status.id: Fail(status.id, f"{status.waiting} for {seconds:.0f} s; start one")
        for status, seconds in idle.items()
        if status.waiting and limits.no_worker_timeout and seconds >= limits.no_worker_timeout
    }
    resting = {
        status: seconds
        for status, seconds in idle.items()
        if seconds >= limits.stalled_timeout and status.id not in unserved
    }
    # Reading the queues is what costs.
    moving = context.jobs.queues.find_jobs({status.model for status in resting if status.model}) if resting else set()
    stalled = [_decide(context, status, resting[status]) for status in resting if status.id not in moving]
    return [*unserved.values(), *(decision for decision in stalled if decision)]


RECOVERY_STEPS: tuple[Callable[[WorkerContext], list[RecoveryDecision]], ...] = (
    find_forgotten_jobs,
    find_expired_jobs,
    recover_stalled_jobs,
)
"""In this order: what a step decides is carried out before the next one looks."""


def _list_active(context: WorkerContext) -> list[JobStatus]:
    return [status for status in context.jobs.get_statuses(*context.jobs.list_active()) if not status.has_ended]


def _decide(context: WorkerContext, status: JobStatus, idle_seconds: float) -> RecoveryDecision | None:
    """Return what is done with a stalled job; nothing while its image may still arrive."""
    # Asked for every job: if the store is away, nothing is decided, and no requeue is counted.
    has_image = context.store.exists(layout.source(status.id))
    if status.state == "queued" and not has_image:
        is_late = idle_seconds >= _UPLOAD_TIMEOUT
        return Fail(status.id, "its image was never stored in whole; submit it again") if is_late else None
    allowed = context.settings.admission.max_requeues
    if context.jobs.recovery.count_fruitless_requeues(status) >= allowed:
        return Fail(status.id, f"was requeued {allowed} times and made no progress")
    return Requeue(status)


def _has_expired(status: JobStatus, retention: dict[str, int]) -> bool:
    seconds = retention.get(status.state, 0)
    return bool(seconds) and (status.finished or status.submitted) + seconds < time.time()


def _retention_by_state(settings: Settings) -> dict[str, int]:
    return {state: getattr(settings.retention, f"retention_{state}") for state in protocol.FINAL_STATES}
