"""Small files that want much memory, time or trust from whoever opens them, each with the error that it deserves."""

import struct
import zlib

from ocrfarm.errors import DamagedImage, EncryptedFile, InputError, TooLarge, UnidentifiedImage
from tests.support.image_files import encode, make_noise, png_with_claimed_size, tiff_directory
from tests.support.pdf_files import make_encrypted_pdf, make_pdf, make_stream

ExpectedErrors = dict[str, tuple[bytes, tuple[type[InputError], ...]]]
"""What the file is -> the file, and the errors that are right; none: it may be read."""

_ANY_ERROR = (DamagedImage, TooLarge, UnidentifiedImage)
_UNPACKED_MEGABYTES = 200
"""What a compressed block of these files swells to."""


def malicious_files() -> ExpectedErrors:
    """Give all of them."""
    return {**_headers(), **_compressed(), **_tiffs(), **_pdfs(), **_other_files()}


def _headers() -> ExpectedErrors:
    """Give files whose headers claim what no decoder should believe."""
    image = make_noise(40, 40)
    gif, webp, jp2 = (encode(image, kind) for kind in ("gif", "webp", "jp2"))
    return {
        "a PNG of 100,000 x 100,000": (png_with_claimed_size(100_000, 100_000), (TooLarge,)),
        "a PNG of 2^31 x 1": (png_with_claimed_size(2**31 - 1, 1), (DamagedImage, TooLarge)),
        "a PNG of 1 x 2^31": (png_with_claimed_size(1, 2**31 - 1), (DamagedImage, TooLarge)),
        "a PNG of 20,000 x 20,000 without pixels": (png_with_claimed_size(20_000, 20_000), (DamagedImage,)),
        "an interlaced PNG of 30,000 x 30,000": (_interlaced(png_with_claimed_size(30_000, 30_000)), (TooLarge,)),
        "a progressive JPEG of 60,000 x 30,000": (_jpeg(60_000, 30_000, "progressive.jpg"), (TooLarge,)),
        "a JPEG of 65,500 x 65,500": (_jpeg(65_500, 65_500, "jpg"), (TooLarge,)),
        "a GIF of 65,535 x 65,535": (_gif(gif, 65_535, 65_535), (TooLarge,)),
        "a GIF of 40,000 x 40,000": (_gif(gif, 40_000, 40_000), (TooLarge,)),
        "a WebP of 16,383 x 16,383": (_webp(webp), (DamagedImage, TooLarge)),
        "a JPEG-2000 of 60,000 x 30,000": (_jp2_with_size(jp2, 60_000, 30_000), (TooLarge,)),
        "a JPEG-2000 of 2^32 x 2^32": (_jp2_with_size(jp2, 2**32 - 1, 2**32 - 1), (DamagedImage, TooLarge)),
        "a BMP of 30,000 x 30,000": (_bmp(30_000, 30_000), (TooLarge,)),
    }


def _compressed() -> ExpectedErrors:
    """Give files of sound size in which something swells when it is unpacked."""
    png = encode(make_noise(40, 40), "png")
    swelling = zlib.compress(bytes(_UNPACKED_MEGABYTES << 20), 9)
    return {
        "a PNG with a profile that swells": (_with_chunk(png, b"iCCP", b"x\0\0" + swelling), ()),
        "a PNG with a text that swells": (_with_chunk(png, b"zTXt", b"x\0\0" + swelling), ()),
        "a PNG with more pixels than it says": (_png(40, 40, swelling), ()),
        "a blank PNG of 256 million pixels": (_png(16_000, 16_000, zlib.compress(bytes(16_001 * 16_000), 9)), ()),
    }


def _tiffs() -> ExpectedErrors:
    swelling = zlib.compress(bytes(_UNPACKED_MEGABYTES << 20), 9)
    one_strip = {256: [60_000], 257: [30_000], 278: [30_000]}
    blank = {256: [16_000], 257: [16_000], 278: [16_000]}
    return {
        "a TIFF in a circle": (_tiff(tiff_directory({256: [9], 257: [9]}, following=8)), (DamagedImage, TooLarge)),
        "a TIFF of huge strips": (_tiff(tiff_directory({256: [90_000], 257: [20_000], 278: [2**32 - 1]})), _ANY_ERROR),
        "a TIFF of one strip that is not there": (_strip(one_strip, b"x"), (DamagedImage, TooLarge)),
        "a blank TIFF of 256 million pixels": (_strip(blank, zlib.compress(bytes(16_000**2), 9)), ()),
        "a TIFF whose strip swells": (_strip({256: [40], 257: [40], 278: [40]}, swelling), ()),
        "a TIFF of 3,000 pages": (make_tiff_of_pages(3_000), (TooLarge,)),
        "a TIFF whose strips are too many": (_tiff(tiff_directory({256: [9], 257: [2**31], 273: [8] * 9})), _ANY_ERROR),
        "a TIFF whose tags point behind its end": (_tiff(_far_tags()), _ANY_ERROR),
    }


def _pdfs() -> ExpectedErrors:
    swelling = zlib.compress(bytes(_UNPACKED_MEGABYTES << 20), 9)
    jp2 = encode(make_noise(40, 40), "jp2")
    flate = b"/Filter /FlateDecode "
    return {
        "a PDF of nothing": (
            b"%PDF-1.4\n1 0 obj<</Type/Page/MediaBox[0 0 99999 99999]>>endobj\n%%EOF",
            (DamagedImage,),
        ),
        "a PDF of one huge page": (make_pdf(b"", box=b"[0 0 99999 99999]"), (TooLarge,)),
        "a PDF with a password": (make_encrypted_pdf(), (EncryptedFile,)),
        "a PDF that claims 900,000 pages": (make_pdf(b"", count=900_000), (TooLarge,)),
        "a PDF of 3,000 pages": (make_pdf(b"", kids=3_000, count=3_000), (TooLarge,)),
        "a PDF whose pages are in a circle": (make_pdf(b"", kid=b"2 0 R"), (DamagedImage,)),
        "a PDF with an image of 100,000 x 100,000": (_make_tiff_entries(100_000, flate, b"x"), (TooLarge,)),
        "a PDF with an image that is not there": (_make_tiff_entries(40_000, flate, b"x"), ()),
        "a PDF with an image that swells": (_make_tiff_entries(40, flate, swelling), ()),
        "a PDF with a JPEG-2000 of 40,000 x 40,000": (
            _make_tiff_entries(40_000, b"/Filter /JPXDecode ", jp2),
            (TooLarge,),
        ),
        "a PDF with a JPEG-2000 that lies": (
            _make_tiff_entries(40, b"/Filter /JPXDecode ", _jp2_with_size(jp2, 20_000, 20_000)),
            _ANY_ERROR,
        ),
        "a PDF with a content that swells": (make_pdf(swelling, is_compressed=True), _ANY_ERROR),
        "a PDF of 5,000,000 lines": (
            make_pdf(zlib.compress(b"0 0 m 9 9 l S " * 5_000_000, 9), is_compressed=True),
            _ANY_ERROR,
        ),
        "a PDF of forms in forms": (_nested(30), _ANY_ERROR),
    }


def _make_tiff_entries(side: int, entries: bytes, data: bytes) -> bytes:
    """Give a PDF whose page is an image that claims to be so large."""
    claim = b"/Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 8 /Width %d /Height %d "
    return make_pdf(b"200 0 0 200 0 0 cm /X Do", make_stream(claim % (side, side) + entries, data))


def _nested(levels: int) -> bytes:
    """Give a PDF in which each form draws the next one ten times."""
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 200 200] "
    following = (b"/Resources << /XObject << /X %d 0 R >> >> " % (6 + level) for level in range(levels))
    forms = [make_stream(form + resources, b"/X Do " * 10) for resources in following]
    return make_pdf(b"/X Do ", *forms, make_stream(form, b"0 0 10 10 re f"))


def _other_files() -> ExpectedErrors:
    image = make_noise(40, 40)
    return {
        "a GIF that ends early": (encode(image, "gif")[:-20], (DamagedImage,)),
        "a GIF of 5,000 frames": (_frames(5_000), (TooLarge,)),
        "a JPEG-2000 without its end": (encode(image, "jp2")[:-200], (DamagedImage,)),
        "a text": (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", (UnidentifiedImage,)),
        "nothing": (b"", (UnidentifiedImage,)),
    }


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _with_chunk(png: bytes, name: bytes, data: bytes) -> bytes:
    """Put a chunk behind the header."""
    return png[:33] + _chunk(name, data) + png[33:]


def _png(width: int, height: int, packed: bytes) -> bytes:
    """Give a grey PNG of these packed rows."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _interlaced(png: bytes) -> bytes:
    header = bytearray(png[16:29])
    header[12] = 1
    return png[:8] + _chunk(b"IHDR", bytes(header)) + png[33:]


def _jpeg(width: int, height: int, kind: str) -> bytes:
    return encode(make_noise(8, 9), kind).replace(struct.pack(">HH", 9, 8), struct.pack(">HH", height, width), 1)


def _gif(gif: bytes, width: int, height: int) -> bytes:
    """Claim the size for the screen and for the frame on it."""
    return gif.replace(struct.pack("<HH", 40, 40), struct.pack("<HH", width, height))


def _frames(count: int) -> bytes:
    """Repeat the frame of a GIF."""
    gif = encode(make_noise(4, 4), "gif")
    at = gif.index(b"\x2c\0\0\0\0\x04\0\x04\0")
    return gif[:at] + gif[at:-1] * count + gif[-1:]


def _webp(webp: bytes) -> bytes:
    return webp[:26] + b"\xff\x3f\xff\x3f" + webp[30:]


def _jp2_with_size(jp2: bytes, width: int, height: int) -> bytes:
    return jp2.replace(struct.pack(">II", 40, 40), struct.pack(">II", width, height))


def _bmp(width: int, height: int) -> bytes:
    data = bytearray(encode(make_noise(8, 8), "bmp"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def _tiff(directory: bytes) -> bytes:
    return b"II*\0\x08\0\0\0" + directory


def _strip(shape: dict[int, list[int]], packed: bytes) -> bytes:
    """Give a grey TIFF of one strip that is packed by deflate."""
    fields = {258: [8], 259: [8], 262: [1], 277: [1], 279: [len(packed)], **shape}
    start = 8 + len(tiff_directory({**fields, 273: [0]}))
    return _tiff(tiff_directory({**fields, 273: [start]})) + packed


def make_tiff_of_pages(count: int) -> bytes:
    """Give a TIFF of pages of one pixel, all of whose pixels are the same byte."""
    fields = {256: [1], 257: [1], 258: [8], 259: [1], 262: [1], 273: [4], 277: [1], 278: [1], 279: [1]}
    size = len(tiff_directory(fields))
    followers = [8 + size * number for number in range(1, count)] + [0]
    return _tiff(b"".join(tiff_directory(fields, following=after) for after in followers))


def _far_tags() -> bytes:
    fields = {256: [40], 257: [40], 258: [8], 259: [1], 262: [1], 273: [2**32 - 9], 277: [1], 278: [40], 279: [2**31]}
    return tiff_directory(fields)
