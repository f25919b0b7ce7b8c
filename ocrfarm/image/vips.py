"""libvips: its set-up for untrusted files, its loaders, and every colour mode made 8-bit grey or sRGB.

Threads and forks. Loading, cutting and `decode_tile` run in the calling thread alone, because pixels are pulled through
a region: they are safe in a child after `fork`, whatever the parent did. Only saving starts threads of libvips, and
these do not survive a fork: see `codec.encode_tile`. Importing pyvips before a fork is safe.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvips

from ocrfarm.errors import DamagedImage, UnidentifiedImage
from ocrfarm.geometry import Size
from ocrfarm.image.formats import Format
from ocrfarm.image.pixels import Pixels

pyvips.cache_set_max(0)  # a cached operation would keep whole pages alive, and file handles with them
pyvips.concurrency_set(1)  # tiles are encoded in threads of ours: more inside libvips only adds memory
pyvips.block_untrusted_set(True)  # loaders that were not hardened against hostile files stay shut

_LOADERS = {
    Format.PNG: "pngload",
    Format.JPEG: "jpegload",
    Format.TIFF: "tiffload",
    Format.WEBP: "webpload",
    Format.GIF: "gifload",
}
_PAGED_FORMATS = (Format.TIFF, Format.WEBP, Format.GIF)
_WHITE = 255


@contextmanager
def translate_errors(location: str) -> Iterator[None]:
    """Turn errors of libvips into `DamagedImage`."""
    try:
        yield
    except pyvips.Error as error:
        reason = " ".join(str(error).split())
        raise DamagedImage(f"{location}: cannot be decoded, copy or export the file again ({reason})") from error


@dataclass(frozen=True, slots=True)
class VipsRows:
    """The rows of an image of libvips, 8 bits a channel."""

    image: pyvips.Image

    @property
    def size(self) -> Size:
        """Pixels."""
        return Size(self.image.width, self.image.height)

    @property
    def bands(self) -> int:
        """Channels."""
        return int(self.image.bands)

    def strips(self, step: int) -> Iterator[Pixels]:
        """Decode the image from top to bottom, `step` rows at a time."""
        region = pyvips.Region.new(self.image)
        channels = () if self.bands == 1 else (self.bands,)
        for top in range(0, self.image.height, step):
            height = min(step, self.image.height - top)
            raw = region.fetch(0, top, self.image.width, height)
            yield np.frombuffer(raw, np.uint8).reshape(height, self.image.width, *channels)


def load(path: Path, image_format: Format, *, page: int) -> pyvips.Image:
    """Open one page for reading from top to bottom; only the header is read now.

    Pixels that are missing are an error when they are fetched, never grey rows. For TIFF this takes "warning": below
    it libvips 8.18 leaves tiles and short strips that are cut off black. Unknown tags are no warning in this sense.
    """
    paged = {"page": page} if image_format in _PAGED_FORMATS else {}
    fail_on = "warning" if image_format is Format.TIFF else "error"
    return pyvips.Operation.call(_LOADERS[image_format], str(path), access="sequential", fail_on=fail_on, **paged)


def read_number(image: pyvips.Image, name: str, *, default: int) -> int:
    """Give a whole number from the header, or the default where it says nothing of the kind."""
    return int(image.get(name)) if image.get_typeof(name) == pyvips.GValue.gint_type else default


def find_buffered_kind(image: pyvips.Image, image_format: Format) -> str | None:
    """Name what makes the decoder hold the whole raster, or None where it goes row by row."""
    if image_format in (Format.WEBP, Format.GIF):
        return str(image_format.value)
    if image_format is Format.JPEG and read_number(image, "jpeg-multiscan", default=0):
        return "progressive JPEG"
    if image_format is Format.PNG and read_number(image, "interlaced", default=0):
        return "interlaced PNG"
    return None


def normalise(image: pyvips.Image, *, location: str, has_alpha: bool = True) -> pyvips.Image:
    """Give 8-bit grey (1 band) or sRGB (3 bands): alpha on white, 16 bits by their upper 8, CMYK and Lab by profile.

    `has_alpha`: the channel behind the colours says what is opaque; where it means something else it is dropped.
    """
    if image.interpretation in ("cmyk", "lab", "labs"):
        image = image.colourspace("srgb")
    if image.format not in ("uchar", "ushort") or image.bands > 4:
        raise UnidentifiedImage(
            f"{location}: {image.bands} channels of type {image.format} are not read; "
            "save it as 8- or 16-bit grey or RGB"
        )
    if image.format == "ushort":
        image = image.cast("uchar", shift=True)
    image = image.copy(interpretation="b-w" if image.bands < 3 else "srgb")
    if image.bands in (1, 3):
        return image
    return image.flatten(background=_WHITE) if has_alpha else image.extract_band(0, n=image.bands - 1)
