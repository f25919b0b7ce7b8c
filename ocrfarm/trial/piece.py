"""A picture -> the piece of its first page with the most print, as a file: every setting reads the same one."""

from pathlib import Path

import numpy as np

from ocrfarm.geometry import Box, Size
from ocrfarm.image import Limits, Pixels, encode_tile, open_source
from ocrfarm.settings import Settings
from ocrfarm.trial.measure import Piece

SIDE = 4096
"""Pixels: four tiles and their seams, some seconds on a processor."""

_WARM = 1024
"""Pixels of the corner that engines warm up with."""

_INK = 48
"""Grey levels by which ink differs from the paper."""


def cut_piece(path: Path, folder: Path, *, settings: Settings) -> Piece:
    """Cut the piece into the folder; `InputError` where the picture cannot be read."""
    raster = open_source(path, Limits(**settings.limits.given)).page(0)
    size = Size(min(raster.size.width, SIDE), min(raster.size.height, SIDE))
    box = _fullest(raster.overview(), raster.size, size)
    ((_, pixels),) = raster.cut([box])
    piece = Piece(folder / "piece.png", folder / "warm.png", size)
    piece.picture.write_bytes(encode_tile(pixels))
    piece.warm.write_bytes(encode_tile(pixels[:_WARM, :_WARM]))
    return piece


def _fullest(overview: Pixels, page: Size, wanted: Size) -> Box:
    """Give the box of this size with the most ink in it."""
    grey = overview if overview.ndim == 2 else overview.min(axis=2)
    factor = page.width / grey.shape[1]
    ink = np.abs(grey.astype(np.int16) - np.median(grey)) > _INK
    sums = np.pad(ink.cumsum(axis=0, dtype=np.int64).cumsum(axis=1), ((1, 0), (1, 0)))
    rows, cols = (max(round(side / factor), 1) for side in (wanted.height, wanted.width))
    inside = sums[rows:, cols:] - sums[:-rows, cols:] - sums[rows:, :-cols] + sums[:-rows, :-cols]
    row, col = np.unravel_index(int(inside.argmax()), inside.shape)
    x, y = min(int(col * factor), page.width - wanted.width), min(int(row * factor), page.height - wanted.height)
    return Box(x, y, x + wanted.width, y + wanted.height)
