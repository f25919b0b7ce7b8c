"""How high the letters of a page are, and which overlap of tiles suits them; a guess from a part of the page."""

import numpy as np
from numpy.typing import NDArray

from ocrfarm.tile import LATTICE

_COLUMN = 64
"""Pixels. Columns this wide are narrower than most words, so that the white between rows of print shows in them."""

_INK = 48
"""Grey levels by which ink differs from the paper of its column."""

_LOWEST, _HIGHEST = 6, 128
"""Pixels. Shorter runs of ink are specks; longer ones are pictures, rules and titles, which coarse levels read."""

_HIGHEST_SHARE = 95
"""Percent of the print that is at most as high as the height that is given."""

_ENOUGH = 50
"""Runs of ink from which on they tell anything."""

SMALLEST_OVERLAP, LARGEST_OVERLAP = 128, 256
"""Pixels. The detector's answer is disturbed up to 64 pixels from a tile's side, on both sides of a seam; higher print
than a quarter of the larger one is left to the coarse levels, for wide overlaps are read twice."""

OVERLAP_HEIGHTS = 4
"""Letter heights of overlap: room for a whole line and for two or three whole letters on both sides of a seam."""


def print_height(pixels: NDArray[np.uint8]) -> int | None:
    """Give the height in pixels that 95 % of the print on height x width (x 3) pixels stays under; None: too little."""
    grey = pixels if pixels.ndim == 2 else pixels.min(axis=2)
    runs = np.concatenate([_runs(column) for column in _columns(grey)])
    runs = runs[(runs >= _LOWEST) & (runs <= _HIGHEST)]
    return int(np.percentile(runs, _HIGHEST_SHARE)) if len(runs) >= _ENOUGH else None


def suitable_overlap(height: int | None) -> int:
    """Give the overlap for print of this height: pixels, on the detector's lattice."""
    wanted = -(-OVERLAP_HEIGHTS * (height or 0) // LATTICE) * LATTICE
    return min(max(wanted, SMALLEST_OVERLAP), LARGEST_OVERLAP)


def _columns(grey: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [grey[:, x : x + _COLUMN] for x in range(0, grey.shape[1], _COLUMN)]


def _runs(column: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Give the lengths of runs of rows that hold ink."""
    paper = int(np.median(column[::7]))
    inked = (np.abs(column.astype(np.int16) - paper) > _INK).sum(axis=1) >= 2
    edges = np.flatnonzero(np.diff(np.concatenate(([0], inked.astype(np.int8), [0]))))
    return edges[1::2] - edges[::2]
