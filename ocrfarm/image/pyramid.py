"""Page -> Deep Zoom pyramid: small JPEG tiles at every scale, which the viewer loads on demand."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import pyvips

from ocrfarm.image.orientation import Orientation
from ocrfarm.image.vips import VipsRows

if TYPE_CHECKING:
    from ocrfarm.image.raster import StoredRaster

TILE_SIZE = 510
"""Pixels: side of a tile; with the overlap of its neighbours a browser decodes 512 x 512."""

TILE_OVERLAP = 1
"""Pixels that neighbouring tiles share, so that no seam is visible between them when they are scaled."""

_JPEG_QUALITY = 85
"""JPEG quality: all levels together take 0.17 bytes per pixel of scanned receipts, 0.13 of a drawn sheet."""

_STRIP_ROWS = 64
"""Rows that are read at a time."""


def save(stored: "StoredRaster", path: Path, *, orientation: Orientation) -> None:
    """Write PATH.dzi and the folder PATH_files; the rows are read once, from top to bottom.

    Args:
        stored: The page as stored.
        path: Path without extension.
        orientation: How the page becomes upright.
    """
    with _open_image(stored) as image:
        upright = _turn_upright(image, orientation)
        upright.dzsave(
            os.fsencode(path), tile_size=TILE_SIZE, overlap=TILE_OVERLAP, suffix=f".jpg[Q={_JPEG_QUALITY}]", keep="none"
        )
    # This file contains the time of writing, and no viewer reads it.
    path.with_name(f"{path.name}_files").joinpath("vips-properties.xml").unlink()


@contextmanager
def _open_image(stored: "StoredRaster") -> Iterator[pyvips.Image]:
    """Yield the libvips image of the page; rows of another source, such as a PDF, are copied to a temporary file."""
    if isinstance(stored, VipsRows):
        yield stored.image
        return
    with NamedTemporaryFile(suffix=".raw") as file:
        for strip in stored.strips(_STRIP_ROWS):
            file.write(strip.tobytes())
        file.flush()
        yield pyvips.Image.rawload(file.name, stored.size.width, stored.size.height, stored.bands, access="sequential")


def _turn_upright(image: pyvips.Image, orientation: Orientation) -> pyvips.Image:
    """Rotate the image upright, through a temporary file if its rows are not needed in stored order."""
    if orientation.swap or orientation.mirror_y:
        copy = pyvips.Image.new_temp_file("%s.v")
        image.write(copy)
        image = copy
    if orientation.swap:
        image = image.rot90().fliphor()
    if orientation.mirror_x:
        image = image.fliphor()
    return image.flipver() if orientation.mirror_y else image
