"""Which ends and sides of a fragment were cut by a border of its tile, judged by distance alone.

The recognizer's confidence cannot tell: letters cut in half are read as other letters, and confidently so.
"""

from dataclasses import dataclass

import numpy as np

from ocrfarm.stitch.fragment_table import Flags, Floats, FragmentTable, Ints
from ocrfarm.tile import CLEARANCE_HEIGHTS, CLEARANCE_PIXELS, MIN_CROSSING_SINE

WHOLE, NEAR_BORDER, TRUNCATED = 2, 1, 0
"""Grades of an end: surely whole; the border is near enough for the next word to be lost; cut through letters."""

NEAR_BORDER_PIXELS, NEAR_BORDER_HEIGHTS = CLEARANCE_PIXELS, CLEARANCE_HEIGHTS
"""An end this near to a border may continue behind it: a border can fall between two words."""

TRUNCATED_PIXELS, TRUNCATED_HEIGHTS = 6.0, 0.35
"""A side (or an end) this near to a border is cut through its letters; with more, whole lines count as cut."""

RELIABLE_DEPTH = 64.0
"""Pixels from the borders of its tile from where on a fragment is as good as the detector can make it."""


@dataclass(frozen=True, slots=True)
class Truncation:
    """For each of n fragments: the grades of its start and end (n, 2), and whether it was sliced lengthwise.

    `depth` is the distance to the nearest interior border and `side_depth` to the nearest one along the text, pixels,
    at most DEEP.
    """

    grade: Ints
    cut_lengthwise: Flags
    depth: Floats
    side_depth: Floats


def find_truncation(table: FragmentTable) -> Truncation:
    """Compare every corner with the interior borders of the fragment's own tile; page edges cut nothing."""
    room = _measure_border_distances(table)
    start = np.minimum(room[:, 0], room[:, 3])
    end = np.minimum(room[:, 1], room[:, 2])
    inward = np.concatenate([table.direction, -table.direction], axis=1)
    crossing = np.abs(inward) >= MIN_CROSSING_SINE
    soft = np.maximum(NEAR_BORDER_PIXELS, NEAR_BORDER_HEIGHTS * table.height)[:, None]
    hard = np.maximum(TRUNCATED_PIXELS, TRUNCATED_HEIGHTS * table.height)[:, None]
    top = np.maximum(room[:, 0], room[:, 1])
    bottom = np.maximum(room[:, 3], room[:, 2])
    beside = np.abs(inward) < np.sqrt(0.5)
    return Truncation(
        grade=np.stack(
            [
                _grade_end(start, end, inward, crossing, soft, hard),
                _grade_end(end, start, -inward, crossing, soft, hard),
            ],
            axis=1,
        ),
        cut_lengthwise=(~crossing & ((top <= hard) | (bottom <= hard))).any(axis=1),
        depth=np.clip(np.minimum(start, end).min(axis=1), 0.0, RELIABLE_DEPTH),
        side_depth=np.clip(np.where(beside, np.minimum(start, end), np.inf).min(axis=1), 0.0, RELIABLE_DEPTH),
    )


def _measure_border_distances(table: FragmentTable) -> Floats:
    """Give the distance of each corner to the left, top, right and bottom border, (n, 4, 4); inf at the page's edge."""
    box = table.tile_boxes()[table.tile_index][:, None, :]
    room = np.concatenate([table.corners - box[..., :2], box[..., 2:] - table.corners], axis=2)
    return np.where(table.inner_edges()[table.tile_index][:, None, :], room, np.inf)


def _grade_end(
    near: Floats, far: Floats, inward: Floats, crossing: Flags, near_margin: Floats, cut_margin: Floats
) -> Ints:
    """Grade one end of each fragment; `near` and `far` are the room at this end and at the other, by border."""
    ahead = crossing & (inward > 0)
    aslant = ~crossing & (near <= cut_margin) & (far > cut_margin)  # a line that leaves the tile at a small angle
    is_hard = ((ahead & (near <= cut_margin)) | aslant).any(axis=1)
    is_soft = (ahead & (near <= near_margin)).any(axis=1)
    return np.where(is_hard, TRUNCATED, np.where(is_soft, NEAR_BORDER, WHOLE))
