"""Which ends and sides of a fragment were cut by a border of its tile, judged by distance alone.

The recognizer's confidence cannot tell: letters cut in half are read as other letters, and confidently so.
"""

from dataclasses import dataclass

import numpy as np

from ocrfarm.stitch.pieces import Flags, Floats, Ints, Pieces
from ocrfarm.tile import CLEAR_HEIGHTS, CLEAR_PIXELS, CROSSES

FREE, SOFT, HARD = 2, 1, 0
"""Grades of an end: surely whole; the border is near enough for the next word to be lost; cut through letters."""

SOFT_PIXELS, SOFT_HEIGHTS = CLEAR_PIXELS, CLEAR_HEIGHTS
"""An end this near to a border may continue behind it: a border can fall between two words."""

HARD_PIXELS, HARD_HEIGHTS = 6.0, 0.35
"""A side (or an end) this near to a border is cut through its letters; with more, whole lines count as cut."""

DEEP = 64.0
"""Pixels from the borders of its tile from where on a fragment is as good as the detector can make it."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """For each of n fragments: the grades of its start and end (n, 2), and whether it was sliced lengthwise.

    `depth` is the distance to the nearest interior border and `side_depth` to the nearest one along the text, pixels,
    at most DEEP.
    """

    grade: Ints
    sliced: Flags
    depth: Floats
    side_depth: Floats


def find_cuts(pieces: Pieces) -> Cuts:
    """Compare every corner with the interior borders of the fragment's own tile; page edges cut nothing."""
    room = _room(pieces)
    start = np.minimum(room[:, 0], room[:, 3])
    end = np.minimum(room[:, 1], room[:, 2])
    inward = np.concatenate([pieces.along, -pieces.along], axis=1)
    crossing = np.abs(inward) >= CROSSES
    soft = np.maximum(SOFT_PIXELS, SOFT_HEIGHTS * pieces.height)[:, None]
    hard = np.maximum(HARD_PIXELS, HARD_HEIGHTS * pieces.height)[:, None]
    top = np.maximum(room[:, 0], room[:, 1])
    bottom = np.maximum(room[:, 3], room[:, 2])
    beside = np.abs(inward) < np.sqrt(0.5)
    return Cuts(
        grade=np.stack(
            [
                _grade(start, end, inward, crossing, soft, hard),
                _grade(end, start, -inward, crossing, soft, hard),
            ],
            axis=1,
        ),
        sliced=(~crossing & ((top <= hard) | (bottom <= hard))).any(axis=1),
        depth=np.clip(np.minimum(start, end).min(axis=1), 0.0, DEEP),
        side_depth=np.clip(np.where(beside, np.minimum(start, end), np.inf).min(axis=1), 0.0, DEEP),
    )


def _room(pieces: Pieces) -> Floats:
    """Give the distance of each corner to the left, top, right and bottom border, (n, 4, 4); inf at the page's edge."""
    box = pieces.tile_boxes()[pieces.tile][:, None, :]
    room = np.concatenate([pieces.corners - box[..., :2], box[..., 2:] - pieces.corners], axis=2)
    return np.where(pieces.interior()[pieces.tile][:, None, :], room, np.inf)


def _grade(near: Floats, far: Floats, inward: Floats, crossing: Flags, soft: Floats, hard: Floats) -> Ints:
    """Grade one end of each fragment; `near` and `far` are the room at this end and at the other, by border."""
    ahead = crossing & (inward > 0)
    aslant = ~crossing & (near <= hard) & (far > hard)  # a line that leaves the tile at a small angle
    is_hard = ((ahead & (near <= hard)) | aslant).any(axis=1)
    is_soft = (ahead & (near <= soft)).any(axis=1)
    return np.where(is_hard, HARD, np.where(is_soft, SOFT, FREE))
