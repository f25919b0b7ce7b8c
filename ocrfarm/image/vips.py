"""libvips: setup for untrusted files, loaders, and conversion of every colour mode to 8-bit grey or sRGB.

Threads and forks: loading, cutting and `decode_tile` run in the calling thread only, because pixels are pulled through
a region. They are safe in a forked child, whatever the parent did. Only saving starts threads of libvips, and these do
not survive a fork (see `codec.encode_tile`). Importing pyvips before a fork is safe.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvips

from ocrfarm.errors import UnidentifiedImage
from ocrfarm.geometry import Size
from ocrfarm.image.decoding import translate_decoder_errors
from ocrfarm.image.formats import Format
from ocrfarm.image.pixels import Pixels

pyvips.cache_set_max(0)  # cached operations would keep whole pages and file handles open
pyvips.concurrency_set(1)  # tiles are encoded in our own threads, so more threads in libvips would only take memory
pyvips.block_untrusted_set(True)  # disables loaders that are not hardened against malicious files

_LOADERS = {
    Format.PNG: "pngload",
    Format.JPEG: "jpegload",
    Format.TIFF: "tiffload",
    Format.WEBP: "webpload",
    Format.GIF: "gifload",
}
_PAGED_FORMATS = (Format.TIFF, Format.WEBP, Format.GIF)
_WHITE = 255


@dataclass(frozen=True, slots=True)
class VipsRows:
    """The rows of a libvips image with 8 bits per channel; see `StoredRaster`.

    Attributes:
        image: The image, which can be read from top to bottom once.
        location: File and page, for messages.
        file: What the image reads its data from, which must live as long as the image does.
    """

    image: pyvips.Image
    location: str
    file: pyvips.Source | None = None

    @property
    def size(self) -> Size:
        """Width and height, in pixels."""
        return Size(self.image.width, self.image.height)

    @property
    def bands(self) -> int:
        """Number of channels."""
        return int(self.image.bands)

    def strips(self, step: int) -> Iterator[Pixels]:
        """Decode the image from top to bottom and yield `step` rows at a time."""
        with translate_decoder_errors(self.location):
            reader = RowReader(self.image)
        for top in range(0, self.image.height, step):
            with translate_decoder_errors(self.location):
                rows = reader.read(top, min(step, self.image.height - top))
            yield rows


class RowReader:
    """Reads rows of a libvips image from top to bottom, in the calling thread; raises the errors of libvips."""

    def __init__(self, image: pyvips.Image) -> None:
        self._region = pyvips.Region.new(image)
        self._width = image.width
        self._channel_shape = () if image.bands == 1 else (image.bands,)

    def read(self, top: int, row_count: int) -> Pixels:
        """Decode and return rows.

        Args:
            top: The first row.
            row_count: Number of rows.
        """
        raw = self._region.fetch(0, top, self._width, row_count)
        return np.frombuffer(raw, np.uint8).reshape(row_count, self._width, *self._channel_shape)


def load(path: Path, image_format: Format, *, page: int = 0, page_count: int = 1) -> pyvips.Image:
    """Open pages for reading from top to bottom; only the header is read now.

    Missing pixels are an error when they are fetched; they never become grey rows.

    Args:
        path: The file.
        image_format: Its format.
        page: Number of the first page (0 = first), for formats with several pages.
        page_count: Number of pages, which are read as one image, one below the other.
    """
    paged = {"page": page, "n": page_count} if image_format in _PAGED_FORMATS else {}
    name = os.fsencode(path)  # of a str, pyvips makes UTF-8, which not every file name is
    return pyvips.Operation.call(_LOADERS[image_format], name, **_load_options(image_format), **paged)


def load_source(file: pyvips.Source, image_format: Format) -> pyvips.Image:
    """Open the first page of a file that is read by callbacks; see `load`.

    Args:
        file: The file.
        image_format: Its format.
    """
    return pyvips.Operation.call(f"{_LOADERS[image_format]}_source", file, **_load_options(image_format))


def _load_options(image_format: Format) -> dict[str, str]:
    """Return options for reading rows in order, with missing pixels as errors.

    TIFF needs `fail_on="warning"` for this, because otherwise libvips 8.18 returns truncated tiles and strips as black.
    Unknown tags do not count as warnings.
    """
    return {"access": "sequential", "fail_on": "warning" if image_format is Format.TIFF else "error"}


def read_number(image: pyvips.Image, name: str, *, default: int) -> int:
    """Return an integer from the header of an image.

    Args:
        image: The image.
        name: Name of the field in libvips.
        default: Returned if the field is missing or not an integer.
    """
    return int(image.get(name)) if image.get_typeof(name) == pyvips.GValue.gint_type else default


def find_buffered_kind(image: pyvips.Image, image_format: Format) -> str | None:
    """Return why an image must be decoded as a whole, or None if it can be decoded row by row.

    Args:
        image: The opened image.
        image_format: Its format.

    Returns:
        A kind of image for `Limits.check_buffered`, such as "progressive JPEG".
    """
    if image_format in (Format.WEBP, Format.GIF):
        return str(image_format.value)
    if image_format is Format.JPEG and read_number(image, "jpeg-multiscan", default=0):
        return "progressive JPEG"
    if image_format is Format.PNG and read_number(image, "interlaced", default=0):
        return "interlaced PNG"
    return None


def normalise(image: pyvips.Image, *, location: str, has_alpha: bool = True) -> pyvips.Image:
    """Convert an image to 8-bit grey (1 band) or sRGB (3 bands).

    Transparent images are put on white, 16-bit values lose their lower 8 bits, CMYK and Lab are converted by profile.

    Args:
        image: The image.
        location: File and page, for the message.
        has_alpha: Whether the channel after the colours is opacity; a channel of another kind is dropped.

    Raises:
        UnidentifiedImage: The image has more than 4 channels or an unsupported sample type.
    """
    if image.interpretation in ("cmyk", "lab", "labs"):
        image = image.colourspace("srgb")
    if image.format not in ("uchar", "ushort") or image.bands > 4:
        raise UnidentifiedImage(
            f"{location}: {image.bands} channels of type {image.format} are not supported; "
            "save it as 8- or 16-bit grey or RGB"
        )
    if image.format == "ushort":
        image = image.cast("uchar", shift=True)
    image = image.copy(interpretation="b-w" if image.bands < 3 else "srgb")
    if image.bands in (1, 3):
        return image
    return image.flatten(background=_WHITE) if has_alpha else image.extract_band(0, n=image.bands - 1)
