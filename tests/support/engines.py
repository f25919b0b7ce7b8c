"""Engines for tests, and a store that counts what is asked of it."""

import mmap
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ocrfarm.geometry import Quad
from ocrfarm.recognize import EngineOutput, RgbPixels
from ocrfarm.recognize.engine import LineFilter, accept_all
from ocrfarm.recognize.synthetic_engine import SyntheticEngine
from ocrfarm.storage.store import Store
from ocrfarm.tile import Char, Fragment

STORE_METHODS = ("put", "get", "put_file", "get_file", "exists", "list", "delete", "server_time")
_BYTES = 8
_EDGE, _HEIGHT = 128, 16
"""Pixels: lines lie so far from a tile's sides that no other tile sees them."""


class NoopEngine:
    """Takes so many seconds for each tile and finds so many lines of ten letters on it."""

    model = "synthetic"

    def __init__(self, seconds: float, lines: int) -> None:
        self._seconds, self._lines = seconds, lines

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        if self._seconds:
            time.sleep(self._seconds)
        step = max((pixels.shape[0] - 2 * _EDGE) // max(self._lines, 1), 1)
        return EngineOutput(tuple(_make_fragment(_EDGE + step * number) for number in range(self._lines)))

    def read_lines(self, pixels: RgbPixels, lines: Sequence[Quad]) -> list[Fragment]:
        return [Fragment(line, (), 0.0) for line in lines]


def _make_fragment(y: int) -> Fragment:
    chars = tuple(Char(chr(97 + at), (at + 0.5) / 10, 0.99) for at in range(10))
    return Fragment(Quad.from_bounds(_EDGE, y, _EDGE + 80, y + _HEIGHT), chars, 0.99)


@dataclass
class CountingEngine:
    """Reads synthetic lines, counts the tiles, and does what a test wants before each."""

    model: str = "synthetic"
    reads: int = 0
    before_read: Callable[[int], None] = lambda _: None
    engine: SyntheticEngine = field(default_factory=SyntheticEngine)

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        self.reads += 1
        self.before_read(self.reads)
        return self.engine.read(pixels, accept=accept)

    def read_lines(self, pixels: RgbPixels, lines: Sequence[Quad]) -> list[Fragment]:
        self.reads += 1
        self.before_read(self.reads)
        return self.engine.read_lines(pixels, lines)


class UncertainEngine(SyntheticEngine):
    """Mistakes the line that says "doubtful", and knows that it may be wrong."""

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        found = super().read(pixels, accept=accept)
        return replace(found, fragments=tuple(map(self._misread, found.fragments)))

    def _misread(self, fragment: Fragment) -> Fragment:
        if fragment.text != "doubtful":
            return fragment
        return replace(fragment, chars=tuple(Char("x", char.position, 0.9) for char in fragment.chars), confidence=0.9)


class CountingStore:
    """A store whose requests are counted in a file of this process, which outlives it however it ends."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store, self._folder = store, folder
        self._counts: tuple[int, mmap.mmap] | None = None

    def __getattr__(self, name: str) -> Any:
        if name in STORE_METHODS:
            self._count(STORE_METHODS.index(name))
        return getattr(self._store, name)

    def _count(self, place: int) -> None:
        if not self._counts or self._counts[0] != os.getpid():
            path = self._folder / f"{os.getpid()}.requests"
            path.write_bytes(bytes(_BYTES * len(STORE_METHODS)))
            with path.open("r+b") as file:
                self._counts = os.getpid(), mmap.mmap(file.fileno(), 0)
        at = slice(_BYTES * place, _BYTES * (place + 1))
        counts = self._counts[1]
        counts[at] = (int.from_bytes(counts[at], "little") + 1).to_bytes(_BYTES, "little")


def count_requests(folder: Path) -> Counter[str]:
    """Give how often all processes asked what."""
    found: Counter[str] = Counter()
    for path in folder.glob("*.requests"):
        data = path.read_bytes()
        for place, name in enumerate(STORE_METHODS):
            found[name] += int.from_bytes(data[_BYTES * place : _BYTES * (place + 1)], "little")
    return found
