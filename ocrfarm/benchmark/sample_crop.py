"""An image -> the part of its first page with the most text, as a file: every setting reads the same one."""

from pathlib import Path

import numpy as np

from ocrfarm.benchmark.measure import SampleCrop
from ocrfarm.geometry import Box, Size
from ocrfarm.image import Limits, Pixels, encode_tile, open_source
from ocrfarm.settings import Settings

CROP_SIZE = 4096
"""Pixels: four tiles and their seams, some seconds on a processor."""

_WARMUP_SIZE = 1024
"""Pixels of the corner that engines warm up with."""

_MIN_INK_CONTRAST = 48
"""Grey levels by which ink differs from the paper."""


def cut_sample_crop(path: Path, folder: Path, *, settings: Settings) -> SampleCrop:
    """Cut the part into the folder; `InputError` where the image cannot be read."""
    raster = open_source(path, Limits(**settings.limits.overrides)).page(0)
    size = Size(min(raster.size.width, CROP_SIZE), min(raster.size.height, CROP_SIZE))
    box = _find_densest_box(raster.overview(), raster.size, size)
    ((_, pixels),) = raster.cut([box])
    crop = SampleCrop(folder / "crop.png", folder / "warmup.png", size)
    crop.image.write_bytes(encode_tile(pixels))
    crop.warmup_image.write_bytes(encode_tile(pixels[:_WARMUP_SIZE, :_WARMUP_SIZE]))
    return crop


def _find_densest_box(overview: Pixels, page: Size, size: Size) -> Box:
    """Give the box of this size with the most ink in it."""
    grey = overview if overview.ndim == 2 else overview.min(axis=2)
    factor = page.width / grey.shape[1]
    ink = np.abs(grey.astype(np.int16) - np.median(grey)) > _MIN_INK_CONTRAST
    sums = np.pad(ink.cumsum(axis=0, dtype=np.int64).cumsum(axis=1), ((1, 0), (1, 0)))
    rows, cols = (max(round(side / factor), 1) for side in (size.height, size.width))
    inside = sums[rows:, cols:] - sums[:-rows, cols:] - sums[rows:, :-cols] + sums[:-rows, :-cols]
    row, col = np.unravel_index(int(inside.argmax()), inside.shape)
    x, y = min(int(col * factor), page.width - size.width), min(int(row * factor), page.height - size.height)
    return Box(x, y, x + size.width, y + size.height)
