"""The image of a mask -> `Mask`: white is read, black and transparent is not."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image, PngImagePlugin, TiffImagePlugin

from ocrfarm.errors import SettingsError
from ocrfarm.geometry import Size
from ocrfarm.selection import Mask

_MAX_MASK_SIDE = 512
"""Most cells along a side of a mask: on a page of 16,384 pixels a cell is 32 pixels wide, the height of its text."""

_MAX_MASK_PIXELS = 1_000_000_000
"""Most pixels of a mask's file, which is held in memory in grey."""

_WHITE_THRESHOLD = 128
"""Grey level from which a pixel of a mask counts as white."""

_MASK_PLUGINS = (PngImagePlugin.PngImageFile, TiffImagePlugin.TiffImageFile, GifImagePlugin.GifImageFile)
"""Pillow's readers themselves, because `Image.open` refuses the size that a mask of a large page may have."""


def read_mask(path: Path, *, name: str = "", max_pixels: int = _MAX_MASK_PIXELS) -> Mask:
    """Read the image of a mask (PNG, TIFF or GIF): white is read, black and transparent is not.

    The image may have any size, because it is stretched over each page. It is reduced to at most 512 x 512 cells, and
    a cell is read if any of its pixels is white.

    Args:
        path: The file.
        name: Name of the file in error messages; "" stands for the path.
        max_pixels: Most pixels of the image, which is held in memory.

    Raises:
        SettingsError: The file is not such an image, or nothing on it is white.
    """
    name = name or str(path)
    grey = _read_grey(path, name, max_pixels=max_pixels)
    height, width = grey.shape
    size = Size(min(width, _MAX_MASK_SIDE), min(height, _MAX_MASK_SIDE))
    rows, columns = (np.arange(count) * side // count for count, side in ((size.height, height), (size.width, width)))
    cells = np.maximum.reduceat(np.maximum.reduceat(grey, rows, axis=0), columns, axis=1) >= _WHITE_THRESHOLD
    if not cells.any():
        raise SettingsError(f"{name}: nothing on this mask is white, so nothing would be read")
    packed = np.packbits(cells, axis=1, bitorder="little")
    return Mask(size, tuple(int.from_bytes(row.tobytes(), "little") for row in packed))


def _read_grey(path: Path, name: str, *, max_pixels: int) -> NDArray[np.uint8]:
    for plugin in _MASK_PLUGINS:
        try:
            with plugin(path) as image:
                _check_size(image, name, max_pixels=max_pixels)
                return np.asarray(_flatten_to_grey(image))
        except SyntaxError:  # how a plugin says that the file has another format
            continue
        except (OSError, ValueError) as error:
            raise SettingsError(f"{name}: this mask cannot be read ({error}); save it as PNG") from error
    raise SettingsError(f"{name}: this mask is no PNG, TIFF or GIF; save it as PNG")


def _check_size(image: Image.Image, name: str, *, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise SettingsError(f"{name}: this mask has more than {max_pixels:,} pixels; make it smaller")


def _flatten_to_grey(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("L")
    solid = image.convert("RGBA")
    ground = Image.new("RGBA", solid.size, "black")
    ground.alpha_composite(solid)
    return ground.convert("L")
