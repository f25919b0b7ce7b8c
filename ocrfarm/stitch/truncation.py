"""Fragments -> which of their ends and sides a border of their tile cut.

Algorithm: no search; the distance of every corner from every border of its own tile. A border that runs across the text
(steeper than 20 degrees to it) cuts ends; one that runs along the text cuts sides. Distance alone decides: the
recognizer's confidence cannot tell, because letters cut in half are read as other letters, and confidently so.

              tile                            |
      |  |---- THE PUMP HOUSE ----|           |   WHOLE         far from the border
      |                     |---- THE PUMP -| |   NEAR_BORDER   the next word may lie behind the border
      |                       |---- THE PUMP H|   TRUNCATED     the border runs through letters
      |                                       |
      |  |--- .... .. ...... ---|                 cut_lengthwise: only the lower halves of the letters are in the tile
      '---------------------------------------'

Invariant: the page's own edges cut nothing, so a fragment of a page in a single tile is WHOLE at both ends. Grades
ascend with what an end is worth, so they can be compared. Cost: O(n) array operations for n fragments.
"""

from dataclasses import dataclass

import numpy as np

from ocrfarm.stitch.fragment_table import Flags, Floats, FragmentTable, Ints
from ocrfarm.tile import CLEARANCE_HEIGHTS, CLEARANCE_PIXELS, MIN_CROSSING_SINE

WHOLE, NEAR_BORDER, TRUNCATED = 2, 1, 0
"""Grades of an end: surely whole; the border is near enough for the next word to be lost; cut through letters."""

NEAR_BORDER_PIXELS, NEAR_BORDER_HEIGHTS = CLEARANCE_PIXELS, CLEARANCE_HEIGHTS
"""Pixels, or text heights if that is more; an end this near to a border may continue behind it: a border can fall
between two words. Calibrated: `scripts/bench calibrate --only NEAR_BORDER`, see docs/calibration.md."""

TRUNCATED_PIXELS, TRUNCATED_HEIGHTS = 6.0, 0.35
"""Pixels, or text heights if that is more; a side (or an end) this near to a border is cut through its letters; with
more, whole lines count as cut. Calibrated: `scripts/bench calibrate --only TRUNCATED_`, see docs/calibration.md."""

RELIABLE_DEPTH = 64.0
"""Pixels from the border of its tile beyond which a fragment is as good as the detector can make it.
Calibrated: `scripts/bench calibrate --only RELIABLE_DEPTH`, see docs/calibration.md."""


@dataclass(frozen=True, slots=True)
class Truncation:
    """How the borders of their tiles cut n fragments.

    `grade` (n, 2) int64 grades the start and the end; `cut_lengthwise` (n) bool is true of a slice of a line. `depth`
    (n) float64 is the distance to the nearest interior border, and `side_depth` (n) float64 the distance to the nearest
    one that runs along the text; both are pixels, at most RELIABLE_DEPTH.
    """

    grade: Ints
    cut_lengthwise: Flags
    depth: Floats
    side_depth: Floats


def find_truncation(table: FragmentTable) -> Truncation:
    """Compare every corner with the interior borders of the fragment's own tile.

    >>> from ocrfarm.geometry import Box, Quad, Size
    >>> from ocrfarm.stitch.fragment_table import build_fragment_table
    >>> from ocrfarm.tile import Char, Fragment, Tile, TileId, TileResult
    >>> page, tile = Size(200, 100), Box(0, 0, 100, 100)  # the right border of the tile cuts the page in half
    >>> quads = [Quad.from_bounds(10, 40, end, 60) for end in (70, 90, 98)]
    >>> fragments = tuple(Fragment(quad, (Char("x", 0.5, 1.0),), 1.0) for quad in quads)
    >>> result = TileResult(Tile(TileId(0, 0, 0, 0), tile, page), fragments, "model")
    >>> find_truncation(build_fragment_table(page, [result])).grade.tolist()
    [[2, 2], [2, 1], [2, 0]]
    """
    room = _measure_border_distances(table)
    start = np.minimum(room[:, 0], room[:, 3])
    end = np.minimum(room[:, 1], room[:, 2])
    inward = np.concatenate([table.direction, -table.direction], axis=1)
    crossing = np.abs(inward) >= MIN_CROSSING_SINE
    near_margin = np.maximum(NEAR_BORDER_PIXELS, NEAR_BORDER_HEIGHTS * table.height)[:, None]
    cut_margin = np.maximum(TRUNCATED_PIXELS, TRUNCATED_HEIGHTS * table.height)[:, None]
    top = np.maximum(room[:, 0], room[:, 1])
    bottom = np.maximum(room[:, 3], room[:, 2])
    beside = np.abs(inward) < np.sqrt(0.5)
    grades = [
        _grade_end(start, end, inward, crossing, near_margin, cut_margin),
        _grade_end(end, start, -inward, crossing, near_margin, cut_margin),
    ]
    return Truncation(
        grade=np.stack(grades, axis=1),
        cut_lengthwise=(~crossing & ((top <= cut_margin) | (bottom <= cut_margin))).any(axis=1),
        depth=np.clip(np.minimum(start, end).min(axis=1), 0.0, RELIABLE_DEPTH),
        side_depth=np.clip(np.where(beside, np.minimum(start, end), np.inf).min(axis=1), 0.0, RELIABLE_DEPTH),
    )


def _measure_border_distances(table: FragmentTable) -> Floats:
    """Return the distance of each corner to the left, top, right and bottom border, (n, 4 corners, 4 borders) float64.

    It is infinite at the page's edge.
    """
    box = table.tile_boxes()[table.tile_index][:, None, :]
    room = np.concatenate([table.corners - box[..., :2], box[..., 2:] - table.corners], axis=2)
    return np.where(table.inner_edges()[table.tile_index][:, None, :], room, np.inf)


def _grade_end(
    near: Floats, far: Floats, inward: Floats, crossing: Flags, near_margin: Floats, cut_margin: Floats
) -> Ints:
    """Grade one end of each fragment, (n) int64.

    `near` and `far` (n, 4) are the distances of this end and of the other one from each border; `inward` (n, 4) is the
    cosine between the reading direction and the way from the border into the tile.
    """
    ahead = crossing & (inward > 0)
    aslant = ~crossing & (near <= cut_margin) & (far > cut_margin)  # a line that leaves the tile at a small angle
    is_cut = ((ahead & (near <= cut_margin)) | aslant).any(axis=1)
    is_near = (ahead & (near <= near_margin)).any(axis=1)
    return np.where(is_cut, TRUNCATED, np.where(is_near, NEAR_BORDER, WHOLE))
