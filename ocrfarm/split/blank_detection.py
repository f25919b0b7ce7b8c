"""Pixels of a tile -> whether it is blank: paper under any lighting, without even faint ink.

Local contrast against an estimate of the paper's noise. Sums over short runs of pixels, along and across the page, keep
the contrast of thin strokes and reduce noise; their maximum minus minimum in overlapping windows is the local contrast:

    pixels    runs of 4 (both directions)    cells of 8 x 8: min, max    windows of 2 x 2 cells, half overlapping
    ........     [----][----]                   +---+---+---+               +-------+
    ..####..                                    |   |   |   |               | max - |   contrast of this window
    ........     [    ][    ]                   +---+---+---+               |  min  |
                                                |   |   |   |               +-------+

The quieter quarter of the windows tells how noisy the paper is. A tile is blank if no window has clearly more contrast
than this noise explains, and if the noise itself is low.

Invariant: doubt means "not blank", so text is never lost here; at worst an empty tile is read. Each colour channel is
examined by itself. Cost: O(pixels); a tile with ordinary text is decided at its first strip that shows text.
"""

import numpy as np
from numpy.typing import NDArray

_RUN_LENGTH = 4
"""Pixels. Text 8 px high has straight strokes of this length. The mean of a run along a stroke keeps the full contrast
of the stroke and halves the noise of the paper; the mean of a square would weaken a stroke one pixel wide."""

_CELL_SIDE = 8
"""Pixels. Contrast is measured in windows of two by two cells: small enough that a shadow or a gradient is nearly
constant inside, and overlapping by half, so that no edge is missed between two windows."""

_MAX_PAPER_NOISE = 7
"""Grey levels. Maximum contrast of the quieter windows of blank paper: scanner noise up to a standard deviation of 3,
or a gradient of half a level per pixel. If even these windows have more, the tile may be filled with a pattern or with
dense text, so it is read."""

_QUIET_PERCENT = 25
"""Percent of the windows, those with the least contrast, that serve to estimate the noise of the paper. Text seldom
covers the other three quarters; if it does, with a contrast of at least 10 grey levels, `_MAX_PAPER_NOISE` applies."""

_NOISE_MARGIN = 4
"""Grey levels. Contrast that noiseless paper may have: rounding errors, and faint artefacts of compression."""

_NOISE_SPREAD = 1.75
"""Factor on the quieter windows' contrast. The strongest of the 65,025 windows of 2048 x 2048 px of normal noise has up
to 2.2 times as much (measured); for any noise below `_MAX_PAPER_NOISE` this is less than the factor and `_NOISE_MARGIN`
allow."""

_MAX_PAPER_CONTRAST = _MAX_PAPER_NOISE * _NOISE_SPREAD + _NOISE_MARGIN
"""Grey levels. No paper has more contrast than this, so the rest of the tile need not be examined."""

_STRIP_ROWS = 64
"""Rows that are examined at a time, a multiple of two cells: few enough for the CPU's cache, enough for numpy. For
2048 x 2048 RGB pixels, 16 rows at a time take a tenth longer (grey: twice as long), 256 rows a fifth longer."""

_STROKE_CONTRAST = 70
"""Grey levels by which a thick stroke differs from the paper. Lines of small text, averaged with the paper between and
around their letters, differ less."""

_MIN_STROKE_PIXELS = 24
"""Number of 2 x 2 squares that consist of stroke pixels; a single letter 20 pixels high has twice as many."""

_Grey = NDArray[np.uint8]
_Sums = NDArray[np.uint16]


def is_blank(pixels: NDArray[np.uint8]) -> bool:
    """Return whether a tile contains no text.

    Flat colour, smooth gradients and scanner noise are blank. Anything that stands out is not: faint pencil, light text
    on paper or on a dark background, text in a single colour channel. In doubt the result is False.

    Args:
        pixels: Height x width (grey) or height x width x 3, uint8.

    Examples:
        >>> page = np.full((256, 256), 250, np.uint8)
        >>> is_blank(page)
        True
        >>> page[100:120, 50] = 230  # a faint stroke
        >>> is_blank(page)
        False
    """
    # Each channel is examined by itself: luminance would miss text that differs from its background only in hue, and
    # the maximum and minimum of the channels would miss text in the channel between them.
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
    """Return whether a coarse tile contains strokes of large letters, as opposed to small text that was downscaled.

    The strokes of large letters are at least two pixels thick on the coarse level, and clearly darker or lighter than
    the paper.

    Args:
        pixels: Height x width (grey) or height x width x 3, uint8.
    """
    grey = pixels if pixels.ndim == 2 else pixels.min(axis=2)
    paper = int(np.median(grey))
    stroke = np.abs(grey.astype(np.int16) - paper) >= _STROKE_CONTRAST
    thick = stroke[1:, 1:] & stroke[:-1, 1:] & stroke[1:, :-1] & stroke[:-1, :-1]
    return bool(np.count_nonzero(thick) >= _MIN_STROKE_PIXELS)


def _is_flat(pixels: _Grey) -> bool:
    """Return whether no channel varies more than noiseless paper; a fast test for pages that were not scanned."""
    spread = pixels.max(axis=0).max(axis=0) - pixels.min(axis=0).min(axis=0)
    return bool(np.all(spread <= _NOISE_MARGIN))


def _pad_to_windows(planes: _Grey) -> _Grey:
    """Repeat the last row and column of channels x height x width until both sides are whole windows."""
    height, width = planes.shape[1:]
    down, across = -height % (2 * _CELL_SIDE), -width % (2 * _CELL_SIDE)
    whole = np.pad(planes, ((0, 0), (0, down), (0, across)), mode="edge") if down or across else planes
    return np.ascontiguousarray(whole)


def _pool_cells(planes: _Grey) -> _Sums:
    """Return the largest and the smallest sum of a run in each cell: 2 x (vertical, then horizontal runs) x grid."""
    channels, height, width = planes.shape
    column = planes.reshape(-1, width)  # all channels, one below the other
    grid = (len(column) // _CELL_SIDE, width // _CELL_SIDE)
    runs = (_sum_vertical_runs(column), _sum_horizontal_runs(column))
    cells = np.array([[_pool(sums, grid, pick) for sums in runs] for pick in (np.maximum, np.minimum)])
    return cells.reshape(2, 2 * channels, height // _CELL_SIDE, width // _CELL_SIDE)


def _sum_vertical_runs(plane: _Grey) -> _Sums:
    """Return the sums of vertical runs."""
    sums: _Sums = plane.reshape(-1, _RUN_LENGTH, plane.shape[1]).sum(axis=1, dtype=np.uint16)
    return sums


def _sum_horizontal_runs(plane: _Grey) -> _Sums:
    """Return the sums of horizontal runs."""
    # Two pixels are one number: numpy takes twice as long for strided bytes.
    pairs = plane.view(np.uint16)
    halves = (pairs & 0xFF) + (pairs >> 8)
    sums: _Sums = halves[:, ::2] + halves[:, 1::2]
    return sums


def _pool(sums: _Sums, grid: tuple[int, int], pick: np.ufunc) -> _Sums:
    """Return the maximum or minimum of the sums in each cell of the grid."""
    rows, cols = grid
    cells: _Sums = pick.reduce(sums.reshape(rows, -1, sums.shape[1]), axis=1)
    while cells.shape[1] > cols:
        cells = pick(cells[:, ::2], cells[:, 1::2])
    return cells


def _window_contrast(cells: _Sums) -> _Sums:
    """Return the largest minus the smallest sum in each window of two by two cells."""
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
