"""The stages in order, in one process: what it gives is right by definition, and the farm must give the same.

The farm's tasks are made of the same steps: `plan_pages`, `cut_page`, `read_pixels`, `looks`, `read_again`, `assemble`.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path

from ocrfarm.document import Document, Gap, Leaf, Line, Page
from ocrfarm.errors import EngineBroke, InputError
from ocrfarm.geometry import Box, Size
from ocrfarm.image import Limits, Pixels, Raster, Source, mosaic, open_source, to_rgb
from ocrfarm.recognize import Cascade, Cascaded, Engine, Profile, read_look, read_tile
from ocrfarm.scope import ALL, Scope
from ocrfarm.split.ink import has_large_print, is_blank
from ocrfarm.split.plan import coarse_levels, plan, quarter
from ocrfarm.split.scale import print_height, suitable_overlap
from ocrfarm.stitch import Doubt, cover, left_out, look_again, stitch
from ocrfarm.tile import LATTICE, Look, Reading, Tile, TileId

Progress = Callable[[int, int], None]
"""Called with how many tiles are done and how many there are."""


def fitted(source: Source, profile: Profile) -> Profile:
    """Choose the overlap by the print at the top of the first page that is larger than a tile, unless it is set."""
    tiling = profile.tiling
    if tiling.overlap:
        return profile
    large = [number for number, size in enumerate(source.pages) if max(size.width, size.height) > tiling.side]
    height = print_height(source.beginning(large[0], rows=tiling.side)) if large else None
    seen = f"print up to {height} px high at the top of page {large[0] + 1}" if height else "hardly any print was seen"
    overlap = min(suitable_overlap(height), (tiling.side // 2 - 1) // LATTICE * LATTICE)
    return replace(profile, tiling=replace(tiling, overlap=overlap, reason=seen))


def plan_pages(source: Source, profile: Profile, *, scope: Scope) -> list[tuple[Tile, ...]]:
    """Give the tiles of every page that touch what is wanted; `InputError` where no tile of any page does."""
    pages = [page_tiles(size, profile, number=number) for number, size in enumerate(source.pages)]
    wanted = [tuple(tile for tile in tiles if scope.touches(tile.box, tile.page)) for tiles in pages]
    if not any(wanted):
        raise InputError(f"{source.path}: no region or mask touches any of its pages; give pixels of the page")
    return wanted


def page_tiles(page: Size, profile: Profile, *, number: int) -> tuple[Tile, ...]:
    """Give the tiles of a page (numbered from 0) as the profile wants them, those of coarse levels last.

    The detector sees coarse tiles at their full size, so they are as much smaller as it shrinks the native ones.
    """
    side, overlap = profile.tiling.side, profile.tiling.overlap
    native = plan(page, side=side, overlap=overlap, number=number)
    levels = coarse_levels(page, side=side, overlap=overlap) if profile.tiling.levels else ()
    small = max(math.ceil(side * min(profile.detector_scale, 1.0) / LATTICE) * LATTICE, 2 * overlap + LATTICE)
    coarse = (plan(page, side=small, overlap=overlap, number=number, level=level) for level in levels)
    return native + tuple(chain.from_iterable(coarse))


def cut_page(raster: Raster, tiles: Sequence[Tile]) -> Iterator[tuple[Tile, Pixels | None]]:
    """Decode the page once and give each tile with its pixels, or with None where it holds nothing to read."""
    at = {tile.box: tile for tile in tiles}
    factors = {tile.box: 1 << tile.id.level for tile in tiles if tile.id.level}
    for box, pixels in raster.cut(list(at), factors=factors):
        empty = not has_large_print(pixels) if box in factors else is_blank(pixels)
        yield at[box], None if empty else pixels


def read_pixels(engine: Engine, tile: Tile, *, pixels: Pixels, profile: Profile) -> tuple[Reading, ...]:
    """Read one tile; `EngineBroke` when the engine cannot."""
    parts = partial(quarter, overlap=profile.tiling.overlap)
    return read_tile(engine, tile, pixels=to_rgb(pixels), quarter=parts, detail=profile.detector_scale)


def read_again(engine: Engine, look: Look, *, shown: Sequence[tuple[Box, Pixels]], profile: Profile) -> Reading:
    """Read a place a second time, cut from the tiles that show it; `EngineBroke` when the engine cannot."""
    pixels = to_rgb(mosaic(look.tile.box, shown))
    return read_look(engine, look, pixels=pixels, detail=profile.detector_scale)


@dataclass(slots=True)
class Outcome:
    """What became of the tiles of one page: read, found blank, or failed for a reason; and of the second look.

    `again` are the looks that brought something to read, `missed` those that failed; `scope` says what of the page is
    wanted, `leaf` where it comes from.
    """

    size: Size
    tiles: tuple[Tile, ...]
    readings: list[Reading] = field(default_factory=list)
    blank: set[TileId] = field(default_factory=set)
    failed: dict[TileId, str] = field(default_factory=dict)
    again: list[tuple[Look, Reading]] = field(default_factory=list)
    missed: list[Look] = field(default_factory=list)
    scope: Scope = ALL
    leaf: Leaf = field(default_factory=Leaf)

    def looks(self, cascade: Cascade) -> tuple[Look, ...]:
        """Give the places that deserve a second look; none that touches a gap, where a line ends for a known reason."""
        doubt = Doubt(cascade.doubt, cascade.most) if cascade.recognizer else Doubt()
        tiles = [tile for tile in self.tiles if not tile.id.level]
        known = cover(self.size, tiles, readings=self.readings, blank=self.blank, failed=self.failed, scale=1.0)
        return tuple(
            look
            for look in look_again(self.size, self.readings, doubt=doubt)
            if look.kind in ("left", "doubted") or not any(gap.box.intersection(look.tile.box) for gap in known.gaps)
        )

    def showing(self, look: Look) -> list[Tile]:
        """Give the native tile that shows all of the place, or those, with print on them, that show a part of it."""
        native = [tile for tile in self.tiles if not tile.id.level and tile.id not in self.blank]
        whole = (tile for tile in native if tile.box.contains(look.tile.box))
        found = next(whole, None)
        return [found] if found else [tile for tile in native if tile.box.intersection(look.tile.box)]

    @property
    def engine_seconds(self) -> float:
        """Seconds inside the engine."""
        return sum(reading.seconds for reading in (*self.readings, *(reading for _, reading in self.again)))

    def assemble(self, profile: Profile) -> Page:
        """Stitch what was read and say what was not."""
        coverage = cover(
            self.size,
            self.tiles,
            readings=self.readings,
            blank=self.blank,
            failed=self.failed,
            scale=profile.detector_scale,
        )
        tiling = f"{profile.tiling.side} px tiles, overlap {profile.tiling.overlap} px: {profile.tiling.reason}"
        lines = stitch(self.size, self.readings, again=self.again)
        gaps = coverage.gaps + tuple(self._unread_lines())
        coverage = replace(coverage, tiling=tiling, looks=len(self.again), gaps=gaps)
        if not self.scope.whole_pages:
            coverage = left_out(coverage, self.size, tiles=self.tiles)
            lines = tuple(line for line in lines if self._is_wanted(line))
        return Page(self.size, lines, coverage, self.leaf)

    def _unread_lines(self) -> Iterator[Gap]:
        """Give the places of lines that were left to a neighbour which has them not, and could not be read later."""
        page = Box(0, 0, self.size.width, self.size.height)
        for look in self.missed:
            if look.kind == "left" and (box := look.lines[0].bounds().intersection(page)):
                yield Gap(box, "a line was found there but could not be read")

    def _is_wanted(self, line: Line) -> bool:
        """Say whether a line has a word whose middle is wanted; it then counts whole."""
        quads = [word.quad for word in line.words] or [line.quad]
        return any(self.scope.touches(_pixel(*quad.centre), self.size) for quad in quads)


def _pixel(x: float, y: float) -> Box:
    left, top = max(math.floor(x), 0), max(math.floor(y), 0)
    return Box(left, top, left + 1, top + 1)


@dataclass(frozen=True, slots=True)
class Run:
    """What the pipeline gives: the document, and each page shrunk (height x width or height x width x 3)."""

    document: Document
    overviews: tuple[Pixels, ...]


def read(
    path: Path,
    engine: Engine | Cascaded,
    *,
    profile: Profile,
    scope: Scope = ALL,
    limits: Limits | None = None,
    on_tile: Progress | None = None,
) -> Run:
    """Read what is wanted of the pages of a picture; `InputError` where it cannot be decoded."""
    light, strong = engine if isinstance(engine, Cascaded) else (engine, engine)
    started = time.perf_counter()
    source = open_source(path, limits or Limits(), scope=scope)
    profile = fitted(source, profile)
    found = zip(source.pages, plan_pages(source, profile, scope=scope), source.leaves, strict=True)
    outcomes = [Outcome(size, tiles, scope=scope, leaf=leaf) for size, tiles, leaf in found]
    total, done, overviews = sum(len(outcome.tiles) for outcome in outcomes), 0, []
    for number, outcome in enumerate(outcomes):
        raster = source.page(number)
        for tile, pixels in cut_page(raster, outcome.tiles):
            _read_into(outcome, light, tile, pixels, profile)
            done += 1
            if on_tile:
                on_tile(done, total)
        overviews.append(raster.overview())
        _look_again(outcome, raster, engine=strong, profile=profile)
    stitching = time.perf_counter()
    pages = tuple(outcome.assemble(profile) for outcome in outcomes)
    ended = time.perf_counter()
    engine_seconds = sum(outcome.engine_seconds for outcome in outcomes)
    timing = {
        "wall": ended - started,
        "split": stitching - started - engine_seconds,
        "engine": engine_seconds,
        "stitch": ended - stitching,
    }
    return Run(Document(pages, timing), tuple(overviews))


def _read_into(outcome: Outcome, engine: Engine, tile: Tile, pixels: Pixels | None, profile: Profile) -> None:
    if pixels is None:
        outcome.blank.add(tile.id)
        return
    try:
        outcome.readings += read_pixels(engine, tile, pixels=pixels, profile=profile)
    except EngineBroke as error:
        outcome.failed[tile.id] = str(error)


def _look_again(outcome: Outcome, raster: Raster, *, engine: Engine, profile: Profile) -> None:
    """Decode the page once more where places on it deserve it; where a second look fails, the first reading stands."""
    waiting = {look: {tile.box for tile in outcome.showing(look)} for look in outcome.looks(profile.cascade)}
    there: dict[Box, Pixels] = {}
    wanted = {box for boxes in waiting.values() for box in boxes}
    for box, pixels in raster.cut(sorted(wanted)) if wanted else ():
        there[box] = pixels.copy()
        for look in [look for look, boxes in waiting.items() if boxes <= there.keys()]:
            shown = [(each, there[each]) for each in sorted(waiting.pop(look))]
            try:
                outcome.again.append((look, read_again(engine, look, shown=shown, profile=profile)))
            except EngineBroke:
                outcome.missed.append(look)
        there = {each: kept for each, kept in there.items() if any(each in boxes for boxes in waiting.values())}
