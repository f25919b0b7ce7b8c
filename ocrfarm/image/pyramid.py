"""A page -> a pyramid of small images in the layout of Deep Zoom, which browsers load as they need them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import pyvips

from ocrfarm.image.orientation import Orientation
from ocrfarm.image.vips import VipsRows

if TYPE_CHECKING:
    from ocrfarm.image.raster import Rows

TILE_SIZE = 510
"""Pixels of an image's side; with the overlap of its neighbours a browser decodes 512 x 512."""

TILE_OVERLAP = 1
"""Pixels that neighbours share, so that no seam shows between them when they are scaled."""

_JPEG_QUALITY = 85
"""Of JPEG: all levels together take 0.17 bytes a pixel of scanned receipts, 0.13 of a drawn sheet."""


_STRIP_ROWS = 64
"""Rows that are taken at a time."""


def save(rows: "Rows", path: Path, *, orientation: Orientation) -> None:
    """Write PATH.dzi and the folder PATH_files; the rows are read once, from top to bottom."""
    with _open_image(rows) as image:
        upright = _turn_upright(image, orientation)
        upright.dzsave(
            str(path), tile_size=TILE_SIZE, overlap=TILE_OVERLAP, suffix=f".jpg[Q={_JPEG_QUALITY}]", keep="none"
        )
    path.with_name(f"{path.name}_files").joinpath("vips-properties.xml").unlink()  # it tells when, and no viewer asks


@contextmanager
def _open_image(rows: "Rows") -> Iterator[pyvips.Image]:
    """Give the image behind the rows, or one in a temporary file where they are drawn, as of a PDF."""
    if isinstance(rows, VipsRows):
        yield rows.image
        return
    with NamedTemporaryFile(suffix=".raw") as file:
        for strip in rows.strips(_STRIP_ROWS):
            file.write(strip.tobytes())
        file.flush()
        yield pyvips.Image.rawload(file.name, rows.size.width, rows.size.height, rows.bands, access="sequential")


def _turn_upright(image: pyvips.Image, orientation: Orientation) -> pyvips.Image:
    """Turn the image upright, by way of a temporary file where its rows cannot be taken in their order."""
    if orientation.swap or orientation.mirror_y:
        copy = pyvips.Image.new_temp_file("%s.v")
        image.write(copy)
        image = copy
    if orientation.swap:
        image = image.rot90().fliphor()
    if orientation.mirror_x:
        image = image.fliphor()
    return image.flipver() if orientation.mirror_y else image
