"""A large sheet of scanned receipts against the same receipts read one by one by the same models."""

import csv
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrfarm.document import Line
from ocrfarm.geometry import Quad
from ocrfarm.recognize import RgbPixels
from ocrfarm.split.text_height import estimate_text_height, overlap_for
from ocrfarm.stitch import stitch
from tests.benchmarks.cached_readings import CachedReader, TileSet, drop_repeated
from tests.benchmarks.drawn_pages import DrawnPage
from tests.benchmarks.word_scores import Score, score_words

_PAPER = 245
"""Grey level between the receipts."""

_GAP = (8, 60)
"""Pixels between receipts."""


@dataclass(frozen=True)
class _Receipt:
    page: DrawnPage
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class _Sheet:
    """The composed page, and at which (x, y) each receipt lies."""

    page: DrawnPage
    places: list[tuple[_Receipt, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class SheetComparison:
    """The words of a sheet, found on it and on its receipts one by one; seconds of the engine and of the stitcher."""

    receipts: int
    tiled: Score
    alone: Score
    read_again: int
    seconds: float
    read_again_seconds: float
    stitch_seconds: float

    def describe(self) -> str:
        """Return one line for the screen."""
        ratio = self.tiled.f1 / max(self.alone.f1, 1e-9)
        seconds = f"reading {self.seconds:.0f} s, {self.read_again} places again {self.read_again_seconds:.1f} s"
        return (
            f"{self.receipts} receipts, {self.tiled.truth} words: {_format_score(self.tiled)}; alone "
            f"{_format_score(self.alone)}; {ratio:.4f} x; {seconds}, stitching {self.stitch_seconds:.2f} s"
        )

    def figures(self, model: str) -> dict[str, tuple[int | float, str]]:
        """Return what goes into docs/figures.json."""
        name = f"accuracy.receipts.{model}"
        return {
            "accuracy.receipts.count": (self.receipts, ""),
            "accuracy.receipts.words": (self.tiled.truth, ""),
            f"{name}.f1": (round(self.tiled.f1, 4), "F1"),
            f"{name}.f1_alone": (round(self.alone.f1, 4), "F1"),
            f"{name}.duplicates": (self.tiled.duplicates, ""),
            f"{name}.read_again": (self.read_again, ""),
            f"{name}.read_again_time": (round(100 * self.read_again_seconds / self.seconds), "%"),
        }


def compare_sheet(reader: CachedReader, folder: Path, *, side: int, seed: int) -> SheetComparison:
    """Compose a sheet and count the words that are found on it, and on its receipts alone."""
    sheet = _compose_folder(folder, side, seed)
    truth = [(line.text, line.quad) for line in sheet.page.lines]
    tiles = _tiles(reader, sheet.page)
    readings = drop_repeated(reader.read(sheet.page, tiles), tiles.tiles(sheet.page.size)) + reader.coarse(
        sheet.page, tiles
    )
    again = reader.second_pass(sheet.page, readings)
    started = time.perf_counter()
    found = stitch(sheet.page.size, readings, second_pass=again)
    taken = time.perf_counter() - started
    tiled = score_words(((line.text, line.quad) for line in found), truth)
    alone = score_words(_read_receipts(reader, sheet), truth)
    read, reread = (sum(each.seconds for each in group) for group in (readings, [reading for _, reading in again]))
    return SheetComparison(len(sheet.places), tiled, alone, len(again), read, reread, taken)


def compose_sheet(folder: Path, *, side: int, seed: int) -> DrawnPage:
    """Compose a square sheet of `side` pixels from the receipts of a folder, chosen at random."""
    return _compose_folder(folder, side, seed).page


def _compose_folder(folder: Path, side: int, seed: int) -> _Sheet:
    return _compose([_load(path) for path in sorted((folder / "img").glob("*.jpg"))], side, seed)


def _tiles(reader: CachedReader, page: DrawnPage) -> TileSet:
    """Choose the tiles as the product does."""
    side, overlap = reader.profile.tiling.side, reader.profile.tiling.overlap
    return TileSet(side, overlap or overlap_for(estimate_text_height(page.pixels[:side])))


def _format_score(found: Score) -> str:
    wrong = found.found - found.hits
    return f"F1 {found.f1:.4f} ({found.hits} found, {wrong} wrong, {found.duplicates} twice)"


def _read_receipts(reader: CachedReader, sheet: _Sheet) -> Iterator[tuple[str, Quad]]:
    """Give what is read on each receipt by itself, moved to where it lies on the sheet."""
    for receipt, x, y in sheet.places:
        for reading in reader.whole(receipt.page):
            yield from ((fragment.text, fragment.quad.transform(x, y)) for fragment in reading.fragments)


def _load(path: Path) -> _Receipt:
    grey = np.asarray(Image.open(path).convert("L"))
    rows = csv.reader(
        (path.parents[1] / "box" / f"{path.stem}.csv").read_text(encoding="utf-8", errors="replace").splitlines(),
        quoting=csv.QUOTE_NONE,
    )
    lines = tuple(
        Line(text, Quad.from_points([(float(row[k]), float(row[k + 1])) for k in range(0, 8, 2)]), 1.0)
        for row in rows
        if len(row) > 8 and (text := ",".join(row[8:]).strip())
    )
    return _Receipt(DrawnPage(f"receipt-{path.stem}", _rgb(grey), lines, {}), lines)


def _compose(receipts: list[_Receipt], side: int, seed: int) -> _Sheet:
    """Fill columns from the left, each from the top, with receipts chosen at random."""
    rng = random.Random(seed)
    grey = np.full((side, side), _PAPER, np.uint8)
    lines: list[Line] = []
    places: list[tuple[_Receipt, int, int]] = []
    x = rng.randint(*_GAP)
    while True:
        y, widest = rng.randint(*_GAP), 0
        while True:
            receipt = rng.choice(receipts)
            width, height = receipt.page.size.width, receipt.page.size.height
            if x + width > side or y + height > side:
                break
            grey[y : y + height, x : x + width] = receipt.page.pixels[:, :, 0]
            lines += [Line(line.text, line.quad.transform(x, y), 1.0) for line in receipt.lines]
            places.append((receipt, x, y))
            y, widest = y + height + rng.randint(*_GAP), max(widest, width)
        if not widest:
            return _Sheet(DrawnPage(f"sheet-{side}-{seed}", _rgb(grey), tuple(lines), {}), places)
        x += widest + rng.randint(*_GAP)


def _rgb(grey: NDArray[np.uint8]) -> RgbPixels:
    """Show a grey image as red, green and blue without copying it."""
    return np.broadcast_to(grey[:, :, None], (*grey.shape, 3))
