"""An image as a PDF contains it: the bytes of a JPEG, JPEG 2000, PNG or Group 4 TIFF, which are not decoded."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Jpeg2KImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from ocrfarm.geometry import Size

ByteRanges = list[tuple[int, int]]
"""Offset and length in bytes of each part of a file."""

_CHUNK = 1 << 20

_COLOUR_SPACES = {"1": b"/DeviceGray", "L": b"/DeviceGray", "RGB": b"/DeviceRGB", "CMYK": b"/DeviceCMYK"}
_CHANNELS = {"L": 1, "RGB": 3, "CMYK": 4}
_ICC_SIGNATURES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK"}
"""Bytes 16 to 19 of an ICC profile for the mode: its colour space."""

ORIENTATION_MATRICES = {
    1: (1, 0, 0, 1, 0, 0),
    2: (-1, 0, 0, 1, 1, 0),
    3: (-1, 0, 0, -1, 1, 1),
    4: (1, 0, 0, -1, 0, 1),
    5: (0, -1, -1, 0, 1, 1),
    6: (0, -1, 1, 0, 0, 1),
    7: (0, 1, 1, 0, 0, 0),
    8: (0, 1, -1, 0, 1, 0),
}
"""EXIF orientation -> the matrix that puts the unit square of an image upright, with y upwards."""

_TRANSPOSED = (5, 6, 7, 8)
"""EXIF orientations that swap rows and columns."""

_ORIENTATION, _FILL_ORDER, _PHOTOMETRIC, _OFFSETS, _COUNTS = 274, 266, 262, 273, 279
"""Tags of TIFF and EXIF."""

UNSUPPORTED_IMAGE_ERRORS = (OSError, SyntaxError, ValueError, KeyError, struct.error)
"""What Pillow's plugins raise for an image of a kind that they do not support; libvips may still read it."""


@dataclass(frozen=True, slots=True)
class PdfImage:
    """An image that a PDF can contain without decoding.

    Attributes:
        size: Width and height as stored.
        entries: Entries of the stream's dictionary in PDF's syntax.
        byte_ranges: The parts of the file that are the stream.
        colour_space: Its colour space in PDF's syntax.
        orientation: EXIF orientation, 1 to 8.
        icc_profile: Its ICC profile; empty if none.
        channels: Number of colour channels, which the profile needs.
    """

    size: Size
    entries: bytes
    byte_ranges: ByteRanges
    colour_space: bytes
    orientation: int = 1
    icc_profile: bytes = b""
    channels: int = 0

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height as shown, in pixels."""
        width, height = self.size.width, self.size.height
        return (height, width) if self.orientation in _TRANSPOSED else (width, height)

    def iter_stream(self, file: BinaryIO) -> Iterator[bytes]:
        """Return the bytes of the stream, read from the file of the image."""
        for begin, length in self.byte_ranges:
            file.seek(begin)
            for start in range(0, length, _CHUNK):
                yield file.read(min(_CHUNK, length - start))


def parse_embeddable(file: BinaryIO) -> PdfImage | None:
    """Return the image, or None if a PDF cannot contain it as it is.

    That is the case for other formats and for images with alpha, interlacing or several pages.
    """
    file.seek(0)
    head = file.read(12)
    for magic, parse in _PARSERS.items():
        if head.startswith(magic):
            file.seek(0)
            with suppress(*UNSUPPORTED_IMAGE_ERRORS):
                return parse(file)
    return None


def _parse_jpeg(file: BinaryIO) -> PdfImage | None:
    image = JpegImagePlugin.JpegImageFile(file)
    if image.mode not in _CHANNELS:
        return None
    inverted = b"/Decode [1 0 1 0 1 0 1 0] " if image.mode == "CMYK" and "adobe" in image.info else b""
    entries = inverted + b"/BitsPerComponent 8 /Filter /DCTDecode"
    orientation = int(image.getexif().get(_ORIENTATION, 1))
    return _build_image(image, entries, byte_ranges=[(0, _file_size(file))], orientation=orientation)


def _parse_jpeg2000(file: BinaryIO) -> PdfImage | None:
    image = Jpeg2KImagePlugin.Jpeg2KImageFile(file)
    if image.mode not in ("L", "RGB"):
        return None
    return _build_image(image, b"/BitsPerComponent 8 /Filter /JPXDecode", byte_ranges=[(0, _file_size(file))])


def _parse_png(file: BinaryIO) -> PdfImage | None:
    """Find the compressed rows in the chunks; the filter of PDF decodes them with PNG's predictors."""
    chunks = list(_iter_png_chunks(file))
    named = {name: (begin, length) for name, begin, length in chunks}
    file.seek(named[b"IHDR"][0])
    width, height, bits, colour, _, _, interlaced = struct.unpack(">2I5B", file.read(13))
    if interlaced or colour not in (0, 2, 3) or b"tRNS" in named or b"eXIf" in named:
        return None
    bands = 3 if colour == 2 else 1
    rows = b"/Predictor 15 /Colors %d /BitsPerComponent %d /Columns %d" % (bands, bits, width)
    entries = b"/BitsPerComponent %d /Filter /FlateDecode /DecodeParms << %b >>" % (bits, rows)
    spans = [(begin, length) for name, begin, length in chunks if name == b"IDAT"]
    if colour == 3:
        file.seek(named[b"PLTE"][0])
        palette = file.read(named[b"PLTE"][1])
        space = b"[/Indexed /DeviceRGB %d <%b>]" % (len(palette) // 3 - 1, palette.hex().encode())
        return PdfImage(Size(width, height), entries, spans, space)
    file.seek(0)
    return _build_image(PngImagePlugin.PngImageFile(file), entries, byte_ranges=spans)


def _iter_png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Return name, offset and length of each chunk of a PNG."""
    at = 8
    while len(head := _read_at(file, at, 8)) == 8:
        length, name = struct.unpack(">I4s", head)
        yield name, at + 8, length
        at += length + 12


def _read_at(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)


def _parse_fax_tiff(file: BinaryIO) -> PdfImage | None:
    """Find the only strip of a bilevel TIFF with Group 4 compression."""
    image = TiffImagePlugin.TiffImageFile(file)
    tags = image.tag_v2
    single = image.n_frames == 1 and len(tags.get(_OFFSETS, ())) == 1 and tags.get(_FILL_ORDER, 1) == 1
    if image.mode != "1" or image.info.get("compression") != "group4" or not single:
        return None
    size = b"/Columns %d /Rows %d" % (image.width, image.height)
    black = b"true" if tags.get(_PHOTOMETRIC) else b"false"
    packed = b"/Filter /CCITTFaxDecode /DecodeParms << /K -1 %b /BlackIs1 %b >>" % (size, black)
    spans = list(zip(tags[_OFFSETS], tags[_COUNTS], strict=True))
    entries = b"/BitsPerComponent 1 " + packed
    return _build_image(image, entries, byte_ranges=spans, orientation=int(tags.get(_ORIENTATION, 1)))


def _build_image(image: ImageFile, entries: bytes, *, byte_ranges: ByteRanges, orientation: int = 1) -> PdfImage:
    mode = image.mode if image.mode in _COLOUR_SPACES else "L"  # Pillow's names for 16 bits of grey
    profile = image.info.get("icc_profile") or b""
    fits = profile[16:20] == _ICC_SIGNATURES.get(mode)
    size = Size(image.width, image.height)
    channels = _CHANNELS.get(mode, 0)
    return PdfImage(size, entries, byte_ranges, _COLOUR_SPACES[mode], orientation, profile if fits else b"", channels)


def _file_size(file: BinaryIO) -> int:
    return file.seek(0, 2)


_PARSERS = {
    b"\xff\xd8\xff": _parse_jpeg,
    b"\x89PNG\r\n\x1a\n": _parse_png,
    b"\0\0\0\x0cjP  ": _parse_jpeg2000,
    b"II*\0": _parse_fax_tiff,
    b"MM\0*": _parse_fax_tiff,
}
"""By the first bytes of the file."""
