"""A page -> a pyramid of small pictures in the layout of Deep Zoom, which browsers load as they need them."""

from pathlib import Path

import pyvips

from ocrfarm.image.orientation import Orientation

TILE = 510
"""Pixels of a picture's side; with the overlap of its neighbours a browser decodes 512 x 512."""

OVERLAP = 1
"""Pixels that neighbours share, so that no seam shows between them when they are scaled."""

_QUALITY = 85
"""Of JPEG: all levels together take 0.17 bytes a pixel of scanned receipts, 0.13 of a drawn sheet."""


def save(image: pyvips.Image, path: Path, *, orientation: Orientation) -> None:
    """Write PATH.dzi and the folder PATH_files; the image is read once, from top to bottom."""
    upright = _upright(image, orientation)
    upright.dzsave(str(path), tile_size=TILE, overlap=OVERLAP, suffix=f".jpg[Q={_QUALITY}]", keep="none")
    path.with_name(f"{path.name}_files").joinpath("vips-properties.xml").unlink()  # it tells when, and no viewer asks


def _upright(image: pyvips.Image, orientation: Orientation) -> pyvips.Image:
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
