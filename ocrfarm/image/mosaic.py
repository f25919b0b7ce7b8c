"""Tiles -> the pixels of any box that they show together."""

from collections.abc import Sequence

import numpy as np

from ocrfarm.geometry import Box
from ocrfarm.image.pixels import Pixels


def mosaic(box: Box, tiles: Sequence[tuple[Box, Pixels]]) -> Pixels:
    """Put the box together from pieces of tiles (each with its own box, height x width or height x width x 3).

    What no tile shows, blank paper for one, gets the median colour of the leftmost tile. ValueError without any tile.
    """
    if not tiles:
        raise ValueError(f"no tile shows {box}")
    _, first = min(tiles, key=lambda tile: tile[0])
    pixels = np.empty((box.height, box.width, *first.shape[2:]), np.uint8)
    pixels[:] = np.median(first[::16, ::16], axis=(0, 1)).astype(np.uint8)
    for place, shown in tiles:
        if common := box.intersection(place):
            there, here = common.shifted(-place.x0, -place.y0), common.shifted(-box.x0, -box.y0)
            pixels[here.y0 : here.y1, here.x0 : here.x1] = shown[there.y0 : there.y1, there.x0 : there.x1]
    return pixels
