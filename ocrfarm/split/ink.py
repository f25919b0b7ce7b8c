"""Which tiles hold nothing to read: paper, however it is lit, but no ink, however faint."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_RUN = 4
"""Pixels. Print 8 px high has straight strokes this long; the mean of a run along a stroke keeps the stroke's full
contrast and halves the noise of the paper, where the mean of a square would dim a stroke one pixel wide."""

_CELL = 8
"""Pixels. Contrast is looked at in windows two cells wide and high: small enough for a shadow or a gradient to be
level inside, and each shares half of itself with the next, so no edge can hide on a border."""

_NOISY_PAPER = 7
"""Grey levels. The contrast that the quieter windows of blank paper may have: a scanner's noise up to a standard
deviation of 3, or a gradient of half a level a pixel. Where even those have more, the whole tile may be pattern or
dense print, so it is read."""

_QUIETER = 25
"""Percent of the windows, those with the least contrast, that say how noisy the paper is: print seldom covers the
other three quarters; where it does, and has 10 grey levels of contrast or more, `_NOISY_PAPER` catches it."""

_MARGIN = 4
"""Grey levels. What may stand out from noiseless paper: rounding, and a compressor's faint ripples."""

_NOISE_SPREAD = 1.75
"""Times the quieter windows' contrast. The strongest of the 65,025 windows of 2048 x 2048 px of normal noise has up to
2.2 times as much (measured); for every noise below `_NOISY_PAPER` that is less than this product plus `_MARGIN`."""

_Grey = NDArray[np.uint8]
_Sums = NDArray[np.uint16]


def is_blank(pixels: NDArray[np.uint8]) -> bool:
    """Say whether there is nothing to read on height x width (x 3) pixels.

    Flat colour, smooth gradients and scanner noise are blank. Anything that stands out is not: faint pencil, light
    print on paper or on a dark ground, text in any one colour channel. In doubt the answer is no.
    """
    planes = [pixels] if pixels.ndim == 2 else [pixels[..., channel] for channel in range(pixels.shape[2])]
    return not any(map(_has_ink, planes))


def _has_ink(plane: _Grey) -> bool:
    padded = _padded(plane)
    grid = (padded.shape[0] // _CELL, padded.shape[1] // _CELL)
    return any(_stands_out(_contrast(sums, grid)) for sums in _runs(padded))


def _padded(plane: _Grey) -> _Grey:
    """Repeat the last row and column until both sides are whole windows."""
    height, width = plane.shape
    down, across = -height % (2 * _CELL), -width % (2 * _CELL)
    return np.pad(plane, ((0, down), (0, across)), mode="edge") if down or across else np.ascontiguousarray(plane)


def _runs(plane: _Grey) -> Iterator[_Sums]:
    """Give the sums of runs down the page, then of runs across it; most print is seen in the first."""
    yield plane.reshape(-1, _RUN, plane.shape[1]).sum(axis=1, dtype=np.uint16)
    # Slices: numpy sums along a last axis of four many times slower.
    first, second, third, fourth = (plane[:, at::_RUN] for at in range(_RUN))
    yield np.add(first, second, dtype=np.uint16) + np.add(third, fourth, dtype=np.uint16)


def _contrast(sums: _Sums, grid: tuple[int, int]) -> _Sums:
    """Give the largest minus the smallest sum in each window."""
    return _pooled(sums, grid, np.maximum) - _pooled(sums, grid, np.minimum)


def _pooled(sums: _Sums, grid: tuple[int, int], pick: np.ufunc) -> _Sums:
    """Pick one sum in each cell of the grid, then one in each window of two by two cells; the answer is transposed."""
    rows, cols = grid
    tall = pick.reduce(sums.reshape(rows, -1, sums.shape[1]), axis=1)
    cells = pick.reduce(np.ascontiguousarray(tall.T).reshape(cols, -1, rows), axis=1)
    pairs = pick(cells[:-1], cells[1:])
    windows: _Sums = pick(pairs[:, :-1], pairs[:, 1:])
    return windows


def _stands_out(contrast: _Sums) -> bool:
    quieter = contrast.size * _QUIETER // 100
    paper = int(np.partition(contrast, quieter, axis=None)[quieter]) / _RUN
    return paper > _NOISY_PAPER or int(contrast.max()) / _RUN > paper * _NOISE_SPREAD + _MARGIN
