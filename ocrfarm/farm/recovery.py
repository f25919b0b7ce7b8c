"""Every minute, in one place: jobs that lost a message are found, jobs past their time are removed."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from ocrfarm.errors import JobFailed, ObjectNotFound, UnknownJob
from ocrfarm.farm import protocol
from ocrfarm.farm.batching import count_pixels
from ocrfarm.farm.context import WorkerContext
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.manifest import Manifest, restore_status
from ocrfarm.farm.protocol import FINAL_STATES
from ocrfarm.farm.submit import fail_job
from ocrfarm.settings import Settings
from ocrfarm.split.tiling import split_tile
from ocrfarm.storage import layout
from ocrfarm.storage.store import Store
from ocrfarm.tile import SECOND_PASS_QUADKEY, Tile, TileId


@dataclass(frozen=True, slots=True)
class RemainingWork:
    """What has to be done: wait for the image, split it, read the tiles; and stitch when none of these is needed."""

    awaits_image: bool = False
    needs_split: bool = False
    tiles: tuple[Tile, ...] = ()
    tiles_read: frozenset[str] = frozenset()


def find_remaining_work(store: Store, job: str) -> RemainingWork:
    """Look what is there; `tiles_read` names the tiles that were read."""
    if store.exists(layout.result(job)):
        return RemainingWork()
    try:
        manifest = Manifest.from_bytes(store.get(layout.manifest(job)))
    except ObjectNotFound:
        there = store.exists(layout.request(job)) and store.exists(layout.source(job))
        return RemainingWork(awaits_image=not there, needs_split=there)
    fragments, dead, cut = (
        _list_tile_names(store, prefix(job, "x")) for prefix in (layout.fragments, layout.dead_letter, layout.tile)
    )
    overlap = manifest.request.profile.tiling.overlap
    wanted = [tile for tile in manifest.tiles if tile.id not in manifest.blank]
    read = frozenset(str(tile.id) for tile in wanted if _is_read(tile, fragments, overlap))
    left = tuple(tile for tile in wanted if str(tile.id) not in read | dead)
    overviews = all(store.exists(layout.overview(job, page)) for page in range(len(manifest.pages)))
    return RemainingWork(
        needs_split=not overviews or not {str(tile.id) for tile in left} <= cut, tiles=left, tiles_read=read
    )


def clear_dead_letters(store: Store, job: str) -> None:
    """Forget what was given up, and the document that lacks it: it is tried again, and what was in doubt with it."""
    again = [
        key for key in store.list(_parent_prefix(layout.fragments(job, "x"))) if f"-q{SECOND_PASS_QUADKEY}." in key
    ]
    lacking = [layout.result(job), layout.final_status(job), layout.second_pass(job)]
    store.delete([*store.list(_parent_prefix(layout.dead_letter(job, "x"))), *again, *lacking])


def group_tiles(tiles: Iterable[Tile], max_pixels: int) -> list[tuple[TileId, ...]]:
    """Gather tiles up to the budget of pixels."""
    found: list[tuple[TileId, ...]] = []
    batch: list[Tile] = []
    for tile in tiles:
        batch.append(tile)
        if sum(count_pixels(each) for each in batch) >= max_pixels:
            found.append(tuple(each.id for each in batch))
            batch = []
    return [*found, tuple(each.id for each in batch)] if batch else found


def _is_read(tile: Tile, fragments: set[str], overlap: int) -> bool:
    parts = [str(part.id) for part in split_tile(tile, overlap)]
    return str(tile.id) in fragments or (bool(parts) and fragments.issuperset(parts))


def _list_tile_names(store: Store, example_key: str) -> set[str]:
    """Give the names of the tiles that have an object like the example."""
    folder = _parent_prefix(example_key)
    return {key.removeprefix(folder).partition(".")[0] for key in store.list(folder)}


def _parent_prefix(example_key: str) -> str:
    return f"{example_key.rpartition('/')[0]}/"


_CLEANUP_INTERVAL = 3600
"""Between two looks for jobs past their time: reading every job's record costs."""

_UPLOAD_TIMEOUT = 24 * 3600
"""What handing in an image may take; a client that died in between never ends it."""


def recover_stalled_jobs(context: WorkerContext) -> Iterator[str]:
    """Give the jobs that have to be taken up; nothing where somebody else has looked a moment ago.

    A job is stuck that makes no progress while no message of it waits or is in anybody's hand.
    """
    recovery, limits = context.jobs.recovery, context.settings.admission
    if not recovery.try_lock("reconcile", limits.reconcile_interval * 9 // 10):
        return
    if recovery.was_flushed():
        _restore_forgotten_jobs(context)
    _delete_expired_jobs(context)
    idle = {status: recovery.measure_idle_seconds(status) for status in _list_active(context)}
    for status, seconds in idle.items():
        if status.waiting and limits.no_worker_timeout and seconds >= limits.no_worker_timeout:
            _fail(context, status, f"{status.waiting} for {seconds:.0f} s; start one")
    resting = {status: seconds for status, seconds in idle.items() if seconds >= limits.stalled_timeout}
    if not resting:  # looking through the queues is what costs
        return
    moving = context.jobs.queues.find_jobs({status.model for status in resting if status.model})
    for status, seconds in resting.items():
        if status.id not in moving and _should_requeue(context, status, seconds):
            yield status.id


def _list_active(context: WorkerContext) -> list[JobStatus]:
    active = context.jobs.list_active()
    return [status for status in context.jobs.get_statuses(*active) if not status.has_ended] if active else []


def _should_requeue(context: WorkerContext, status: JobStatus, idle_seconds: float) -> bool:
    """Say whether to take the job up; fail it where that has been no use, or its image never came."""
    # Asked of every job: where the store is away, this ends the look before anything is counted.
    handed_in = context.store.exists(layout.source(status.id))
    if status.state == "queued" and not handed_in:
        if idle_seconds >= _UPLOAD_TIMEOUT:
            _fail(context, status, "its image was never handed in whole; submit it again")
        return False
    if context.jobs.recovery.count_requeue(status) > context.settings.admission.max_requeues:
        _fail(context, status, f"was taken up {context.settings.admission.max_requeues} times and made no progress")
        return False
    return True


def _fail(context: WorkerContext, status: JobStatus, why: str) -> None:
    fail_job(context.jobs, status.id, error=JobFailed(f"job {status.id}: {why}"), store=context.store)


def _restore_forgotten_jobs(context: WorkerContext) -> None:
    """Write down again every job in the store that an emptied broker has forgotten."""
    for job in sorted({name.split("/")[1] for name in context.store.list("jobs/")}):
        with suppress(UnknownJob):
            protocol.validate_job_id(job)
            if not context.jobs.get_statuses(job):
                context.jobs.create(restore_status(context.store, job))


def _delete_expired_jobs(context: WorkerContext) -> None:
    """Remove what is past its time, now and then."""
    retention = _retention_by_state(context.settings)
    shortest = min((seconds for seconds in retention.values() if seconds), default=_CLEANUP_INTERVAL)
    if not context.jobs.recovery.try_lock("cleanup", min(_CLEANUP_INTERVAL, shortest)):
        return
    for status in context.jobs.list_recent():
        seconds = retention.get(status.state, 0)
        if seconds and (status.finished or status.submitted) + seconds < time.time():
            context.store.delete(list(context.store.list(layout.job_prefix(status.id))))
            context.jobs.recovery.delete_job(status.id)


def _retention_by_state(settings: Settings) -> dict[str, int]:
    return {state: getattr(settings.retention, f"retention_{state}") for state in FINAL_STATES}
