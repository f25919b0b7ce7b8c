"""`scripts/bench calibrate`: what each constant of stitching decides, on pages whose text is known."""

import importlib
import os
import pkgutil
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import click

from ocrfarm import stitch as stage
from ocrfarm.document import Line
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.recognize import WeightsFolders
from ocrfarm.recognize.model_registry import MODELS
from ocrfarm.settings import Settings
from ocrfarm.stitch import select_second_pass, stitch
from ocrfarm.tile import Char, Fragment, SecondPassKind, SecondPassRegion, Tile, TileResult
from tests.benchmarks.cached_readings import CachedReader, TileSet, drop_repeated, versions
from tests.benchmarks.drawn_pages import DrawnPage, draw_page
from tests.benchmarks.layouts import make_layouts, order_share
from tests.benchmarks.line_scores import Counts, Truth, score_page
from tests.benchmarks.record import Value, record_figures, record_option
from tests.benchmarks.sheets import compose_sheet
from tests.benchmarks.sweeps import LAYOUT_SWEEPS, SECOND_PASS_SWEEPS, SWEEPS, Sweep
from tests.support.synthetic_lines import SimulatedOcr, make_grid, make_lines, simulate_readings

_MODULES = [importlib.import_module(f"{stage.__name__}.{item.name}") for item in pkgutil.iter_modules(stage.__path__)]
_KINDS = ("mixed", "tables", "rotated", "big", "han", "latin")
_SIZE = Size(3072, 2304)
_TILE_SETS = tuple(map(TileSet.parse, ("640/96", "384/64+160+224")))
_SIMULATED_SIZE, _SIMULATED_SIDE = Size(1600, 1200), 640
_LINES = (("words", 0.7), ("numbers", 0.0), ("words", 12.0), ("words", 90.0), ("han", 182.0))
"""What is written on simulated pages, and at which angle in degrees."""

_SIMULATED = (
    (64, SimulatedOcr(jitter=0.18, angle_jitter=2.0, error_rate=0.3, split_rate=0.05, reads_slices=True), 0.0),
    (160, SimulatedOcr(jitter=0.1, angle_jitter=1.0, error_rate=0.13, split_rate=0.3, reads_slices=True), 0.0),
    (40, SimulatedOcr(jitter=0.15, angle_jitter=1.5, error_rate=0.5, split_rate=0.02, reads_slices=True), 0.0),
    (128, SimulatedOcr(jitter=0.1, angle_jitter=1.0, error_rate=0.13, split_rate=0.02, reads_slices=True), 0.15),
)
"""Pixels of overlap, how badly the models see, and the share of the fragments that are read upside down. All of it is
worse than what the real models do, or few constants would matter."""

_LAYOUTS = 30
_CACHE = Path(tempfile.gettempdir()) / "ocrfarm-accuracy"


T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """A page as the tiles of one grid read it; `reader` and `page` read places of it again, None: it is simulated."""

    size: Size
    readings: Sequence[TileResult]
    truth: Truth
    tiles: Sequence[Tile]
    reader: CachedReader | None = None
    page: DrawnPage | None = None
    known: dict[tuple[Box, tuple[Quad, ...], SecondPassKind], TileResult] = field(default_factory=dict)
    scored: dict[tuple[Line, ...], Counts] = field(default_factory=dict)

    def count(self) -> Counts:
        """Stitch the first readings and compare the lines with the truth."""
        return self._score(stitch(self.size, self.readings))

    def count_second_pass(self) -> Counts:
        """Do the same with a second pass, which reads the places that stitching asks for with today's constants."""
        return self._score(stitch(self.size, self.readings, second_pass=self._reread()))

    def _score(self, lines: tuple[Line, ...]) -> Counts:
        """Compare lines with the truth, once for the same lines: most values change nothing on most pages."""
        if lines not in self.scored:
            self.scored[lines] = score_page(lines, self.truth, self.tiles).counts
        return self.scored[lines]

    def _reread(self) -> list[tuple[SecondPassRegion, TileResult]]:
        """Read each place once, however often it is asked for."""
        if not self.reader or not self.page:
            return []
        regions = select_second_pass(self.size, self.readings)
        unknown = [region for region in regions if _place(region) not in self.known]
        self.known.update({_place(region): found for region, found in self.reader.reread(self.page, unknown)})
        return [(region, replace(self.known[_place(region)], tile=region.tile)) for region in regions]


def _place(region: SecondPassRegion) -> tuple[Box, tuple[Quad, ...], SecondPassKind]:
    return region.tile.box, region.lines, region.kind


@click.command()
@click.option("--model", default="fast", show_default=True, help="PROFILE or PROFILE@SCALE that reads drawn pages.")
@click.option("--seed", "seeds", multiple=True, type=int, default=(1,), show_default=True)
@click.option("--only", default="", help="Constants whose name, as module.NAME, has this in it.")
@click.option("--receipts", type=click.Path(exists=True, path_type=Path), help="Add a sheet of img/*.jpg, box/*.csv.")
@click.option("--cache", default=_CACHE, type=click.Path(path_type=Path), show_default=True, help="Keeps readings.")
@record_option
def calibrate(
    *, model: str, seeds: tuple[int, ...], only: str, receipts: Path | None, cache: Path, record: bool
) -> None:
    """Set each constant of stitching to values around its own, and print what this changes."""
    settings = Settings.from_env(os.environ)
    reader = CachedReader(model, cache, WeightsFolders(settings.cache_path, settings.models_path))
    click.echo(f"{datetime.now(UTC):%Y-%m-%d}; {versions()}; {model}; seeds {' '.join(map(str, seeds))}\n")
    figures: dict[str, tuple[Value, str]] = {}
    if layout_sweeps := _only(LAYOUT_SWEEPS, only):
        layouts = make_layouts(_LAYOUTS, seeds[0])
        rows = _measure(layout_sweeps, lambda: order_share(layouts), _describe_order, _order_difference)
        figures["calibration.reading_order"] = rows, "table"
    first, second = _only(SWEEPS, only), _only(SECOND_PASS_SWEEPS, only)
    drawn = list(_drawn_cases(reader, seeds, receipts)) if first or second else []
    if first:
        pages = [*drawn, *_simulated_cases(seeds[0])]
        rows = _measure(first, lambda: _sum(case.count() for case in pages), _describe, _difference)
        figures["calibration.first_pass"] = rows, "table"
    if second:
        rows = _measure(second, lambda: _sum(case.count_second_pass() for case in drawn), _describe, _difference)
        figures["calibration.second_pass"] = rows, "table"
    if record:
        record_figures(figures)


def _only(sweeps: Sequence[Sweep], part: str) -> list[Sweep]:
    return [sweep for sweep in sweeps if part in sweep.name]


def _sum(counts: Iterable[Counts]) -> Counts:
    return sum(counts, Counts())


def _drawn_cases(reader: CachedReader, seeds: Sequence[int], receipts: Path | None) -> Iterator[Case]:
    han = reader.folders.pull(MODELS["simfang"]) / "simfang.ttf"
    pages = [draw_page(kind, seed, han, _SIZE) for kind, seed in product(_KINDS, seeds)]
    if receipts:
        pages += [compose_sheet(receipts, side=_SIZE.width, seed=seed) for seed in seeds]
    for page, grid in product(pages, _TILE_SETS):
        tiles = grid.tiles(page.size)
        readings = drop_repeated(reader.read(page, grid), tiles) + reader.coarse(page, grid)
        yield Case(page.size, readings, Truth(page.lines), tiles, reader, page)


def _simulated_cases(seed: int) -> Iterator[Case]:
    """Simulate readings of dense lines, which are worse than those of the real models."""
    for (style, angle), (overlap, ocr, turned) in product(_LINES, _SIMULATED):
        lines = make_lines(_SIMULATED_SIZE, random.Random(seed), style, angle)
        tiles = make_grid(_SIMULATED_SIZE, _SIMULATED_SIDE, overlap)
        truth = Truth(tuple(Line(line.text, line.full_quad, 1.0) for line in lines))
        readings = _turn_some(simulate_readings(lines, tiles, ocr, seed), turned, random.Random(seed))
        yield Case(_SIMULATED_SIZE, readings, truth, tiles)


def _turn_some(readings: Sequence[TileResult], share: float, rng: random.Random) -> list[TileResult]:
    """Let a share of the fragments be read upside down, as rubbish and with little confidence."""
    return [
        replace(each, fragments=tuple(_turn(item, rng) if rng.random() < share else item for item in each.fragments))
        for each in readings
    ]


def _turn(fragment: Fragment, rng: random.Random) -> Fragment:
    chars = (Char(rng.choice("uinos6"), 1 - char.position, 0.5) for char in reversed(fragment.chars))
    return replace(fragment, quad=fragment.quad.rotate_180(), chars=tuple(chars), confidence=0.5)


def _measure(
    sweeps: Sequence[Sweep],
    measure: Callable[[], T],
    describe: Callable[[T], str],
    difference: Callable[[T, T], Sequence[str]],
) -> list[tuple[str, str, str]]:
    """Print and return a row for each constant: its value, and what each other value changes."""
    today = measure()
    rows = [("constant", "value", "other values"), ("all of them", "as they are", describe(today))]
    for sweep in sweeps:
        cells = []
        for value in sweep.values:
            with _changed(sweep, value):
                parts = difference(measure(), today)
            cells.append(f"{value:g}: {' '.join(parts) if any(map(float, parts)) else '='}")
        rows.append((f"`{sweep.name}`", f"{_current(sweep):g}", "; ".join(cells)))
        click.echo(f"| {' | '.join(rows[-1])} |")
    click.echo(f"today: {rows[1][-1]}\n")
    return rows


def _describe(found: Counts) -> str:
    return f"F1 {found.f1:.2%}, {found.twice} doubled lines, {found.cut_right} of {found.cut} cut lines exact"


def _difference(found: Counts, today: Counts) -> Sequence[str]:
    """Return the change of F1 in points, and that of the doubled lines and of the exact cut lines."""
    twice, cut = found.twice - today.twice, found.cut_right - today.cut_right
    return f"{100 * (found.f1 - today.f1):+.2f}", f"{twice:+d}", f"{cut:+d}"


def _describe_order(share: float) -> str:
    return f"{share:.2%} of the lines are followed by the right one"


def _order_difference(share: float, today: float) -> Sequence[str]:
    """Return the change in points."""
    return (f"{100 * (share - today):+.2f}",)


def _holders(sweep: Sweep) -> list[ModuleType]:
    """List the modules that know the constant by its name: its own and those that import it."""
    return [module for module in _MODULES if hasattr(module, sweep.constant)]


def _current(sweep: Sweep) -> float:
    """Return the constant as it is: an integer stays one, or it could not be put back."""
    value: float = getattr(_holders(sweep)[0], sweep.constant)
    return value


@contextmanager
def _changed(sweep: Sweep, value: float) -> Iterator[None]:
    before = _current(sweep)
    for module in _holders(sweep):
        setattr(module, sweep.constant, value)
    try:
        yield
    finally:
        for module in _holders(sweep):
            setattr(module, sweep.constant, before)
