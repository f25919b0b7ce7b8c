"""What a job still lacks, told from the store alone, whatever the broker says."""

from collections.abc import Iterable
from dataclasses import dataclass

from ocrfarm.errors import ObjectNotFound
from ocrfarm.farm.budget import pixels_of
from ocrfarm.farm.manifest import Manifest
from ocrfarm.split.plan import quarter
from ocrfarm.storage import keys
from ocrfarm.storage.store import Store
from ocrfarm.tile import LOOK, Tile, TileId


@dataclass(frozen=True, slots=True)
class Lack:
    """What has to be done: wait for the picture, split it, read the tiles; and stitch when none of these is needed."""

    picture: bool = False
    split: bool = False
    tiles: tuple[Tile, ...] = ()
    read: frozenset[str] = frozenset()


def lack(store: Store, job: str) -> Lack:
    """Look what is there; `read` names the tiles that were read."""
    if store.exists(keys.result(job)):
        return Lack()
    try:
        manifest = Manifest.from_bytes(store.get(keys.manifest(job)))
    except ObjectNotFound:
        there = store.exists(keys.request(job)) and store.exists(keys.source(job))
        return Lack(picture=not there, split=there)
    fragments, dead, cut = (_names(store, prefix(job, "x")) for prefix in (keys.fragments, keys.dead, keys.tile))
    overlap = manifest.request.profile.tiling.overlap
    wanted = [tile for tile in manifest.tiles if tile.id not in manifest.blank]
    read = frozenset(str(tile.id) for tile in wanted if _is_read(tile, fragments, overlap))
    left = tuple(tile for tile in wanted if str(tile.id) not in read | dead)
    overviews = all(store.exists(keys.overview(job, page)) for page in range(len(manifest.pages)))
    return Lack(split=not overviews or not {str(tile.id) for tile in left} <= cut, tiles=left, read=read)


def drop_dead(store: Store, job: str) -> None:
    """Forget what was given up, and the document that lacks it: it is tried again, and what was in doubt with it."""
    again = [key for key in store.list(_folder(keys.fragments(job, "x"))) if f"-q{LOOK}." in key]
    lacking = [keys.result(job), keys.ended(job), keys.looks(job)]
    store.delete([*store.list(_folder(keys.dead(job, "x"))), *again, *lacking])


def batches(tiles: Iterable[Tile], budget: int) -> list[tuple[TileId, ...]]:
    """Gather tiles up to the budget of pixels."""
    found: list[tuple[TileId, ...]] = []
    batch: list[Tile] = []
    for tile in tiles:
        batch.append(tile)
        if sum(pixels_of(each) for each in batch) >= budget:
            found.append(tuple(each.id for each in batch))
            batch = []
    return [*found, tuple(each.id for each in batch)] if batch else found


def _is_read(tile: Tile, fragments: set[str], overlap: int) -> bool:
    parts = [str(part.id) for part in quarter(tile, overlap)]
    return str(tile.id) in fragments or (bool(parts) and fragments.issuperset(parts))


def _names(store: Store, example: str) -> set[str]:
    """Give the names of the tiles that have an object like the example."""
    folder = _folder(example)
    return {key.removeprefix(folder).partition(".")[0] for key in store.list(folder)}


def _folder(example: str) -> str:
    return f"{example.rpartition('/')[0]}/"
