"""What a job still needs, from the store alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from ocrfarm.errors import DamagedObject, ObjectNotFound
from ocrfarm.farm.batching import TileBatch, count_pixels, iter_batches
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.manifest import Manifest, make_end_note
from ocrfarm.split.tiling import split_tile
from ocrfarm.storage import layout
from ocrfarm.storage.objects import load_object
from ocrfarm.storage.store import Store
from ocrfarm.tile import SECOND_PASS_QUADKEY, Tile


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
        manifest = load_object(store, layout.manifest(job), parse=Manifest.from_bytes)
    except (ObjectNotFound, DamagedObject):
        is_there = store.exists(layout.request(job)) and store.exists(layout.source(job))
        return RemainingWork(awaits_image=not is_there, needs_split=is_there)
    read, left = _divide_tiles(store, job, manifest)
    cut = _list_tile_names(store, layout.tile(job, "x"))
    has_overviews = all(store.exists(layout.overview(job, page)) for page in range(len(manifest.pages)))
    return RemainingWork(
        needs_split=not has_overviews or not {str(tile.id) for tile in left} <= cut,
        batches=tuple(iter_batches(((tile.id, count_pixels(tile)) for tile in left), max_weight=batch_pixels)),
        tiles_read=read,
    )


def has_unread_tiles(store: Store, job: str) -> bool:
    """Return whether a job without a result has tiles that are neither read nor given up.

    Args:
        store: The store.
        job: The job's id.
    """
    if store.exists(layout.result(job)):
        return False
    return bool(_divide_tiles(store, job, Manifest.from_bytes(store.get(layout.manifest(job))))[1])


def _divide_tiles(store: Store, job: str, manifest: Manifest) -> tuple[frozenset[str], list[Tile]]:
    """Return the names of the tiles that were read, and the tiles that are still to be read."""
    fragments, dead = (_list_tile_names(store, key(job, "x")) for key in (layout.fragments, layout.dead_letter))
    overlap = manifest.request.profile.tiling.overlap
    wanted = [tile for tile in manifest.tiles if tile.id not in manifest.blank]
    read = frozenset(str(tile.id) for tile in wanted if _is_read(tile, fragments, overlap))
    return read, [tile for tile in wanted if str(tile.id) not in read | dead]


def clear_dead_letters(store: Store, job: str) -> None:
    """Delete a job's dead letters, its second pass and its result, so that all of it is tried again.

    The store remembers that the job was reopened, so that no broker of an older state ends it again.

    Args:
        store: The store.
        job: The job's id.
    """
    regions = [
        key for key in store.list(_parent_prefix(layout.fragments(job, "x"))) if f"-q{SECOND_PASS_QUADKEY}." in key
    ]
    results = [layout.result(job), layout.second_pass(job)]
    store.put(layout.final_status(job), make_end_note(JobStatus(job, "queued")))
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
