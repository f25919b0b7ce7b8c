"""Tiles -> the pixels of a box that they cover together."""

from collections.abc import Sequence

import numpy as np

from ocrfarm.geometry import Box
from ocrfarm.image.pixels import Pixels


def assemble_box(box: Box, tiles: Sequence[tuple[Box, Pixels]]) -> Pixels:
    """Assemble the pixels of a box from tiles; parts that no tile shows get the median colour of the largest part.

    Args:
        box: The box, in page pixels.
        tiles: Boxes (page pixels) and pixels of tiles, height x width or height x width x 3, uint8.

    Raises:
        ValueError: No tile shows a part of the box.

    Examples:
        >>> left = Box(0, 0, 2, 1), np.array([[1, 2]], np.uint8)
        >>> right = Box(2, 0, 4, 1), np.array([[3, 4]], np.uint8)
        >>> assemble_box(Box(1, 0, 3, 1), [left, right])
        array([[2, 3]], dtype=uint8)
    """
    parts = [
        (common, _crop_to_common(pixels, common, tile_box))
        for tile_box, pixels in tiles
        if (common := box.intersection(tile_box))
    ]
    if not parts:
        raise ValueError(f"no tile shows {box}")
    largest_box, largest = max(parts, key=lambda part: (part[0].area, part[0]))
    if largest_box == box:
        return largest
    whole = np.empty((box.height, box.width, *largest.shape[2:]), np.uint8)
    whole[:] = np.median(largest, axis=(0, 1)).astype(np.uint8)
    for common, part in parts:
        target = common.shift(-box.x0, -box.y0)
        whole[target.y0 : target.y1, target.x0 : target.x1] = part
    return whole


def _crop_to_common(pixels: Pixels, common: Box, tile_box: Box) -> Pixels:
    crop = common.shift(-tile_box.x0, -tile_box.y0)
    return pixels[crop.y0 : crop.y1, crop.x0 : crop.x1]
