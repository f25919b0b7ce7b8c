"""A line's pixels -> where ink stands, and how much white lies between two places."""

import numpy as np
from numpy.typing import NDArray

INK_CONTRAST = 0.4
"""Share of the line's contrast from which on a pixel is ink."""

MIN_CONTRAST = 20.0
"""Grey levels; fainter lines are noise."""

TRIMMED_PERCENT = 10
"""Percent of the rows at the top and bottom, where neighbouring lines reach into the crop."""

InkColumns = NDArray[np.bool_]


def find_ink_columns(image: NDArray[np.uint8]) -> InkColumns:
    """Say which columns of a line (height x width x 3) hold ink: two pixels of it, for one may be a speck."""
    grey = image.mean(axis=2)
    paper = float(np.median(grey[[0, -1]]))
    trimmed = len(grey) * TRIMMED_PERCENT // 100
    contrast = np.abs(grey - paper)[trimmed : len(grey) - trimmed]
    full = max(float(np.percentile(contrast, 98)), MIN_CONTRAST)
    second: NDArray[np.float64] = np.partition(contrast, -2, axis=0)[-2]
    return second >= INK_CONTRAST * full


def widest_gap(ink: InkColumns, *, start: float, end: float) -> int:
    """Give the pixels of the longest run without ink between two places."""
    edges = np.flatnonzero(np.concatenate([[True], ink[int(start) : int(np.ceil(end))], [True]]))
    return int(np.diff(edges).max(initial=1)) - 1
