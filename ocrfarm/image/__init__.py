"""Bytes -> pixels: image files opened within limits, streamed, cut into boxes; tiles as PNG.

Importing this package imports pyvips and Pillow: workers and the pipeline do, the client does not.
"""

from ocrfarm.image.codec import decode_tile, encode_tile
from ocrfarm.image.limits import Limits
from ocrfarm.image.mosaic import mosaic
from ocrfarm.image.parallel import prefetch_map
from ocrfarm.image.pixels import Pixels, to_rgb
from ocrfarm.image.raster import Raster
from ocrfarm.image.source import ImageSource, open_source

__all__ = [
    "ImageSource",
    "Limits",
    "Pixels",
    "Raster",
    "decode_tile",
    "encode_tile",
    "mosaic",
    "open_source",
    "prefetch_map",
    "to_rgb",
]
