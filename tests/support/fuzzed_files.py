"""Damaged images by the thousand: python -m tests.support.fuzzed_files SEED... splits each and says what came of it.

A seed names one file for ever: its format, the image in it and what is broken. A line of output is "seed kind outcome
milliseconds"; a process that dies in between leaves its last line unfinished, and so names the culprit.
"""

import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pillow_heif
from PIL import Image

from ocrfarm.errors import InputError
from ocrfarm.image import Limits, encode_tile, open_source
from ocrfarm.pipeline import iter_tiles, tile_page
from ocrfarm.recognize import Profile, find_profile
from tests.support.image_files import FORMATS, Array, encode, encode_with_pillow, make_noise
from tests.support.pdf_files import make_pdf, make_stream

KINDS = (*FORMATS, "pdf")
LATER_KINDS = ("animated.webp", "animated.gif", "pages.tif", "apng", "heic")
FIRST_LATER_SEED = 1_000_000
"""Seeds from here on name files of `LATER_KINDS`, so that smaller ones name the files that they always named."""

LIMITS = Limits(pixels=20_000_000, side=20_000, pages=50, buffered_pixels=4_000_000)
FILE_TIMEOUT = 20
"""Seconds; within the limits above no sound file takes one."""

MAX_MEMORY_BYTES = 2 << 30
"""Bytes that the process may have: several times what the limits allow."""

pillow_heif.register_heif_opener()

PROFILE: Profile = find_profile("synthetic")
PDF = make_pdf(
    b"q 90 0 0 90 9 9 cm /X Do Q 0 0 m 200 200 l S BT /F 9 Tf (text) Tj ET",
    make_stream(
        b"/Type /XObject /Subtype /Image /ColorSpace /DeviceRGB /BitsPerComponent 8 /Width 40 /Height 40",
        make_noise(40, 40).tobytes(),
    ),
)


@dataclass(frozen=True)
class FuzzResult:
    """What came of a file: "read", the class of the error, "hung", or "died" for its process."""

    seed: int
    kind: str
    outcome: str
    seconds: float = 0.0

    @property
    def is_expected(self) -> bool:
        return self.outcome in ("read", "UnidentifiedImage", "DamagedImage", "TooLarge", "Locked")


def make_damaged_file(seed: int) -> tuple[str, bytes]:
    """Give the kind and the bytes of a damaged file."""
    chance = random.Random(seed)
    kinds = LATER_KINDS if seed >= FIRST_LATER_SEED else KINDS
    kind = kinds[seed % len(kinds)]
    width, height = chance.choice([(1, 1), (7, 300), (64, 64), (130, 90), (400, 33)])
    grey = kind == "png" and chance.random() < 0.3
    data = _encode(make_noise(width, height, grey=grey, seed=seed % 97), kind)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        data = chance.choice(_MUTATIONS)(data, chance)
    return kind, data


def _encode(pixels: Array, kind: str) -> bytes:
    if kind == "pdf":
        return PDF
    if kind in FORMATS:
        return encode(pixels, kind)
    image = Image.fromarray(pixels)
    if kind == "heic":
        return encode_with_pillow(image, format="HEIF")
    others = [Image.fromarray(pixels[:, ::-1].copy()), Image.fromarray(pixels // 2)]
    return encode_with_pillow(image, format=_PAGED[kind], save_all=True, append_images=others)


_PAGED = {"animated.webp": "WEBP", "animated.gif": "GIF", "pages.tif": "TIFF", "apng": "PNG"}


def _flip(data: bytes, chance: random.Random) -> bytes:
    at = _random_offset(data, chance)
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :] if data else data


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _overwrite_number(data: bytes, chance: random.Random) -> bytes:
    """Write a number that claims too much, or nothing, where a size or an offset may stand."""
    form = chance.choice(("<I", ">I", "<H", ">H", "<Q"))
    most = (1 << 8 * struct.calcsize(form)) - 1
    value = struct.pack(form, chance.choice((0, 1, most, most // 2, most // 2 + 1, 65_500, len(data))) & most)
    at = _random_offset(data, chance)
    return data[:at] + value + data[at + len(value) :]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    at, length = _random_offset(data, chance), chance.choice((1, 4, 12, 100))
    return data[:at] + data[at : at + length] * chance.choice((2, 3, 50)) + data[at + length :]


def _remove(data: bytes, chance: random.Random) -> bytes:
    at = _random_offset(data, chance)
    return data[:at] + data[at + chance.choice((1, 2, 4, 12, 100)) :]


def _blank(data: bytes, chance: random.Random) -> bytes:
    at, length = _random_offset(data, chance), chance.choice((2, 8, 64))
    return data[:at] + bytes([chance.choice((0, 255))]) * min(length, len(data) - at) + data[at + length :]


def _splice(data: bytes, chance: random.Random) -> bytes:
    other = encode(make_noise(50, 40, seed=1), chance.choice(FORMATS))
    return data[: _random_offset(data, chance)] + other[_random_offset(other, chance) :]


_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _flip, _overwrite_number, _overwrite_number, _overwrite_number),
    *(_cut, _repeat, _remove, _blank, _splice),
)


def _random_offset(data: bytes, chance: random.Random) -> int:
    """Give a place, more often than not near the start, where the headers are."""
    return chance.randrange(max(1, len(data) if chance.random() < 0.4 else min(len(data), 200)))


def run_fuzz(seeds: Iterable[int]) -> Iterator[FuzzResult]:
    """Split every file in processes of their own; one that dies is started again behind the file that did it."""
    left = list(seeds)
    while left:
        command = [sys.executable, "-m", "tests.support.fuzzed_files", *map(str, left)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60 + FILE_TIMEOUT * len(left)
        )
        for line in done.stdout.splitlines():
            seed, kind, *rest = line.split()
            outcome, seconds = (rest[0], float(rest[1])) if len(rest) == 2 else (f"died:{done.returncode}", 0.0)
            yield FuzzResult(int(seed), kind, outcome, seconds)
            left.remove(int(seed))
        if not done.stdout:
            raise RuntimeError(done.stderr)


def _split(path: Path) -> None:
    """Do with the file what the splitter does."""
    source = open_source(path, LIMITS)
    for number, size in enumerate(source.page_sizes):
        raster = source.page(number)
        for _, pixels in iter_tiles(raster, tile_page(size, PROFILE, number=number)):
            if pixels is not None:
                encode_tile(pixels)
        raster.overview()


class _Hung(BaseException):
    """The time for one file is over."""


def _raise_hung(number: int, frame: FrameType | None) -> None:
    raise _Hung


def _main(seeds: list[str]) -> None:
    signal.signal(signal.SIGALRM, _raise_hung)
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        for seed in seeds:
            kind, data = make_damaged_file(int(seed))
            path.write_bytes(data)
            sys.stdout.write(f"{seed} {kind} ")
            sys.stdout.flush()
            started = time.perf_counter()
            sys.stdout.write(f"{_outcome(path)} {time.perf_counter() - started:.3f}\n")


def _outcome(path: Path) -> str:
    signal.setitimer(signal.ITIMER_REAL, FILE_TIMEOUT)
    try:
        _split(path)
    except _Hung:
        return "hung"
    except InputError as error:
        return type(error).__name__ if "\n" not in str(error) else "two-lines"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        return f"untyped:{type(error).__name__}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "read"


if __name__ == "__main__":
    _main(sys.argv[1:])
