"""How much a batch holds, and how long it may take, from its pixels and its models."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ocrfarm.recognize.profiles import Profile
from ocrfarm.tile import Tile, TileId

Batch = tuple[TileId, ...]
"""Tiles that one message names; all are in the store before the batch is given out."""

BEFORE, AFTER = 16, 24
"""A batch is at most such a part of what was given out before it, so that the first ones reach many workers at once,
and of what comes after it, so that the last ones end at nearly the same time on all workers. With 32 workers and tiles
of a second, 1,936 tiles take 1.01 times their seconds by 32, where 65 equal batches take 1.08 times (reckoned)."""

BASE_SECONDS = 30.0
"""For what does not grow with the pixels: a store that is slow, a second detector that is loaded."""

SECONDS_PER_MEGAPIXEL = {"PP-OCRv6_tiny_rec": 5.0, "PP-OCRv5_mobile_rec": 10.0, "planted": 2.0}
"""Ten times what dense scans take on one core of 2020, so that a slow machine is not taken for a hanging engine."""

SLOWEST = 20.0
"""Seconds per megapixel of every other model."""

_SOFT = 5 / 6
"""Of the hard limit: what is left is for putting the batch back."""


class Budget(NamedTuple):
    """Seconds: at `soft` the task is told to stop, at `hard` its process is killed."""

    soft: float
    hard: float


def pixels_of(tile: Tile) -> int:
    """Give the pixels that are read; a coarse tile has fewer than its box."""
    return tile.box.area >> 2 * tile.id.level


def in_batches(tiles: Iterable[tuple[Tile, bool]], total: int, *, most: int, blank: set[TileId]) -> Iterator[Batch]:
    """Gather tiles, of `total` pixels in all, up to `most` pixels; those that are blank go into the set instead."""
    batch: list[TileId] = []
    seen = size = 0
    for tile, is_blank in tiles:
        seen += pixels_of(tile)
        if is_blank:
            blank.add(tile.id)
            continue
        batch.append(tile.id)
        size += pixels_of(tile)
        if size >= min(most, (seen - size) // BEFORE, (total - seen) // AFTER):
            yield tuple(batch)
            batch, size = [], 0
    if batch:
        yield tuple(batch)


def tile_seconds(pixels: int, profile: Profile) -> float:
    """Give the seconds after which reading so many pixels counts as hanging."""
    return pixels / 1e6 * SECONDS_PER_MEGAPIXEL.get(profile.recognizer, SLOWEST)


def batch_budget(pixels: int, profile: Profile, *, most: float) -> Budget:
    """Give the limits of a batch; `most` is the hard limit of any."""
    hard = min(most, (BASE_SECONDS + tile_seconds(pixels, profile)) / _SOFT)
    return Budget(round(hard * _SOFT, 1), round(hard, 1))
