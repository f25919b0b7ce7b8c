"""Pixels: what the rest of ocrfarm gets from an image."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Height x width (grey) or height x width x 3 (red green blue), 0..255, C-contiguous."""


def to_rgb(pixels: Pixels) -> Pixels:
    """Give height x width x 3 for grey or RGB pixels, contiguous."""
    if pixels.ndim == 3:
        return np.ascontiguousarray(pixels)
    colours = np.empty((*pixels.shape, 3), np.uint8)
    for channel in range(3):  # half the time of numpy's repeat
        colours[:, :, channel] = pixels
    return colours
