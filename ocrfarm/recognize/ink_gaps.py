"""Pixels of a line -> the columns that contain ink, and the gaps between them."""

import numpy as np
from numpy.typing import NDArray

INK_CONTRAST = 0.4
"""Fraction of the line's contrast from which on a pixel counts as ink."""

MIN_CONTRAST = 20.0
"""Grey levels; weaker contrast is noise."""

TRIMMED_PERCENT = 10
"""Percent of the rows that are ignored at the top and at the bottom, where neighbouring lines reach into the crop."""

InkColumns = NDArray[np.bool_]
"""Whether each column of a line contains ink; length = width of the line in pixels."""


def find_ink_columns(image: NDArray[np.uint8]) -> InkColumns:
    """Return which columns of a line (height x width x 3) contain ink: two pixels or more, since one may be a speck."""
    grey = image.mean(axis=2)
    paper = float(np.median(grey[[0, -1]]))
    trimmed = len(grey) * TRIMMED_PERCENT // 100
    contrast = np.abs(grey - paper)[trimmed : len(grey) - trimmed]
    full = max(float(np.percentile(contrast, 98)), MIN_CONTRAST)
    second: NDArray[np.float64] = np.partition(contrast, -2, axis=0)[-2]
    return second >= INK_CONTRAST * full


def widest_gap(ink: InkColumns, *, start: float, end: float) -> int:
    """Return the length of the longest run of columns without ink, in pixels.

    Args:
        ink: Whether each column contains ink.
        start: Where the search starts, in pixels.
        end: Where the search ends, in pixels.

    Examples:
        >>> widest_gap(np.array([1, 0, 0, 1, 0, 0, 0, 1], bool), start=0, end=8)
        3
        >>> widest_gap(np.array([1, 0, 0, 1, 0, 0, 0, 1], bool), start=0, end=4)
        2
    """
    edges = np.flatnonzero(np.concatenate([[True], ink[int(start) : int(np.ceil(end))], [True]]))
    return int(np.diff(edges).max(initial=1)) - 1
