"""Bytes -> pixels: image files opened within limits, streamed, cut into boxes; tiles as PNG.

Importing this package imports pyvips and Pillow: workers and the pipeline do, the client does not.
"""

from ocrfarm.image.codec import decode_tile, encode_tile
from ocrfarm.image.limits import Limits
from ocrfarm.image.mosaic import mosaic
from ocrfarm.image.pixels import Pixels, to_rgb
from ocrfarm.image.raster import Raster
from ocrfarm.image.source import Source, open_source
from ocrfarm.image.threads import map_ahead

__all__ = [
    "Limits",
    "Pixels",
    "Raster",
    "Source",
    "decode_tile",
    "encode_tile",
    "map_ahead",
    "mosaic",
    "open_source",
    "to_rgb",
]
