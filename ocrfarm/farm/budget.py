"""How long a batch may take, from its pixels and its models."""

from typing import NamedTuple

from ocrfarm.recognize.profiles import Profile
from ocrfarm.tile import Tile

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


def tile_seconds(pixels: int, profile: Profile) -> float:
    """Give the seconds after which reading so many pixels counts as hanging."""
    return pixels / 1e6 * SECONDS_PER_MEGAPIXEL.get(profile.recognizer, SLOWEST)


def batch_budget(pixels: int, profile: Profile, *, most: float) -> Budget:
    """Give the limits of a batch; `most` is the hard limit of any."""
    hard = min(most, (BASE_SECONDS + tile_seconds(pixels, profile)) / _SOFT)
    return Budget(round(hard * _SOFT, 1), round(hard, 1))
