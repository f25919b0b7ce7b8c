"""Which tiles hold nothing to read: paper, however it is lit, but no ink, however faint."""

import numpy as np
from numpy.typing import NDArray

_RUN_LENGTH = 4
"""Pixels. Print 8 px high has straight strokes this long; the mean of a run along a stroke keeps the stroke's full
contrast and halves the noise of the paper, where the mean of a square would dim a stroke one pixel wide."""

_CELL_SIDE = 8
"""Pixels. Contrast is looked at in windows two cells wide and high: small enough for a shadow or a gradient to be
level inside, and each shares half of itself with the next, so no edge can hide on a border."""

_MAX_PAPER_NOISE = 7
"""Grey levels. The contrast that the quieter windows of blank paper may have: a scanner's noise up to a standard
deviation of 3, or a gradient of half a level a pixel. Where even those have more, the whole tile may be pattern or
dense print, so it is read."""

_QUIET_PERCENT = 25
"""Percent of the windows, those with the least contrast, that say how noisy the paper is: print seldom covers the
other three quarters; where it does, and has 10 grey levels of contrast or more, `_MAX_PAPER_NOISE` catches it."""

_NOISE_MARGIN = 4
"""Grey levels. What may stand out from noiseless paper: rounding, and a compressor's faint ripples."""

_NOISE_SPREAD = 1.75
"""Times the quieter windows' contrast. The strongest of the 65,025 windows of 2048 x 2048 px of normal noise has up to
2.2 times as much (measured); for every noise below `_MAX_PAPER_NOISE` that is less than this plus `_NOISE_MARGIN`."""

_MAX_PAPER_CONTRAST = _MAX_PAPER_NOISE * _NOISE_SPREAD + _NOISE_MARGIN
"""Grey levels. No paper, quiet or noisy, explains more contrast: the rest of the page need not be looked at."""

_STRIP_ROWS = 64
"""Rows that are looked at together, a multiple of two cells: small enough for the processor's cache, large enough for
numpy: of 2048 x 2048 RGB pixels, 16 rows at a time cost a tenth more (grey: twice as much), 256 a fifth more."""

_STROKE_CONTRAST = 70
"""Grey levels by which a thick stroke differs from the paper; lines of small print, averaged with the paper between and
round their letters, differ less."""

_MIN_STROKE_PIXELS = 24
"""Places where four neighbouring pixels are all stroke: one letter 20 pixels high has twice as many."""

_Grey = NDArray[np.uint8]
_Sums = NDArray[np.uint16]


def is_blank(pixels: NDArray[np.uint8]) -> bool:
    """Say whether there is nothing to read on height x width (x 3) pixels.

    Flat colour, smooth gradients and scanner noise are blank. Anything that stands out is not: faint pencil, light
    print on paper or on a dark ground, text in any one colour channel. In doubt the answer is no.
    """
    # Each channel is looked at alone. Luminance would pass by print that differs from its ground in hue only, and the
    # largest and smallest channel would pass by print in the one between them.
    if _is_flat(pixels):
        return True
    planes = pixels[np.newaxis] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    strips = []
    for top in range(0, planes.shape[1], _STRIP_ROWS):
        cells = _pool_cells(_pad_to_windows(planes[:, top : top + _STRIP_ROWS]))
        if int((cells[0] - cells[1]).max()) / _RUN_LENGTH > _MAX_PAPER_CONTRAST:
            return False
        strips.append(cells)
    return not any(map(_stands_out, _window_contrast(np.concatenate(strips, axis=2))))


def has_large_text(pixels: NDArray[np.uint8]) -> bool:
    """Say whether a coarse tile (height x width, or x 3) holds strokes that small print, shrunk so far, cannot have.

    A stroke of letters worth a coarse look is two pixels thick there and clearly darker, or lighter, than its paper.
    """
    grey = pixels if pixels.ndim == 2 else pixels.min(axis=2)
    paper = int(np.median(grey))
    apart = np.abs(grey.astype(np.int16) - paper) >= _STROKE_CONTRAST
    thick = apart[1:, 1:] & apart[:-1, 1:] & apart[1:, :-1] & apart[:-1, :-1]
    return bool(np.count_nonzero(thick) >= _MIN_STROKE_PIXELS)


def _is_flat(pixels: _Grey) -> bool:
    """Say whether no channel varies more than noiseless paper, as on a page that was not scanned; takes little time."""
    spread = pixels.max(axis=0).max(axis=0) - pixels.min(axis=0).min(axis=0)
    return bool(np.all(spread <= _NOISE_MARGIN))


def _pad_to_windows(planes: _Grey) -> _Grey:
    """Repeat the last row and column of channels x height x width until both sides are whole windows."""
    height, width = planes.shape[1:]
    down, across = -height % (2 * _CELL_SIDE), -width % (2 * _CELL_SIDE)
    whole = np.pad(planes, ((0, 0), (0, down), (0, across)), mode="edge") if down or across else planes
    return np.ascontiguousarray(whole)


def _pool_cells(planes: _Grey) -> _Sums:
    """Give the largest and the smallest sum of a run in each cell: 2 x (runs down, then across, by channel) x grid."""
    channels, height, width = planes.shape
    column = planes.reshape(-1, width)  # one channel below the other
    grid = (len(column) // _CELL_SIDE, width // _CELL_SIDE)
    runs = (_sum_vertical_runs(column), _sum_horizontal_runs(column))
    cells = np.array([[_pool(sums, grid, pick) for sums in runs] for pick in (np.maximum, np.minimum)])
    return cells.reshape(2, 2 * channels, height // _CELL_SIDE, width // _CELL_SIDE)


def _sum_vertical_runs(plane: _Grey) -> _Sums:
    """Give the sums of runs down the page."""
    sums: _Sums = plane.reshape(-1, _RUN_LENGTH, plane.shape[1]).sum(axis=1, dtype=np.uint16)
    return sums


def _sum_horizontal_runs(plane: _Grey) -> _Sums:
    """Give the sums of runs across the page."""
    # Two pixels as one number: numpy takes twice as long over every fourth byte.
    pairs = plane.view(np.uint16)
    halves = (pairs & 0xFF) + (pairs >> 8)
    sums: _Sums = halves[:, ::2] + halves[:, 1::2]
    return sums


def _pool(sums: _Sums, grid: tuple[int, int], pick: np.ufunc) -> _Sums:
    """Pick one sum in each cell of the grid."""
    rows, cols = grid
    cells: _Sums = pick.reduce(sums.reshape(rows, -1, sums.shape[1]), axis=1)
    while cells.shape[1] > cols:
        cells = pick(cells[:, ::2], cells[:, 1::2])
    return cells


def _window_contrast(cells: _Sums) -> _Sums:
    """Give the largest minus the smallest sum in each window of two by two cells."""
    contrast: _Sums = _pool_windows(cells[0], np.maximum) - _pool_windows(cells[1], np.minimum)
    return contrast


def _pool_windows(cells: _Sums, pick: np.ufunc) -> _Sums:
    pairs = pick(cells[:, :-1], cells[:, 1:])
    windows: _Sums = pick(pairs[:, :, :-1], pairs[:, :, 1:])
    return windows


def _stands_out(contrast: _Sums) -> bool:
    quieter = contrast.size * _QUIET_PERCENT // 100
    paper = int(np.partition(contrast, quieter, axis=None)[quieter]) / _RUN_LENGTH
    return paper > _MAX_PAPER_NOISE or int(contrast.max()) / _RUN_LENGTH > paper * _NOISE_SPREAD + _NOISE_MARGIN
