"""Decoder for the formats that the wheel of libvips lacks: JPEG-2000, BMP and HEIC, each as a whole raster in memory.

Pillow's plugins are called directly, so that Pillow neither guesses the format nor applies its own limit on pixels
(`Limits` is stricter).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, Jpeg2KImagePlugin

from ocrfarm.errors import MissingPackage
from ocrfarm.geometry import Size
from ocrfarm.image.decoding import translate_decoder_errors
from ocrfarm.image.formats import Format


def _open_heic(path: Path) -> Image.Image:
    """Open a HEIC image, upright; raise `MissingPackage` if pillow-heif is not installed."""
    try:
        from pillow_heif.as_plugin import HeifImageFile
    except ImportError as error:
        advice = "pip install 'ocrfarm[heif]' for the split workers, or save it as JPEG"
        raise MissingPackage(f"{path}: HEIC needs pillow-heif; {advice}") from error
    return HeifImageFile(path)  # type: ignore[no-untyped-call]


_OPENERS: dict[Format, Callable[[Path], Image.Image]] = {
    Format.JPEG2000: Jpeg2KImagePlugin.Jpeg2KImageFile,
    Format.BMP: BmpImagePlugin.BmpImageFile,
    Format.HEIC: _open_heic,
}
_DIRECT_MODES = ("L", "LA", "RGB", "RGBA", "CMYK", "I;16")
_STRIP_ROWS = 256
"""Rows copied at a time."""


def read_size(path: Path, image_format: Format) -> Size:
    """Return the width and height that the header claims.

    Args:
        path: The file.
        image_format: Its format: JPEG-2000, BMP or HEIC.

    Raises:
        DamagedImage: The header cannot be decoded.
        MissingPackage: The file is HEIC and pillow-heif is not installed.
    """
    with _translate_errors(path), _OPENERS[image_format](path) as image:
        return Size(*image.size)


def load(path: Path, image_format: Format) -> pyvips.Image:
    """Decode the whole raster.

    Args:
        path: The file.
        image_format: Its format: JPEG-2000, BMP or HEIC.

    Raises:
        DamagedImage: The file is truncated or damaged.
        MissingPackage: The file is HEIC and pillow-heif is not installed.
    """
    with _translate_errors(path), _OPENERS[image_format](path) as image:
        return _to_vips(image if image.mode in _DIRECT_MODES else image.convert(_target_mode(image)))


def _target_mode(pillow_image: Image.Image) -> str:
    """Return the mode to which an image of another mode is converted without loss of visible content."""
    if pillow_image.mode == "1":
        return "L"
    return "RGBA" if pillow_image.has_transparency_data else "RGB"


def _to_vips(pillow_image: Image.Image) -> pyvips.Image:
    pixels = _copy_pixels(pillow_image)
    height, width, *bands = pixels.shape
    kind = "ushort" if pixels.dtype == np.uint16 else "uchar"
    image = pyvips.Image.new_from_memory(pixels.data, width, height, bands[0] if bands else 1, kind)
    return image.copy(interpretation="cmyk") if pillow_image.mode == "CMYK" else image


def _copy_pixels(pillow_image: Image.Image) -> NDArray[Any]:
    """Copy the raster strip by strip; converted at once, Pillow would create two more copies of it."""
    sample = np.asarray(pillow_image.crop((0, 0, 1, 1)))
    pixels = np.empty((pillow_image.height, pillow_image.width, *sample.shape[2:]), sample.dtype)
    for y in range(0, pillow_image.height, _STRIP_ROWS):
        rows = pixels[y : y + _STRIP_ROWS]
        rows[...] = np.asarray(pillow_image.crop((0, y, pillow_image.width, y + len(rows))))
    return pixels


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Translate errors of Pillow; a damaged file can ask for any amount of memory before a pixel is decoded."""
    with translate_decoder_errors(str(path)):
        try:
            yield
        except MemoryError as error:
            raise ValueError("a part of it claims more memory than there is") from error
