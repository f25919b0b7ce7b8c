"""What a job still lacks, told from the store alone, whatever the broker says."""

from collections.abc import Iterable
from dataclasses import dataclass

from ocrfarm.errors import ObjectNotFound
from ocrfarm.farm.batching import count_pixels
from ocrfarm.farm.manifest import Manifest
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
