"""A picture as a PDF holds it: the bytes of a JPEG, JPEG-2000, PNG or fax TIFF as they are, never decoded."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Jpeg2KImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from ocrfarm.geometry import Size

Spans = list[tuple[int, int]]
"""First byte and number of bytes of each part of a file."""

_CHUNK = 1 << 20

_SPACES = {"1": b"/DeviceGray", "L": b"/DeviceGray", "RGB": b"/DeviceRGB", "CMYK": b"/DeviceCMYK"}
_CHANNELS = {"L": 1, "RGB": 3, "CMYK": 4}
_PROFILES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK"}
"""What an ICC profile for the mode says at byte 16."""

UPRIGHT = {
    1: (1, 0, 0, 1, 0, 0),
    2: (-1, 0, 0, 1, 1, 0),
    3: (-1, 0, 0, -1, 1, 1),
    4: (1, 0, 0, -1, 0, 1),
    5: (0, -1, -1, 0, 1, 1),
    6: (0, -1, 1, 0, 0, 1),
    7: (0, 1, 1, 0, 0, 0),
    8: (0, 1, -1, 0, 1, 0),
}
"""EXIF orientation -> the matrix that turns the unit square of a picture, y up, upright."""

_TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap rows and columns."""

_ORIENTATION, _FILL_ORDER, _PHOTOMETRIC, _OFFSETS, _COUNTS = 274, 266, 262, 273, 279
"""Tags of TIFF and EXIF."""

NOT_KNOWN = (OSError, SyntaxError, ValueError, KeyError, struct.error)
"""What Pillow's plugins raise for a picture of a kind that they do not know; it may still be one that libvips reads."""


@dataclass(frozen=True, slots=True)
class PdfPicture:
    """What a PDF needs of a picture: its size as stored, its EXIF orientation, the entries of its stream's dictionary.

    `spans` say which bytes of the file are its stream; `profile` is its ICC profile, for so many `channels`.
    """

    size: Size
    entries: bytes
    spans: Spans
    space: bytes
    orientation: int = 1
    profile: bytes = b""
    channels: int = 0

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as seen."""
        width, height = self.size.width, self.size.height
        return (height, width) if self.orientation in _TURNED else (width, height)

    def data(self, file: BinaryIO) -> Iterator[bytes]:
        """Give the stream's bytes."""
        for begin, length in self.spans:
            file.seek(begin)
            for start in range(0, length, _CHUNK):
                yield file.read(min(_CHUNK, length - start))


def as_it_is(file: BinaryIO) -> PdfPicture | None:
    """Give the picture; None where no PDF can hold it as it is: other formats, alpha, interlacing, several pages."""
    file.seek(0)
    head = file.read(12)
    for magic, look in _LOOKS.items():
        if head.startswith(magic):
            file.seek(0)
            with suppress(*NOT_KNOWN):
                return look(file)
    return None


def _jpeg(file: BinaryIO) -> PdfPicture | None:
    picture = JpegImagePlugin.JpegImageFile(file)
    if picture.mode not in _CHANNELS:
        return None
    inverted = b"/Decode [1 0 1 0 1 0 1 0] " if picture.mode == "CMYK" and "adobe" in picture.info else b""
    entries = inverted + b"/BitsPerComponent 8 /Filter /DCTDecode"
    orientation = int(picture.getexif().get(_ORIENTATION, 1))
    return _found(picture, entries, spans=[(0, _length(file))], orientation=orientation)


def _jpeg2000(file: BinaryIO) -> PdfPicture | None:
    picture = Jpeg2KImagePlugin.Jpeg2KImageFile(file)
    if picture.mode not in ("L", "RGB"):
        return None
    return _found(picture, b"/BitsPerComponent 8 /Filter /JPXDecode", spans=[(0, _length(file))])


def _png(file: BinaryIO) -> PdfPicture | None:
    """Take the compressed rows, which PDF knows how to unpack, out of the file's chunks."""
    chunks = list(_chunks(file))
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
        return PdfPicture(Size(width, height), entries, spans, space)
    file.seek(0)
    return _found(PngImagePlugin.PngImageFile(file), entries, spans=spans)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Give name, first byte and length of each chunk of a PNG."""
    at = 8
    while len(head := _read_at(file, at, 8)) == 8:
        length, name = struct.unpack(">I4s", head)
        yield name, at + 8, length
        at += length + 12


def _read_at(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)


def _fax(file: BinaryIO) -> PdfPicture | None:
    """Take the one strip of a bilevel TIFF that is packed as group 4."""
    picture = TiffImagePlugin.TiffImageFile(file)
    tags = picture.tag_v2
    single = picture.n_frames == 1 and len(tags.get(_OFFSETS, ())) == 1 and tags.get(_FILL_ORDER, 1) == 1
    if picture.mode != "1" or picture.info.get("compression") != "group4" or not single:
        return None
    size = b"/Columns %d /Rows %d" % (picture.width, picture.height)
    black = b"true" if tags.get(_PHOTOMETRIC) else b"false"
    packed = b"/Filter /CCITTFaxDecode /DecodeParms << /K -1 %b /BlackIs1 %b >>" % (size, black)
    spans = list(zip(tags[_OFFSETS], tags[_COUNTS], strict=True))
    entries = b"/BitsPerComponent 1 " + packed
    return _found(picture, entries, spans=spans, orientation=int(tags.get(_ORIENTATION, 1)))


def _found(picture: ImageFile, entries: bytes, *, spans: Spans, orientation: int = 1) -> PdfPicture:
    mode = picture.mode if picture.mode in _SPACES else "L"  # Pillow's names for 16 bits of grey
    profile = picture.info.get("icc_profile") or b""
    fits = profile[16:20] == _PROFILES.get(mode)
    size = Size(picture.width, picture.height)
    channels = _CHANNELS.get(mode, 0)
    return PdfPicture(size, entries, spans, _SPACES[mode], orientation, profile if fits else b"", channels)


def _length(file: BinaryIO) -> int:
    return file.seek(0, 2)


_LOOKS = {
    b"\xff\xd8\xff": _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"\0\0\0\x0cjP  ": _jpeg2000,
    b"II*\0": _fax,
    b"MM\0*": _fax,
}
"""By the first bytes of the file."""
