"""A page -> pieces that a PDF can hold, for pictures that it cannot hold as they are."""

import importlib
import io
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ocrfarm.errors import MissingPackage
from ocrfarm.geometry import Box, Size
from ocrfarm.result import Pieces
from ocrfarm.result.tiff import first_directory

if TYPE_CHECKING:  # numpy and libvips are needed for few pictures only
    from ocrfarm.image import Pixels

_SIDE = 2048
"""Pixels of a piece: 12 MB of RGB, and a band of them is what the decoder holds."""

_SHARED = 1
"""Pixels that a piece reaches into the next one, so that no viewer shows the paper between them."""

_QUALITY = 85
"""Of a piece of a picture that was lossy before: what is lost now is less than what was."""

_EFFORT = 3
"""Of 9, for PNG: 6 takes three times as long for a tenth of the bytes."""

_COMPRESSION = 259
_LOSSY = (6, 7, 33003, 33005, 34712, 50001)
"""The tag of TIFF, and its values for JPEG, JPEG-2000 and WebP."""


def pieces(picture: Callable[[], Path], page: int, *, limits: Mapping[str, int]) -> Pieces:
    """Cut a page (0 = first) into squares as fax TIFF, PNG or, where the picture was lossy before, JPEG.

    `InputError` where it cannot be decoded, `MissingPackage` where nothing is installed that could.
    """
    path = picture()
    if not find_spec("pyvips"):
        advice = "a PDF of it needs pyvips; pip install 'ocrfarm[pdf]'"
        raise MissingPackage(f"{path.name}: cannot go into a PDF as it is; {advice}")
    image = importlib.import_module("ocrfarm.image")
    raster = image.open_source(path, image.Limits(**limits)).page(page)
    encode = partial(_encoded, lossy=_is_lossy(path))
    for box, pixels in raster.cut(_squares(raster.size)):
        yield box, encode(pixels)


def _squares(page: Size) -> list[Box]:
    sides = [range(0, length, _SIDE) for length in (page.width, page.height)]
    reach = _SIDE + _SHARED
    return [Box(x, y, min(x + reach, page.width), min(y + reach, page.height)) for y in sides[1] for x in sides[0]]


def _encoded(pixels: "Pixels", *, lossy: bool) -> bytes:
    picture, encoded = Image.fromarray(pixels), io.BytesIO()
    if lossy:
        picture.save(encoded, "JPEG", quality=_QUALITY)
    elif picture.mode == "L" and sum(picture.histogram()[1:255]) == 0:
        picture.convert("1").save(encoded, "TIFF", compression="group4", strip_size=picture.width * picture.height)
    else:
        picture.save(encoded, "PNG", compress_level=_EFFORT)
    return encoded.getvalue()


def _is_lossy(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(16)
    if head[:4] == b"RIFF":
        return head[12:16] != b"VP8L"
    jpegs = head.startswith((b"\xff\xd8\xff", b"\xff\x4f\xff\x51")) or head[4:8] == b"jP  "
    return jpegs or first_directory(path).get(_COMPRESSION) in _LOSSY
