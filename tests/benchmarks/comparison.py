"""Drawn pages read in every way by one choice of models -> counts by method, and what ocrfarm gets wrong."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations

from ocrfarm.document import Line
from ocrfarm.geometry import Size
from ocrfarm.recognize import RgbPixels
from ocrfarm.stitch import stitch
from ocrfarm.tile import SecondPassRegion, Tile, TileResult
from tests.benchmarks.cached_readings import CachedReader, TileSet, drop_repeated
from tests.benchmarks.drawn_pages import DrawnPage
from tests.benchmarks.line_scores import Counts, PageScore, Truth, compare_grids, normalize_text, score_page
from tests.benchmarks.methods import Method, concatenate, methods

FULL, PADDLE = "untiled, full size", "PaddleOCR, its defaults"
OURS, SECOND_PASS = "ocrfarm", "ocrfarm, second pass"


@dataclass(frozen=True)
class Comparison:
    """Adds up pages and tile sets: `counts` by method; `wrong` has a row for each line that ocrfarm gets wrong."""

    reader: CachedReader
    sets: tuple[TileSet, ...]
    methods: Mapping[str, Method] = field(default_factory=methods)
    paddleocr: bool = True
    counts: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    wrong: list[str] = field(default_factory=list)

    def add(self, page: DrawnPage) -> None:
        """Read a page on every grid and untiled, and add up what each method makes of it."""
        truth = Truth(page.lines, self._readable(page))
        untiled = [(PADDLE, self.reader.by_paddleocr(page))] if self.paddleocr else []
        untiled.append((FULL, self.reader.whole(page)))
        by_grid: dict[str, dict[TileSet, Sequence[Line]]] = defaultdict(dict)
        for one in self.sets:
            tiles = one.tiles(page.size)
            readings = self.reader.read(page, one)
            ours = drop_repeated(readings, tiles) + (self.reader.coarse(page, one) if OURS in self.methods else ())
            verdicts = {name: _score_method(concatenate, each, page, truth, tiles)[1] for name, each in untiled}
            for name, method in self.methods.items():
                own = ours if name == OURS else readings
                by_grid[name][one], verdicts[name] = _score_method(method, own, page, truth, tiles)
            if OURS in self.methods:
                again = self.reader.second_pass(page, ours)
                method = partial(_stitch_second_pass, again=again)
                by_grid[SECOND_PASS][one], verdict = _score_method(method, ours, page, truth, tiles)
                seconds = sum(reading.seconds for _, reading in again)
                verdicts[SECOND_PASS] = replace(verdict, counts=verdict.counts + Counts(read=seconds))
            for name, verdict in verdicts.items():
                self.counts[name] += verdict.counts
            if SECOND_PASS in verdicts:
                self.wrong.extend(_error_rows(f"{page.name} {one}", verdicts[SECOND_PASS], verdicts[FULL], page.lines))
        for name, found in by_grid.items():
            self.counts[name] += _agreement(found)

    def _readable(self, page: DrawnPage) -> frozenset[int]:
        read = self.reader.readable(page)
        return frozenset(index for index, text in read.items() if _same(text, page.lines[index].text))


def _stitch_second_pass(
    readings: Sequence[TileResult], pixels: RgbPixels, *, again: Sequence[tuple[SecondPassRegion, TileResult]]
) -> Sequence[Line]:
    return stitch(Size(pixels.shape[1], pixels.shape[0]), readings, second_pass=again)


def _score_method(
    method: Method, readings: Sequence[TileResult], page: DrawnPage, truth: Truth, tiles: Sequence[Tile]
) -> tuple[Sequence[Line], PageScore]:
    started = time.perf_counter()
    lines = method(readings, page.pixels)
    taken = time.perf_counter() - started
    verdict = score_page(lines, truth, tiles)
    times = Counts(read=sum(each.seconds for each in readings), merge=taken, pages=1)
    return lines, replace(verdict, counts=verdict.counts + times)


def _same(one: str, other: str) -> bool:
    return normalize_text(one).replace(" ", "") == normalize_text(other).replace(" ", "")


def _agreement(found: Mapping[TileSet, Sequence[Line]]) -> Counts:
    """Compare each grid with the same one shifted."""
    return sum((compare_grids(found[a], found[b]) for a, b in combinations(found, 2) if a.is_shift_of(b)), Counts())


def _error_rows(where: str, ours: PageScore, untiled: PageScore, true: Sequence[Line]) -> Iterator[str]:
    """Say of each wrong line what is wrong and why.

    Cause `models`: the untiled reading by the same models is wrong too; `seam`: it is right, and the line is cut by a
    tile's side or near one; `chance`: it is right, but there is no seam: the models read another tile another way.
    """
    right = {index for index, text in untiled.texts.items() if text == normalize_text(true[index].text)}
    for wrong in ours.wrong:
        box = wrong.quad.bounds()
        cause = "models" if wrong.index not in right else "seam" if wrong.near_seam else "chance"
        cause = cause if wrong.true else ""
        place = f"{box.x0},{box.y0} {box.width}x{box.height}"
        yield f"{where} | {wrong.what} | {cause} | {place} | {wrong.true!r} | {wrong.found!r}"
