"""Top of a page -> estimated text height -> overlap of its tiles.

Vertical run lengths of ink in narrow columns: in a column that is narrower than a word, each line of text is one run of
rows with ink, and the white rows between two lines separate the runs.

    column of 64 px     rows with ink
    | ## # #|           #  \
    | #  ###|           #   } one run: the height of this line
    |       |           .  /
    | ### # |           #     next run

The estimate is the 95th percentile of the plausible runs, so that it covers nearly all text of the page. It is a
heuristic: lines that are higher than the overlap allows for are cut by more tiles and left to stitching. Invariant: the
overlap is between `MIN_OVERLAP` and `MAX_OVERLAP`. Cost: O(pixels); only the top of one page is examined.
"""

import numpy as np
from numpy.typing import NDArray

from ocrfarm.tile import DETECTOR_STRIDE

_COLUMN_WIDTH = 64
"""Pixels. Columns of this width are narrower than most words, so the white between lines of text is visible in them."""

_INK_CONTRAST = 48
"""Grey levels: minimum difference between ink and the paper of its column."""

_MIN_HEIGHT, _MAX_HEIGHT = 6, 128
"""Pixels. Shorter runs of ink are specks; longer ones are figures, rules and titles, which coarse levels read."""

_HEIGHT_PERCENTILE = 95
"""Percentile of the run lengths that is returned: this percentage of the text is not higher."""

_MIN_RUNS = 50
"""Minimum number of runs for an estimate."""

MIN_OVERLAP, MAX_OVERLAP = 128, 256
"""Pixels. The detector's output is disturbed up to 64 pixels from a tile's side, on both sides of a seam. Overlaps are
read twice, so text higher than a quarter of the maximum is left to the coarse levels."""

OVERLAP_HEIGHTS = 4
"""Overlap in text heights: enough for a complete line and for two or three complete letters on both sides of a seam."""


def estimate_text_height(pixels: NDArray[np.uint8]) -> int | None:
    """Return the text height in pixels that 95 % of the text does not exceed; None if there is too little text.

    Args:
        pixels: Height x width (grey) or height x width x 3, uint8.
    """
    grey = pixels if pixels.ndim == 2 else pixels.min(axis=2)
    runs = np.concatenate([_ink_runs(column) for column in _columns(grey)])
    runs = runs[(runs >= _MIN_HEIGHT) & (runs <= _MAX_HEIGHT)]
    return int(np.percentile(runs, _HEIGHT_PERCENTILE)) if len(runs) >= _MIN_RUNS else None


def overlap_for(height: int | None) -> int:
    """Return the overlap of tiles for a text height (None: unknown), in pixels; a multiple of the detector's stride.

    Examples:
        >>> overlap_for(40), overlap_for(None), overlap_for(200)
        (160, 128, 256)
    """
    overlap = -(-OVERLAP_HEIGHTS * (height or 0) // DETECTOR_STRIDE) * DETECTOR_STRIDE
    return min(max(overlap, MIN_OVERLAP), MAX_OVERLAP)


def _columns(grey: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [grey[:, x : x + _COLUMN_WIDTH] for x in range(0, grey.shape[1], _COLUMN_WIDTH)]


def _ink_runs(column: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the lengths of the runs of rows that contain ink."""
    paper = int(np.median(column[::7]))
    inked = (np.abs(column.astype(np.int16) - paper) > _INK_CONTRAST).sum(axis=1) >= 2
    edges = np.flatnonzero(np.diff(np.concatenate(([0], inked.astype(np.int8), [0]))))
    return edges[1::2] - edges[::2]
