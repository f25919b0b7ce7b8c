"""How much a batch holds, and how long it may take, from its pixels and its models."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ocrfarm.recognize.profiles import Profile
from ocrfarm.tile import Tile, TileId

TileBatch = tuple[TileId, ...]
"""Tiles that one message names; all are in the store before the batch is given out."""

RAMP_UP, TAPER = 16, 24
"""A batch is at most such a part of what was given out before it, so that the first ones reach many workers at once,
and of what comes after it, so that the last ones end at nearly the same time on all workers. With 32 workers and tiles
of a second, 1,936 tiles take 1.01 times their seconds by 32, where 65 equal batches take 1.08 times (reckoned)."""

BATCH_OVERHEAD_SECONDS = 30.0
"""For what does not grow with the pixels: a store that is slow, a second detector that is loaded."""

SECONDS_PER_MEGAPIXEL = {"PP-OCRv6_tiny_rec": 5.0, "PP-OCRv5_mobile_rec": 10.0, "synthetic": 2.0}
"""Ten times what dense scans take on one core of 2020, so that a slow machine is not taken for a hanging engine."""

DEFAULT_SECONDS_PER_MEGAPIXEL = 20.0
"""Seconds per megapixel of every other model."""

_SOFT_LIMIT_FRACTION = 5 / 6
"""Of the hard limit: what is left is for putting the batch back."""


class TimeLimits(NamedTuple):
    """Seconds: at `soft` the task is told to stop, at `hard` its process is killed."""

    soft: float
    hard: float


def count_pixels(tile: Tile) -> int:
    """Give the pixels that are read; a coarse tile has fewer than its box."""
    return tile.box.area >> 2 * tile.id.level


def iter_batches(
    tiles: Iterable[tuple[Tile, bool]], total: int, *, max_pixels: int, blank: set[TileId]
) -> Iterator[TileBatch]:
    """Gather tiles, of `total` pixels in all, up to `max_pixels`; those that are blank go into the set instead."""
    batch: list[TileId] = []
    seen = size = 0
    for tile, is_blank in tiles:
        seen += count_pixels(tile)
        if is_blank:
            blank.add(tile.id)
            continue
        batch.append(tile.id)
        size += count_pixels(tile)
        if size >= min(max_pixels, (seen - size) // RAMP_UP, (total - seen) // TAPER):
            yield tuple(batch)
            batch, size = [], 0
    if batch:
        yield tuple(batch)


def max_tile_seconds(pixels: int, profile: Profile) -> float:
    """Give the seconds after which reading so many pixels counts as hanging."""
    return pixels / 1e6 * SECONDS_PER_MEGAPIXEL.get(profile.recognizer, DEFAULT_SECONDS_PER_MEGAPIXEL)


def batch_time_limits(pixels: int, profile: Profile, *, max_seconds: float) -> TimeLimits:
    """Give the limits of a batch; `max_seconds` is the hard limit of any."""
    hard = min(max_seconds, (BATCH_OVERHEAD_SECONDS + max_tile_seconds(pixels, profile)) / _SOFT_LIMIT_FRACTION)
    return TimeLimits(round(hard * _SOFT_LIMIT_FRACTION, 1), round(hard, 1))
