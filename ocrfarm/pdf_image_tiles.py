"""Page -> image tiles for a PDF, for image formats that a PDF cannot embed as they are."""

import io
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ocrfarm.errors import MissingPackage
from ocrfarm.geometry import Box, Size
from ocrfarm.result import ImageTiles
from ocrfarm.result.tiff import read_first_directory

if TYPE_CHECKING:  # numpy and libvips are needed for few images only
    from ocrfarm.image import ImageSource, Pixels

_TILE_SIDE = 2048
"""Side of a tile in pixels: 12 MB of RGB. The decoder holds one row of tiles."""

_TILE_OVERLAP = 1
"""Pixels that neighbouring tiles share, so that viewers show no gap between them."""

_JPEG_QUALITY = 85
"""Quality of JPEG tiles, used only if the image was lossy before; this loses less than the first compression did."""

_PNG_COMPRESS_LEVEL = 3
"""Compression level of PNG, 0 to 9: level 6 takes three times as long and saves a tenth of the bytes."""

_COMPRESSION_TAG = 259
_LOSSY_COMPRESSIONS = (6, 7, 33003, 33005, 34712, 50001)
"""TIFF's Compression tag, and its values for JPEG, JPEG-2000 and WebP."""


class ImageTileCutter:
    """Cuts pages of an image into encoded tiles; the image is opened once, when the first page is asked for."""

    def __init__(self, get_image: Callable[[], Path], *, limits: Mapping[str, int]) -> None:
        """Open nothing yet.

        Args:
            get_image: Returns the path of the image.
            limits: Limits that differ from the defaults, as keyword arguments of `ocrfarm.image.Limits`.
        """
        self._get_image, self._limits = get_image, limits
        self._source: ImageSource | None = None

    def __call__(self, page: int) -> ImageTiles:
        """Return an iterator of the box of each tile of a page (0 = first), in pixels, and its encoded bytes.

        A tile is a TIFF with fax compression if it is black and white, a JPEG if the image was lossy before, and a PNG
        otherwise.

        Raises:
            InputError: The image cannot be decoded.
            MissingPackage: pyvips is not installed.
        """
        source = self._source = self._source or self._open()
        raster, encode = source.page(page), partial(_encode, lossy=_is_lossy(source.path))
        for box, pixels in raster.cut(_tile_boxes(raster.size)):
            yield box, encode(pixels)

    def _open(self) -> "ImageSource":
        path = self._get_image()
        if not find_spec("pyvips"):
            advice = "converting it needs pyvips; pip install 'ocrfarm[pdf]'"
            raise MissingPackage(f"{path.name}: cannot be embedded in a PDF as it is; {advice}")
        from ocrfarm.image import Limits, open_source

        # Pages that were selected and read are few enough.
        return open_source(path, Limits(**{**self._limits, "total_pixels": sys.maxsize}))


def _tile_boxes(page: Size) -> list[Box]:
    sides = [range(0, length, _TILE_SIDE) for length in (page.width, page.height)]
    reach = _TILE_SIDE + _TILE_OVERLAP
    return [Box(x, y, min(x + reach, page.width), min(y + reach, page.height)) for y in sides[1] for x in sides[0]]


def _encode(pixels: "Pixels", *, lossy: bool) -> bytes:
    image, encoded = Image.fromarray(pixels), io.BytesIO()
    if lossy:
        image.save(encoded, "JPEG", quality=_JPEG_QUALITY)
    elif image.mode == "L" and sum(image.histogram()[1:255]) == 0:
        image.convert("1").save(encoded, "TIFF", compression="group4", strip_size=image.width * image.height)
    else:
        image.save(encoded, "PNG", compress_level=_PNG_COMPRESS_LEVEL)
    return encoded.getvalue()


def _is_lossy(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(16)
    if head[:4] == b"RIFF":
        return head[12:16] != b"VP8L"
    jpegs = head.startswith((b"\xff\xd8\xff", b"\xff\x4f\xff\x51")) or head[4:8] == b"jP  "
    return jpegs or read_first_directory(path).get(_COMPRESSION_TAG) in _LOSSY_COMPRESSIONS
