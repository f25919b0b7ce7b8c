"""An image -> the cells of a mask: white is wanted, black and transparent is not."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image, PngImagePlugin, TiffImagePlugin

from ocrfarm.errors import SettingsError
from ocrfarm.geometry import Size
from ocrfarm.selection import Mask

_MAX_SIDE = 512
"""Cells a side at most: one of a page of 16,384 pixels is 32 wide, the height of its text."""

_MAX_PIXELS = 1_000_000_000
"""Of the image, which is held in memory as grey."""

_WHITE_THRESHOLD = 128

_PLUGINS = (PngImagePlugin.PngImageFile, TiffImagePlugin.TiffImageFile, GifImagePlugin.GifImageFile)
"""By name, so that Pillow's own limit of pixels, which a mask of a large page exceeds, stays out."""


def read_mask(path: Path) -> Mask:
    """Read a PNG, TIFF or GIF; a cell is wanted where any of its pixels is white. `SettingsError` for another file."""
    grey = _read_grey(path)
    height, width = grey.shape
    size = Size(min(width, _MAX_SIDE), min(height, _MAX_SIDE))
    rows, columns = (np.arange(count) * side // count for count, side in ((size.height, height), (size.width, width)))
    cells = np.maximum.reduceat(np.maximum.reduceat(grey, rows, axis=0), columns, axis=1) >= _WHITE_THRESHOLD
    if not cells.any():
        raise SettingsError(f"{path}: nothing on this mask is white, so nothing would be read")
    packed = np.packbits(cells, axis=1, bitorder="little")
    return Mask(size, tuple(int.from_bytes(row.tobytes(), "little") for row in packed))


def _read_grey(path: Path) -> NDArray[np.uint8]:
    for plugin in _PLUGINS:
        try:
            with plugin(path) as image:
                _check_size(path, image)
                return np.asarray(_flatten_to_grey(image))
        except SyntaxError:  # how a plugin says that the file is in no format of its own
            continue
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: this mask cannot be read ({error}); save it as PNG") from error
    raise SettingsError(f"{path}: this mask is no PNG, TIFF or GIF; save it as PNG")


def _check_size(path: Path, image: Image.Image) -> None:
    if image.width * image.height > _MAX_PIXELS:
        raise SettingsError(f"{path}: this mask has more than {_MAX_PIXELS:,} pixels; shrink it")


def _flatten_to_grey(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("L")
    solid = image.convert("RGBA")
    ground = Image.new("RGBA", solid.size, "black")
    ground.alpha_composite(solid)
    return ground.convert("L")
