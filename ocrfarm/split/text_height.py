"""How high the letters of a page are, and which overlap of tiles suits them; a guess from a part of the page."""

import numpy as np
from numpy.typing import NDArray

from ocrfarm.tile import DETECTOR_STRIDE

_COLUMN_WIDTH = 64
"""Pixels. Columns this wide are narrower than most words, so that the white between rows of print shows in them."""

_INK_CONTRAST = 48
"""Grey levels by which ink differs from the paper of its column."""

_MIN_HEIGHT, _MAX_HEIGHT = 6, 128
"""Pixels. Shorter runs of ink are specks; longer ones are figures, rules and titles, which coarse levels read."""

_HEIGHT_PERCENTILE = 95
"""Percent of the print that is at most as high as the height that is given."""

_MIN_RUNS = 50
"""Runs of ink from which on they tell anything."""

MIN_OVERLAP, MAX_OVERLAP = 128, 256
"""Pixels. The detector's answer is disturbed up to 64 pixels from a tile's side, on both sides of a seam; higher print
than a quarter of the larger one is left to the coarse levels, for wide overlaps are read twice."""

OVERLAP_HEIGHTS = 4
"""Letter heights of overlap: room for a whole line and for two or three whole letters on both sides of a seam."""


def estimate_text_height(pixels: NDArray[np.uint8]) -> int | None:
    """Give the height in pixels that 95 % of the print on height x width (x 3) pixels stays under; None: too little."""
    grey = pixels if pixels.ndim == 2 else pixels.min(axis=2)
    runs = np.concatenate([_ink_runs(column) for column in _columns(grey)])
    runs = runs[(runs >= _MIN_HEIGHT) & (runs <= _MAX_HEIGHT)]
    return int(np.percentile(runs, _HEIGHT_PERCENTILE)) if len(runs) >= _MIN_RUNS else None


def overlap_for(height: int | None) -> int:
    """Give the overlap for print of this height: pixels, on the detector's lattice."""
    wanted = -(-OVERLAP_HEIGHTS * (height or 0) // DETECTOR_STRIDE) * DETECTOR_STRIDE
    return min(max(wanted, MIN_OVERLAP), MAX_OVERLAP)


def _columns(grey: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [grey[:, x : x + _COLUMN_WIDTH] for x in range(0, grey.shape[1], _COLUMN_WIDTH)]


def _ink_runs(column: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Give the lengths of runs of rows that hold ink."""
    paper = int(np.median(column[::7]))
    inked = (np.abs(column.astype(np.int16) - paper) > _INK_CONTRAST).sum(axis=1) >= 2
    edges = np.flatnonzero(np.diff(np.concatenate(([0], inked.astype(np.int8), [0]))))
    return edges[1::2] - edges[::2]
