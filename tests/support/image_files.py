"""Small test images, written without ocrfarm: arrays in, files of every format out."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]

LOSSLESS = (
    "png", "interlaced.png", "tif", "deflate.tif", "lzw.tif", "packbits.tif", "tiled.tif", "bigtiff.tif",
    "onestrip.tif", "pillow.tif", "lossless.webp", "jp2", "tiled.jp2", "bmp",
)  # fmt: skip
LOSSY = ("jpg", "progressive.jpg", "jpeg.tif", "webp", "lossy.jp2", "gif")
FORMATS = LOSSLESS + LOSSY

_BY_VIPS: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("pngsave_buffer", {}),
    "interlaced.png": ("pngsave_buffer", {"interlace": True}),
    "jpg": ("jpegsave_buffer", {"Q": 90}),
    "progressive.jpg": ("jpegsave_buffer", {"Q": 90, "interlace": True}),
    "tif": ("tiffsave_buffer", {"tile_height": 16}),
    "deflate.tif": ("tiffsave_buffer", {"compression": "deflate", "tile_height": 16}),
    "lzw.tif": ("tiffsave_buffer", {"compression": "lzw", "tile_height": 16}),
    "packbits.tif": ("tiffsave_buffer", {"compression": "packbits", "tile_height": 16}),
    "jpeg.tif": ("tiffsave_buffer", {"compression": "jpeg", "tile_height": 16}),
    "tiled.tif": ("tiffsave_buffer", {"compression": "deflate", "tile": True, "tile_width": 64, "tile_height": 32}),
    "bigtiff.tif": ("tiffsave_buffer", {"tile": True, "tile_width": 32, "tile_height": 32, "bigtiff": True}),
    "onestrip.tif": ("tiffsave_buffer", {"compression": "deflate", "tile_height": 5000}),
    "webp": ("webpsave_buffer", {}),
    "lossless.webp": ("webpsave_buffer", {"lossless": True, "exact": True}),
    "gif": ("gifsave_buffer", {}),
}
_BY_PILLOW: dict[str, dict[str, Any]] = {
    "pillow.tif": {"format": "TIFF", "compression": "tiff_lzw"},
    "jp2": {"format": "JPEG2000"},
    "tiled.jp2": {"format": "JPEG2000", "tile_size": (32, 32)},
    "lossy.jp2": {"format": "JPEG2000", "irreversible": True, "quality_mode": "rates", "quality_layers": [8]},
    "bmp": {"format": "BMP"},
}


def make_noise(width: int, height: int, *, grey: bool = False, seed: int = 0) -> Array:
    """Give random pixels: every one of them matters to a comparison."""
    shape = (height, width) if grey else (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def encode(pixels: Array, kind: str) -> bytes:
    """Give a file of one of `FORMATS`."""
    if kind in _BY_VIPS:
        save, options = _BY_VIPS[kind]
        return bytes(getattr(pyvips.Image.new_from_array(pixels), save)(**options))
    return encode_with_pillow(Image.fromarray(pixels), **_BY_PILLOW[kind])


def encode_with_pillow(image: Image.Image, **options: Any) -> bytes:
    """Give what Pillow's `save` writes."""
    buffer = BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def write_file(folder: Path, kind: str, data: bytes) -> Path:
    """Write the bytes of a file; the name ends in the kind."""
    path = folder / f"image.{kind}"
    path.write_bytes(data)
    return path


def decode_whole(data: bytes) -> Array:
    """Decode the whole file at once."""
    if data[4:8] == b"jP  " or data[:2] == b"BM":
        return np.asarray(Image.open(BytesIO(data)))
    image = pyvips.Image.new_from_buffer(data, "")
    image = image.flatten(background=255) if image.hasalpha() else image
    pixels = np.frombuffer(image.write_to_memory(), np.uint8)
    return pixels.reshape(image.height, image.width, *([] if image.bands == 1 else [image.bands]))


def png_with_claimed_size(width: int, height: int) -> bytes:
    """Give a PNG whose header claims any size, and that holds next to no pixels."""
    data = bytearray(encode(make_noise(8, 8), "png"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def tiff_with_directory_first(pixels: Array, *, tile: int = 0, rows: int = 16) -> bytes:
    """Give a deflate TIFF of grey pixels with its directory before the pixels: a cut end leaves the header whole."""
    height, width = pixels.shape
    steps = [(y, x) for y in range(0, height, tile or rows) for x in range(0, width, tile or width)]
    pieces = [zlib.compress(_cut_block(pixels, y, x, tile=tile, rows=rows)) for y, x in steps]
    where, sizes, shape = (324, 325, {322: [tile], 323: [tile]}) if tile else (273, 279, {278: [rows]})
    fields = {256: [width], 257: [height], 258: [8], 259: [8], 262: [1], 277: [1], **shape}
    fields[sizes] = [len(piece) for piece in pieces]
    start = len(tiff_directory(fields | {where: [0] * len(pieces)}))
    fields[where] = [8 + start + sum(fields[sizes][:index]) for index in range(len(pieces))]
    return b"II*\x00\x08\x00\x00\x00" + tiff_directory(fields) + b"".join(pieces)


def tiff_directory(fields: dict[int, list[int]], *, at: int = 8, following: int = 0) -> bytes:
    """Give one little-endian directory of 32-bit fields that stands at an offset; `following` is the next one's."""
    entries, values = b"", b""
    behind = at + 2 + 12 * len(fields) + 4
    for tag, numbers in sorted(fields.items()):
        raw = struct.pack(f"<{len(numbers)}I", *numbers)
        inside = raw if len(raw) == 4 else struct.pack("<I", behind + len(values))
        entries += struct.pack("<HHI", tag, 4, len(numbers)) + inside
        values += b"" if len(raw) == 4 else raw
    return struct.pack("<H", len(fields)) + entries + struct.pack("<I", following) + values


def _cut_block(pixels: Array, y: int, x: int, *, tile: int, rows: int) -> bytes:
    if not tile:
        return pixels[y : y + rows].tobytes()
    part = np.zeros((tile, tile), np.uint8)
    inside = pixels[y : y + tile, x : x + tile]
    part[: inside.shape[0], : inside.shape[1]] = inside
    return part.tobytes()
