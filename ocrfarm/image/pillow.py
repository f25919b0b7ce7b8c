"""Pillow reads what libvips' wheel does not: JPEG-2000, BMP and HEIC, each as a whole raster in memory.

The plugins are called by name: nothing is guessed, and Pillow's own limit of pixels (ours is stricter) stays out.
"""

import importlib
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, Jpeg2KImagePlugin

from ocrfarm.errors import DamagedImage, MissingPackage
from ocrfarm.geometry import Size
from ocrfarm.image.formats import Format


def _heic(path: Path) -> Image.Image:
    """Open a HEIC, upright; `MissingPackage` where nothing is installed that could."""
    try:
        plugin = importlib.import_module("pillow_heif.as_plugin")
    except ImportError as error:
        advice = "pip install 'ocrfarm[heif]' where pictures are split, or save it as JPEG"
        raise MissingPackage(f"{path}: HEIC needs pillow-heif; {advice}") from error
    picture: Image.Image = plugin.HeifImageFile(path)
    return picture


_OPENERS: dict[Format, Callable[[Path], Image.Image]] = {
    Format.JPEG2000: Jpeg2KImagePlugin.Jpeg2KImageFile,
    Format.BMP: BmpImagePlugin.BmpImageFile,
    Format.HEIC: _heic,
}
_KEPT = ("L", "LA", "RGB", "RGBA", "CMYK", "I;16")
_STRIP = 256
"""Rows copied at a time."""

_REASONS = (
    *(OSError, EOFError, RuntimeError, SyntaxError, ValueError),
    *(IndexError, OverflowError, MemoryError, struct.error),
)
"""What Pillow's plugins raise for files that are not as they should be."""


def size(path: Path, form: Format) -> Size:
    """Give the width and height that the header claims; `DamagedImage` where it makes no sense."""
    with _translated(path), _OPENERS[form](path) as picture:
        return Size(*picture.size)


def load(path: Path, form: Format) -> pyvips.Image:
    """Decode the whole raster; `DamagedImage` where it is truncated or broken."""
    with _translated(path), _OPENERS[form](path) as picture:
        return _to_vips(picture if picture.mode in _KEPT else picture.convert(_plain(picture)))


def _plain(picture: Image.Image) -> str:
    """Which of the kept modes holds all that a picture of another mode shows."""
    if picture.mode == "1":
        return "L"
    return "RGBA" if picture.has_transparency_data else "RGB"


def _to_vips(picture: Image.Image) -> pyvips.Image:
    pixels = _pixels(picture)
    height, width, *bands = pixels.shape
    kind = "ushort" if pixels.dtype == np.uint16 else "uchar"
    image = pyvips.Image.new_from_memory(pixels.data, width, height, bands[0] if bands else 1, kind)
    return image.copy(interpretation="cmyk") if picture.mode == "CMYK" else image


def _pixels(picture: Image.Image) -> NDArray[Any]:
    """Copy the raster strip by strip: as one array Pillow would give it by way of two more copies."""
    sample = np.asarray(picture.crop((0, 0, 1, 1)))
    pixels = np.empty((picture.height, picture.width, *sample.shape[2:]), sample.dtype)
    for y in range(0, picture.height, _STRIP):
        rows = pixels[y : y + _STRIP]
        rows[...] = np.asarray(picture.crop((0, y, picture.width, y + len(rows))))
    return pixels


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except _REASONS as error:
        raise DamagedImage(f"{path}: cannot be decoded, copy or export the file again ({error})") from error
