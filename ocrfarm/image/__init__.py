"""Image file -> pixels: checks limits, streams the pages and cuts them into boxes; tiles <-> PNG.

Importing this package imports pyvips and Pillow. Workers and the pipeline do so, the client does not.
"""

from ocrfarm.image.codec import decode_tile, encode_tile
from ocrfarm.image.decoding import StopCheck, never_stop
from ocrfarm.image.limits import Limits
from ocrfarm.image.mosaic import assemble_box
from ocrfarm.image.parallel import prefetch_map
from ocrfarm.image.pixels import Pixels, to_rgb
from ocrfarm.image.raster import Raster
from ocrfarm.image.source import ImageSource, open_source

__all__ = [
    "ImageSource",
    "Limits",
    "Pixels",
    "Raster",
    "StopCheck",
    "assemble_box",
    "decode_tile",
    "encode_tile",
    "never_stop",
    "open_source",
    "prefetch_map",
    "to_rgb",
]
