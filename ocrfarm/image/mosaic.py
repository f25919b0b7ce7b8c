"""Tiles -> the pixels of a box that they cover together."""

from collections.abc import Sequence

import numpy as np

from ocrfarm.geometry import Box
from ocrfarm.image.pixels import Pixels


def mosaic(box: Box, tiles: Sequence[tuple[Box, Pixels]]) -> Pixels:
    """Assemble the pixels of a box from tiles; parts that no tile shows get the median colour of the largest part.

    Args:
        box: The box, in page pixels.
        tiles: Boxes (page pixels) and pixels of tiles, height x width or height x width x 3, uint8.

    Raises:
        ValueError: No tile shows a part of the box.

    Examples:
        >>> left = Box(0, 0, 2, 1), np.array([[1, 2]], np.uint8)
        >>> right = Box(2, 0, 4, 1), np.array([[3, 4]], np.uint8)
        >>> mosaic(Box(1, 0, 3, 1), [left, right])
        array([[2, 3]], dtype=uint8)
    """
    pieces = [
        (common, _crop_to_common(pixels, common, place))
        for place, pixels in tiles
        if (common := box.intersection(place))
    ]
    if not pieces:
        raise ValueError(f"no tile shows {box}")
    shown, largest = max(pieces, key=lambda piece: (piece[0].area, piece[0]))
    if shown == box:
        return largest
    whole = np.empty((box.height, box.width, *largest.shape[2:]), np.uint8)
    whole[:] = np.median(largest, axis=(0, 1)).astype(np.uint8)
    for common, piece in pieces:
        at = common.shift(-box.x0, -box.y0)
        whole[at.y0 : at.y1, at.x0 : at.x1] = piece
    return whole


def _crop_to_common(pixels: Pixels, common: Box, place: Box) -> Pixels:
    at = common.shift(-place.x0, -place.y0)
    return pixels[at.y0 : at.y1, at.x0 : at.x1]
