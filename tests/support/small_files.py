"""Small files with much work in them: `python -m tests.support.small_files NAME` splits one and says what it took."""

import io
import json
import resource
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ocrfarm.errors import InputError
from ocrfarm.image import encode_tile, open_source
from ocrfarm.pipeline import iter_tiles, tile_page
from ocrfarm.recognize import find_profile
from tests.support.image_files import tiff_directory
from tests.support.malicious_files import make_tiff_of_pages
from tests.support.pdf_files import FORM, make_endless_form, make_nested_forms, make_pdf, make_slow_pdf, make_stream

TIMEOUT = 600
"""Seconds after which a file counts as stuck."""

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class SplitCost:
    """What it took to split a file; CPU and megabytes are those of the splitter and of its helper process together."""

    outcome: str
    seconds: float
    cpu_seconds: float = 0.0
    megabytes: float = 0.0


def measure_split(path: Path) -> SplitCost:
    """Split a file in a process of its own."""
    command = [sys.executable, "-m", "tests.support.small_files", str(path)]
    started = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return SplitCost("stuck", TIMEOUT)
    seconds = time.perf_counter() - started
    if done.returncode:
        return SplitCost(f"died ({done.returncode})", seconds)
    outcome, cpu_seconds, kilobytes = json.loads(done.stdout)
    return SplitCost(outcome, seconds, cpu_seconds, kilobytes / 1024)


def _main(path: Path) -> None:
    outcome = _split(path)
    own, helper = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu_seconds = sum(usage.ru_utime + usage.ru_stime for usage in (own, helper))
    print(json.dumps([outcome, cpu_seconds, _read_peak() + helper.ru_maxrss]))  # noqa: T201


def _read_peak() -> int:
    """Return the peak of this process in kilobytes; `ru_maxrss` would include that of its parent."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak)


def _split(path: Path) -> str:
    """Do with the file what the splitter does."""
    profile = find_profile("fast")
    try:
        source = open_source(path)
        for number, size in enumerate(source.page_sizes):
            raster = source.page(number)
            for _, pixels in iter_tiles(raster, tile_page(size, profile, number=number)):
                if pixels is not None:
                    encode_tile(pixels)
            raster.overview()
    except InputError as error:
        return type(error).__name__
    return "read"


def make_png(width: int, height: int, *, depth: int = 1, colour: int = 0, interlaced: bool = False) -> bytes:
    """Return a PNG of black pixels."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    row = 1 + (width * depth * channels + 7) // 8
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return _PNG + _chunk(b"IHDR", head) + _chunk(b"IDAT", _deflate_zeros(row * height)) + _chunk(b"IEND", b"")


def _deflate_zeros(count: int) -> bytes:
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    packed = b"".join(packer.compress(block[: min(1 << 20, count - start)]) for start in range(0, count, 1 << 20))
    return packed + packer.flush()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def make_apng(side: int, frames: int) -> bytes:
    """Return an animated PNG, of which the first frame alone is read."""
    return _encode_frames("PNG", side, frames)


def _encode_frames(form: str, side: int, count: int) -> bytes:
    first, *others = (Image.new("L", (side, side), shade % 251) for shade in range(count))
    buffer = io.BytesIO()
    first.save(buffer, form, save_all=True, append_images=others, lossless=True, method=0)
    return buffer.getvalue()


def make_shared_strips(side: int, rows: int, *, pages: int = 1) -> bytes:
    """Return a black TIFF whose strips, of all pages, are the same bytes."""
    strip = zlib.compress(bytes(rows * ((side + 7) // 8)), 9)
    count = -(-side // rows)
    fields = {256: [side], 257: [side], 258: [1], 259: [8], 262: [1], 273: [8] * count, 277: [1], 278: [rows]}
    fields[279] = [len(strip)] * count
    parts, at = [], 8 + len(strip)
    for number in range(pages):
        size = len(tiff_directory(fields))
        parts.append(tiff_directory(fields, at=at, following=at + size if number + 1 < pages else 0))
        at += size
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + b"".join(parts)


def make_shared_tiles(side: int, tile: int) -> bytes:
    """Return a black TIFF whose tiles are the same bytes."""
    packed, count = zlib.compress(bytes(tile * tile // 8), 9), (-(-side // tile)) ** 2
    fields = {256: [side], 257: [side], 258: [1], 259: [8], 262: [1], 277: [1], 322: [tile], 323: [tile]}
    fields |= {324: [8] * count, 325: [len(packed)] * count}
    return b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + tiff_directory(fields, at=8 + len(packed))


def _make_pdf_of_pages(count: int, side: int, content: bytes, *forms: bytes) -> bytes:
    return make_pdf(content, *forms, box=b"[0 0 %d %d]" % (side, side), kids=count, count=count)


def _make_flate_bomb(megabytes: int, text: bytes) -> bytes:
    packer = zlib.compressobj(9)
    block = text * ((1 << 20) // len(text))
    packed = b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()
    return make_pdf(packed, is_compressed=True)


def _make_image_pdf(width: int, height: int, *, times: int, filters: bytes = b"/FlateDecode") -> bytes:
    """Return a PDF that draws one deflated image of black pixels so many times."""
    data = _deflate_zeros(width * height // 8)
    for _ in range(filters.count(b"/FlateDecode") - 1):
        data = zlib.compress(data, 9)
    entries = b"/Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 1 /Width %d /Height %d "
    image = make_stream(entries % (width, height) + b"/Filter [%b]" % filters, data)
    return make_pdf(b"200 0 0 200 0 0 cm " + b"/X Do " * times, image)


def _make_blended_pdf(levels: int) -> bytes:
    """Return a PDF of transparency groups in one another, each of which needs a bitmap."""
    group = FORM + b"/Group << /S /Transparency /I true >> "
    forms = [
        make_stream(group + b"/Resources << /XObject << /X %d 0 R >> >> " % (6 + level), b"/X Do /X Do ")
        for level in range(levels)
    ]
    return make_pdf(b"/X Do", *forms, make_stream(group, b"0 0 200 200 re f"), box=b"[0 0 4000 4000]")


def _make_shaded_pdf(count: int) -> bytes:
    """Return a PDF that fills its page with a computed shading so many times."""
    function = b"<< /FunctionType 4 /Domain [0 1] /Range [0 1 0 1 0 1] /Length %d >>\nstream\n%b\nendstream"
    code = b"{ " + b"dup sin cos sqrt " * 200 + b"dup dup }"
    shading = b"<< /ShadingType 2 /ColorSpace /DeviceRGB /Coords [0 0 2000 2000] /Function 6 0 R /Extend [true true] >>"
    page = make_pdf(b"/X sh " * count, shading, function % (len(code), code), box=b"[0 0 4000 4000]")
    return page.replace(b"/XObject", b"/Shading", 1)


SMALL_FILES: dict[str, Callable[[], bytes]] = {
    "PDF, a form that draws itself three times": make_endless_form,
    "PDF, a pattern in tiny steps": make_slow_pdf,
    "PDF, 12 forms of 12 forms, 12 deep": lambda: make_nested_forms(12, 12),
    "PDF, a content of 520 MB": lambda: _make_flate_bomb(520, b"0 0 m 9 9 l S "),
    "PDF, a content of 2 GB of spaces": lambda: _make_flate_bomb(2_000, b" "),
    "PDF, open arrays, 5 million deep": lambda: _make_flate_bomb(5, b"["),
    "PDF, saved states, 10 million": lambda: _make_flate_bomb(20, b"q "),
    "PDF, 2,000 pages of A1": lambda: _make_pdf_of_pages(2_000, 1_684, b""),
    "PDF, 80 pages of 3,500 pixels": lambda: _make_pdf_of_pages(80, 840, b"0 0 m 840 840 l S"),
    "PDF, 2,000 pages of 150 pixels": lambda: _make_pdf_of_pages(2_000, 36, b"0 0 m 9 9 l S"),
    "PDF, one page of 44,000 pixels": lambda: _make_pdf_of_pages(1, 10_560, b"0 0 m 9 9 l S"),
    "PDF, 2,000 pages that draw slow forms": lambda: _make_pdf_of_pages(
        2_000, 36, b"/X Do " * 9_000, make_stream(FORM, b"0 0 9 9 re f " * 9_000)
    ),
    "PDF, an image of 40,000 pixels, drawn 100 times": lambda: _make_image_pdf(40_000, 40_000, times=100),
    "PDF, an image deflated three times": lambda: _make_image_pdf(
        40_000, 40_000, times=1, filters=b"/FlateDecode /FlateDecode /FlateDecode"
    ),
    "PDF, 14 transparency groups in one another": lambda: _make_blended_pdf(14),
    "PDF, 1,000 computed shadings": lambda: _make_shaded_pdf(1_000),
    "WebP, 100 frames of 2,000 pixels": lambda: _encode_frames("WEBP", 2_000, 100),
    "WebP, 1,000 frames of 500 pixels": lambda: _encode_frames("WEBP", 500, 1_000),
    "GIF, 300 frames of 2,000 pixels": lambda: _encode_frames("GIF", 2_000, 300),
    "APNG, 100 frames of 2,000 pixels": lambda: make_apng(2_000, 100),
    "PNG, 44,000 x 44,000, one bit": lambda: make_png(44_000, 44_000),
    "PNG, 20,000 x 20,000, 16-bit RGBA": lambda: make_png(20_000, 20_000, depth=16, colour=6),
    "PNG, 8,000 x 8,000, interlaced": lambda: make_png(8_000, 8_000, interlaced=True),
    "PNG, 100,000 x 19,000": lambda: make_png(100_000, 19_000),
    "PNG, 1 x 100,000": lambda: make_png(1, 100_000),
    "TIFF, 2,000 pages of one pixel": lambda: make_tiff_of_pages(2_000),
    "TIFF, 2,000 pages of 700 pixels": lambda: make_shared_strips(700, 700, pages=2_000),
    "TIFF, one strip for all of 44,000 rows": lambda: make_shared_strips(44_000, 1_000),
    "TIFF, one tile for all of 44,000 rows": lambda: make_shared_tiles(44_000, 4_096),
    "TIFF, strips of one row": lambda: make_shared_strips(44_000, 1),
}
"""What is in the file -> its bytes."""


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
