"""Pixels of a tile <-> lossless PNG."""

import os

import numpy as np
import pyvips

from ocrfarm.geometry import Box
from ocrfarm.image.decoding import translate_decoder_errors
from ocrfarm.image.pixels import Pixels
from ocrfarm.image.vips import normalise

_PNG_OPTIONS = {"compression": 1, "filter": "none", "keep": "none"}
"""For scanned text 3 to 7 times as fast as level 6 with filters, with 1.3 to 1.5 times the bytes."""

_encoders: dict[str, int] = {}
"""Under "pid": the first process that encoded a tile. A forked child inherits this number, but not the threads."""


def encode_tile(pixels: Pixels) -> bytes:
    """Encode a tile as PNG; grey stays grey, which takes a third of the memory.

    libvips saves with threads, which do not survive a fork: a child of a process that has encoded would wait for them
    for ever. Encode in the child only, or start children by spawn.

    Args:
        pixels: Height x width (grey) or height x width x 3 (RGB), uint8.

    Raises:
        RuntimeError: This process was forked from a process that has encoded a tile.
        MemoryError: There is not enough memory for the PNG or for a thread.

    Examples:
        >>> import numpy as np
        >>> pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
        >>> bool((decode_tile(encode_tile(pixels)) == pixels).all())
        True
    """
    if _encoders.setdefault("pid", os.getpid()) != os.getpid():
        raise RuntimeError("encode_tile ran before this process was forked: encode in the child only")
    height, width, *bands = pixels.shape
    data = np.ascontiguousarray(pixels).data
    image = pyvips.Image.new_from_memory(data, width, height, bands[0] if bands else 1, "uchar")
    try:
        return bytes(image.copy(interpretation="srgb" if bands else "b-w").pngsave_buffer(**_PNG_OPTIONS))
    except pyvips.Error as error:  # source and target are in memory, so nothing else can fail
        raise MemoryError(f"the tile cannot be encoded ({' '.join(str(error).split())})") from error


def decode_tile(data: bytes, part: Box | None = None) -> Pixels:
    """Decode the PNG of a tile, or a part of it.

    Args:
        data: The PNG.
        part: Box to decode, in pixels of the tile; None: the whole tile. Rows below the part are not decoded.

    Returns:
        Height x width (grey) or height x width x 3 (RGB), uint8.

    Raises:
        DamagedImage: The PNG is truncated or damaged.
    """
    with translate_decoder_errors("tile"):
        loaded = pyvips.Image.pngload_buffer(data, access="sequential", fail_on="error")
        image = normalise(loaded, location="tile")
        box = part or Box(0, 0, image.width, image.height)
        raw = pyvips.Region.new(image).fetch(box.x0, box.y0, box.width, box.height)
    channels = () if image.bands == 1 else (image.bands,)
    return np.frombuffer(raw, np.uint8).reshape(box.height, box.width, *channels)
