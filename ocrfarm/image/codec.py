"""One tile as a lossless PNG, and back."""

import os

import numpy as np
import pyvips

from ocrfarm.geometry import Box
from ocrfarm.image.pixels import Pixels
from ocrfarm.image.vips import normalise, translate_errors

_PNG_OPTIONS = {"compression": 1, "filter": "none", "keep": "none"}
"""On scanned text 3 to 7 times as fast as level 6 with filters, for 1.3 to 1.5 times the bytes."""

_encoders: dict[str, int] = {}
"""Under "pid": the first process that encoded; a fork inherits the number, but not the threads."""


def encode_tile(pixels: Pixels) -> bytes:
    """Give the PNG of grey or RGB pixels; grey stays grey, a third of the memory.

    libvips saves with threads that do not survive a fork: a child of a process that has encoded would wait for them
    forever, so it gets a RuntimeError instead. Encode in the child only, or start children by spawn. `MemoryError`
    where there is too little for the PNG or for a thread.
    """
    if _encoders.setdefault("pid", os.getpid()) != os.getpid():
        raise RuntimeError("encode_tile ran before this process was forked: encode in the child only")
    height, width, *bands = pixels.shape
    data = np.ascontiguousarray(pixels).data
    image = pyvips.Image.new_from_memory(data, width, height, bands[0] if bands else 1, "uchar")
    try:
        return bytes(image.copy(interpretation="srgb" if bands else "b-w").pngsave_buffer(**_PNG_OPTIONS))
    except pyvips.Error as error:  # pixels are in memory, and so is the PNG: nothing else can be lacking
        raise MemoryError(f"no tile can be encoded ({' '.join(str(error).split())})") from error


def decode_tile(data: bytes, part: Box | None = None) -> Pixels:
    """Give height x width (grey) or height x width x 3 pixels of a tile's PNG, or of a part (tile pixels).

    `DamagedImage` where it is not whole; below the part it is not looked at.
    """
    with translate_errors("tile"):
        loaded = pyvips.Image.pngload_buffer(data, access="sequential", fail_on="error")
        image = normalise(loaded, location="tile")
        box = part or Box(0, 0, image.width, image.height)
        raw = pyvips.Region.new(image).fetch(box.x0, box.y0, box.width, box.height)
    channels = () if image.bands == 1 else (image.bands,)
    return np.frombuffer(raw, np.uint8).reshape(box.height, box.width, *channels)
