"""What the project's own functions say of a modelled store: it is built in memory, object by object."""

from functools import lru_cache
from typing import NamedTuple

from ocrfarm.farm.manifest import Manifest, Request
from ocrfarm.farm.recovery import find_remaining_work
from ocrfarm.geometry import Box, Size
from ocrfarm.recognize import find_profile
from ocrfarm.storage import layout
from ocrfarm.storage.memory import MemoryStore
from ocrfarm.tile import Tile, TileId
from tests.model.state import BLANK, FIRST, SECOND, Store

_JOB = "01K3WQ8ZJ5T9V0X2Y4A6B8C0DE"
_SIZE = Size(300, 100)
_TILES = {
    bit: Tile(TileId(0, 0, 0, col), Box(col * 100, 0, col * 100 + 100, 100), _SIZE)
    for col, bit in enumerate((FIRST, SECOND, BLANK))
}
_BITS = {tile.id: bit for bit, tile in _TILES.items()}
_REQUEST = Request("page.png", find_profile("synthetic"), 1_750_000_000.0)


class Work(NamedTuple):
    """What a job needs: `RemainingWork`, with bits instead of batches."""

    awaits_image: bool
    needs_split: bool
    bits: int

    @property
    def is_needed(self) -> bool:
        """Whether anything comes before stitching."""
        return self.awaits_image or self.needs_split or bool(self.bits)


def find_remaining(store: Store) -> Work:
    """Return what `find_remaining_work` says of this store."""
    return _find_remaining(store._replace(end="", regions=False))


@lru_cache(None)
def _find_remaining(store: Store) -> Work:
    found = find_remaining_work(_build(store), _JOB, batch_pixels=1)
    bits = sum(_BITS[tile] for batch in found.batches for tile in batch)
    return Work(found.awaits_image, found.needs_split, bits)


def _build(store: Store) -> MemoryStore:
    built = MemoryStore()
    blank = frozenset({_TILES[BLANK].id}) if store.manifest == 2 else frozenset()
    manifest = Manifest(_REQUEST, (_SIZE,), tuple(_TILES.values()), blank)
    objects = {
        layout.request(_JOB): store.request and _REQUEST.to_bytes(),
        layout.source(_JOB): store.source and b"image",
        layout.manifest(_JOB): store.manifest and manifest.to_bytes(),
        layout.overview(_JOB, 0): store.overview and b"overview",
        layout.result(_JOB): store.result and b"document",
    }
    for bit, tile in _TILES.items():
        objects[layout.tile(_JOB, tile.id)] = store.cut & bit and b"pixels"
        objects[layout.fragments(_JOB, tile.id)] = store.read & bit and b"fragments"
        objects[layout.dead_letter(_JOB, tile.id)] = store.dead & bit and b"letter"
    for key, data in objects.items():
        if isinstance(data, bytes):
            built.put(key, data)
    return built
