"""The stages in order, in one process: what it gives is right by definition, and the farm must give the same.

The farm's tasks are made of the same steps: `tile_pages`, `iter_tiles`, `recognize_tile`, `select_second_pass`,
`recognize_second_pass`, `assemble`.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path

from ocrfarm.document import Document, Gap, Line, Page, PageSource
from ocrfarm.errors import EngineFailed, InputError
from ocrfarm.geometry import Box, Size
from ocrfarm.image import ImageSource, Limits, Pixels, Raster, mosaic, open_source, to_rgb
from ocrfarm.recognize import Cascade, Engine, EnginePair, Profile, read_region, read_tile
from ocrfarm.selection import SELECT_ALL, Selection
from ocrfarm.split.blank_detection import has_large_text, is_blank
from ocrfarm.split.text_height import estimate_text_height, overlap_for
from ocrfarm.split.tiling import pyramid_levels, split_tile, tile_grid
from ocrfarm.stitch import SecondPassCriteria, compute_coverage, mark_excluded, select_second_pass, stitch
from ocrfarm.tile import DETECTOR_STRIDE, SecondPassRegion, Tile, TileId, TileResult

ProgressCallback = Callable[[int, int], None]
"""Called with how many tiles are done and how many there are."""


def resolve_overlap(source: ImageSource, profile: Profile) -> Profile:
    """Choose the overlap by the text at the top of the first page that is larger than a tile, unless it is set."""
    tiling = profile.tiling
    if tiling.overlap:
        return profile
    large = [number for number, size in enumerate(source.page_sizes) if max(size.width, size.height) > tiling.side]
    height = estimate_text_height(source.top_rows(large[0], rows=tiling.side)) if large else None
    seen = f"print up to {height} px high at the top of page {large[0] + 1}" if height else "hardly any print was seen"
    overlap = min(overlap_for(height), (tiling.side // 2 - 1) // DETECTOR_STRIDE * DETECTOR_STRIDE)
    return replace(profile, tiling=replace(tiling, overlap=overlap, reason=seen))


def tile_pages(source: ImageSource, profile: Profile, *, selection: Selection) -> list[tuple[Tile, ...]]:
    """Give the tiles of every page that touch what is wanted; `InputError` where no tile of any page does."""
    pages = [tile_page(size, profile, number=number) for number, size in enumerate(source.page_sizes)]
    wanted = [tuple(tile for tile in tiles if selection.intersects(tile.box, tile.page)) for tiles in pages]
    if not any(wanted):
        raise InputError(f"{source.path}: no region or mask touches any of its pages; give pixels of the page")
    return wanted


def tile_page(page: Size, profile: Profile, *, number: int) -> tuple[Tile, ...]:
    """Give the tiles of a page (numbered from 0) as the profile wants them, those of coarse levels last.

    The detector sees coarse tiles at their full size, so they are as much smaller as it shrinks the native ones.
    """
    side, overlap = profile.tiling.side, profile.tiling.overlap
    native = tile_grid(page, side=side, overlap=overlap, page_number=number)
    levels = pyramid_levels(page, side=side, overlap=overlap) if profile.tiling.levels else ()
    small = max(
        math.ceil(side * min(profile.detector_scale, 1.0) / DETECTOR_STRIDE) * DETECTOR_STRIDE,
        2 * overlap + DETECTOR_STRIDE,
    )
    coarse = (tile_grid(page, side=small, overlap=overlap, page_number=number, level=level) for level in levels)
    return native + tuple(chain.from_iterable(coarse))


def iter_tiles(raster: Raster, tiles: Sequence[Tile]) -> Iterator[tuple[Tile, Pixels | None]]:
    """Decode the page once and give each tile with its pixels, or with None where it holds nothing to read."""
    at = {tile.box: tile for tile in tiles}
    factors = {tile.box: 1 << tile.id.level for tile in tiles if tile.id.level}
    for box, pixels in raster.cut(list(at), factors=factors):
        empty = not has_large_text(pixels) if box in factors else is_blank(pixels)
        yield at[box], None if empty else pixels


def recognize_tile(engine: Engine, tile: Tile, *, pixels: Pixels, profile: Profile) -> tuple[TileResult, ...]:
    """Read one tile; `EngineFailed` when the engine cannot."""
    parts = partial(split_tile, overlap=profile.tiling.overlap)
    return read_tile(engine, tile, pixels=to_rgb(pixels), split_tile=parts, detector_scale=profile.detector_scale)


def recognize_second_pass(
    engine: Engine, region: SecondPassRegion, *, tile_pixels: Sequence[tuple[Box, Pixels]], profile: Profile
) -> TileResult:
    """Read a place a second time, cut from the tiles that show it; `EngineFailed` when the engine cannot."""
    pixels = to_rgb(mosaic(region.tile.box, tile_pixels))
    return read_region(engine, region, pixels=pixels, detector_scale=profile.detector_scale)


@dataclass(slots=True)
class PageOutcome:
    """What became of the tiles of one page: read, found blank, or failed for a reason; and of the second pass.

    `second_pass` are the regions that brought something to read, `second_pass_failed` those that failed; `selection`
    says what of the page is wanted, `source` where it comes from.
    """

    size: Size
    tiles: tuple[Tile, ...]
    tile_results: list[TileResult] = field(default_factory=list)
    blank: set[TileId] = field(default_factory=set)
    failed: dict[TileId, str] = field(default_factory=dict)
    second_pass: list[tuple[SecondPassRegion, TileResult]] = field(default_factory=list)
    second_pass_failed: list[SecondPassRegion] = field(default_factory=list)
    selection: Selection = SELECT_ALL
    source: PageSource = field(default_factory=PageSource)

    def select_second_pass(self, cascade: Cascade) -> tuple[SecondPassRegion, ...]:
        """Give the places that deserve a second pass; none that touches a gap, where a line ends for a known reason."""
        criteria = (
            SecondPassCriteria(cascade.min_confidence, cascade.max_fraction)
            if cascade.recognizer
            else SecondPassCriteria()
        )
        tiles = [tile for tile in self.tiles if not tile.id.level]
        known = compute_coverage(
            self.size, tiles, readings=self.tile_results, blank=self.blank, failed=self.failed, scale=1.0
        )
        return tuple(
            region
            for region in select_second_pass(self.size, self.tile_results, criteria=criteria)
            if region.kind in ("deferred", "low_confidence")
            or not any(gap.box.intersection(region.tile.box) for gap in known.gaps)
        )

    def tiles_showing(self, region: SecondPassRegion) -> list[Tile]:
        """Give the native tile that shows all of the place, or those, with text on them, that show a part of it."""
        native = [tile for tile in self.tiles if not tile.id.level and tile.id not in self.blank]
        whole = (tile for tile in native if tile.box.contains(region.tile.box))
        found = next(whole, None)
        return [found] if found else [tile for tile in native if tile.box.intersection(region.tile.box)]

    @property
    def engine_seconds(self) -> float:
        """Seconds inside the engine."""
        return sum(reading.seconds for reading in (*self.tile_results, *(reading for _, reading in self.second_pass)))

    def assemble(self, profile: Profile) -> Page:
        """Stitch what was read and say what was not."""
        coverage = compute_coverage(
            self.size,
            self.tiles,
            readings=self.tile_results,
            blank=self.blank,
            failed=self.failed,
            scale=profile.detector_scale,
        )
        tiling = f"{profile.tiling.side} px tiles, overlap {profile.tiling.overlap} px: {profile.tiling.reason}"
        lines = stitch(self.size, self.tile_results, second_pass=self.second_pass)
        gaps = coverage.gaps + tuple(self._unread_line_gaps())
        coverage = replace(coverage, tiling=tiling, second_pass_count=len(self.second_pass), gaps=gaps)
        if not self.selection.has_whole_pages:
            coverage = mark_excluded(coverage, self.size, tiles=self.tiles)
            lines = tuple(line for line in lines if self._is_selected(line))
        return Page(self.size, lines, coverage, self.source)

    def _unread_line_gaps(self) -> Iterator[Gap]:
        """Give the places of lines that were left to a neighbour which has them not, and could not be read later."""
        page = Box(0, 0, self.size.width, self.size.height)
        for region in self.second_pass_failed:
            if region.kind == "deferred" and (box := region.lines[0].bounds().intersection(page)):
                yield Gap(box, "a line was found there but could not be read")

    def _is_selected(self, line: Line) -> bool:
        """Say whether a line has a word whose middle is wanted; it then counts whole."""
        quads = [word.quad for word in line.words] or [line.quad]
        return any(self.selection.intersects(_pixel_box(*quad.centre), self.size) for quad in quads)


def _pixel_box(x: float, y: float) -> Box:
    left, top = max(math.floor(x), 0), max(math.floor(y), 0)
    return Box(left, top, left + 1, top + 1)


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """What the pipeline gives: the document, and each page shrunk (height x width or height x width x 3)."""

    document: Document
    overviews: tuple[Pixels, ...]


def run_pipeline(
    path: Path,
    engine: Engine | EnginePair,
    *,
    profile: Profile,
    selection: Selection = SELECT_ALL,
    limits: Limits | None = None,
    on_tile: ProgressCallback | None = None,
) -> PipelineResult:
    """Read what is wanted of the pages of an image; `InputError` where it cannot be decoded."""
    light, strong = engine if isinstance(engine, EnginePair) else (engine, engine)
    started = time.perf_counter()
    source = open_source(path, limits or Limits(), selection=selection)
    profile = resolve_overlap(source, profile)
    found = zip(source.page_sizes, tile_pages(source, profile, selection=selection), source.page_sources, strict=True)
    outcomes = [PageOutcome(size, tiles, selection=selection, source=page_source) for size, tiles, page_source in found]
    total, done, overviews = sum(len(outcome.tiles) for outcome in outcomes), 0, []
    for number, outcome in enumerate(outcomes):
        raster = source.page(number)
        for tile, pixels in iter_tiles(raster, outcome.tiles):
            _recognize_into(outcome, light, tile, pixels, profile)
            done += 1
            if on_tile:
                on_tile(done, total)
        overviews.append(raster.overview())
        _run_second_pass(outcome, raster, engine=strong, profile=profile)
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
    return PipelineResult(Document(pages, timing), tuple(overviews))


def _recognize_into(outcome: PageOutcome, engine: Engine, tile: Tile, pixels: Pixels | None, profile: Profile) -> None:
    if pixels is None:
        outcome.blank.add(tile.id)
        return
    try:
        outcome.tile_results += recognize_tile(engine, tile, pixels=pixels, profile=profile)
    except EngineFailed as error:
        outcome.failed[tile.id] = str(error)


def _run_second_pass(outcome: PageOutcome, raster: Raster, *, engine: Engine, profile: Profile) -> None:
    """Decode the page once more where regions of it deserve it; where that fails, the first reading stands."""
    regions = outcome.select_second_pass(profile.cascade)
    waiting = {region: {tile.box for tile in outcome.tiles_showing(region)} for region in regions}
    there: dict[Box, Pixels] = {}
    wanted = {box for boxes in waiting.values() for box in boxes}
    for box, pixels in raster.cut(sorted(wanted)) if wanted else ():
        there[box] = pixels.copy()
        for region in [region for region, boxes in waiting.items() if boxes <= there.keys()]:
            shown = [(each, there[each]) for each in sorted(waiting.pop(region))]
            try:
                result = recognize_second_pass(engine, region, tile_pixels=shown, profile=profile)
                outcome.second_pass.append((region, result))
            except EngineFailed:
                outcome.second_pass_failed.append(region)
        there = {each: kept for each, kept in there.items() if any(each in boxes for boxes in waiting.values())}
