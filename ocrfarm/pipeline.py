"""The stages in order, in one process: image -> tiles -> tile results -> document.

    open_source -> tile_pages -> iter_tiles -> recognize_tile -> select_second_pass
                                                  -> recognize_second_pass -> assemble

The farm's tasks call the same functions. The result of the pipeline defines what is correct: the farm must produce the
same document.
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
from ocrfarm.image import ImageSource, Limits, Pixels, Raster, assemble_box, open_source, to_rgb
from ocrfarm.recognize import Cascade, Engine, EnginePair, Profile, read_region, read_tile
from ocrfarm.selection import SELECT_ALL, Selection
from ocrfarm.split.blank_detection import has_large_text, is_blank
from ocrfarm.split.text_height import estimate_text_height, overlap_for
from ocrfarm.split.tiling import pyramid_levels, split_tile, tile_grid
from ocrfarm.stitch import SecondPassCriteria, compute_coverage, mark_excluded, select_second_pass, stitch
from ocrfarm.tile import DETECTOR_STRIDE, SecondPassRegion, Tile, TileId, TileResult

ProgressCallback = Callable[[int, int], None]
"""Called with the number of tiles that are done and the total number of tiles."""


def resolve_overlap(source: ImageSource, profile: Profile) -> Profile:
    """Choose the overlap of the tiles, unless the profile sets it.

    The overlap depends on the text height at the top of the first page that is larger than a tile.

    Args:
        source: The opened image.
        profile: The profile.

    Returns:
        The profile with an overlap, in pixels, and the reason for it.
    """
    tiling = profile.tiling
    if tiling.overlap:
        return profile
    large = [number for number, size in enumerate(source.page_sizes) if max(size.width, size.height) > tiling.side]
    height = estimate_text_height(source.top_rows(large[0], row_count=tiling.side)) if large else None
    reason = f"text up to {height} px high at the top of page {large[0] + 1}" if height else "hardly any text was found"
    overlap = min(overlap_for(height), (tiling.side // 2 - 1) // DETECTOR_STRIDE * DETECTOR_STRIDE)
    return replace(profile, tiling=replace(tiling, overlap=overlap, reason=reason))


def tile_pages(source: ImageSource, profile: Profile, *, selection: Selection) -> list[tuple[Tile, ...]]:
    """Return the tiles of every page that contain a part of the selection.

    Args:
        source: The opened image.
        profile: The profile, with an overlap (`resolve_overlap`).
        selection: Regions and mask that restrict what is read.

    Returns:
        One tuple of tiles for each page of the source; it may be empty.

    Raises:
        InputError: No tile of any page contains a part of the selection.
    """
    pages = [tile_page(size, profile, number=number) for number, size in enumerate(source.page_sizes)]
    selected = [tuple(tile for tile in tiles if selection.intersects(tile.box, tile.page_size)) for tiles in pages]
    if not any(selected):
        raise InputError(f"{source.path}: the regions or the mask lie outside all pages; regions are in page pixels")
    return selected


def tile_page(page: Size, profile: Profile, *, number: int) -> tuple[Tile, ...]:
    """Return the tiles of one page: those of native resolution first, then those of coarse pyramid levels.

    The detector sees coarse tiles at full size, so they are smaller than native tiles by the profile's detector scale.

    Args:
        page: Size of the page, in pixels.
        profile: The profile, with an overlap (`resolve_overlap`).
        number: Index of the page (0 = first).

    Examples:
        >>> from ocrfarm.recognize import find_profile
        >>> profile = find_profile("fast").with_tiling(side=2048, overlap=128)
        >>> tiles = tile_page(Size(4000, 2048), profile, number=0)
        >>> [str(tile.id) for tile in tiles]
        ['p0000-l0-r0000-c0000', 'p0000-l0-r0000-c0001', 'p0000-l0-r0000-c0002', 'p0000-l3-r0000-c0000']
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
    """Decode a page once and yield each of its tiles.

    Args:
        raster: The page.
        tiles: Tiles of this page, of any level.

    Yields:
        A tile and its pixels, height x width (grey) or height x width x 3 (RGB), uint8; None instead of pixels if the
        tile is blank.

    Raises:
        DamagedImage: The page cannot be decoded.
    """
    by_box = {tile.box: tile for tile in tiles}
    factors = {tile.box: 1 << tile.id.level for tile in tiles if tile.id.level}
    for box, pixels in raster.cut(list(by_box), factors=factors):
        blank = not has_large_text(pixels) if box in factors else is_blank(pixels)
        yield by_box[box], None if blank else pixels


def recognize_tile(engine: Engine, tile: Tile, *, pixels: Pixels, profile: Profile) -> tuple[TileResult, ...]:
    """Recognize one tile.

    Args:
        engine: The engine of the first pass.
        tile: The tile.
        pixels: Its pixels, height x width or height x width x 3, RGB, uint8.
        profile: The profile, with an overlap (`resolve_overlap`).

    Returns:
        One result for the tile, or one for each part of it if it had to be split.

    Raises:
        EngineFailed: The engine failed.
    """
    parts = partial(split_tile, overlap=profile.tiling.overlap)
    return read_tile(engine, tile, pixels=to_rgb(pixels), split_tile=parts, detector_scale=profile.detector_scale)


def recognize_second_pass(
    engine: Engine, region: SecondPassRegion, *, tile_pixels: Sequence[tuple[Box, Pixels]], profile: Profile
) -> TileResult:
    """Recognize a region a second time.

    Args:
        engine: The engine of the second pass.
        region: The region.
        tile_pixels: Boxes (page pixels) and pixels of the tiles that show the region, see `PageOutcome.tiles_showing`.
        profile: The profile of the second pass.

    Raises:
        EngineFailed: The engine failed.
    """
    pixels = to_rgb(assemble_box(region.tile.box, tile_pixels))
    return read_region(engine, region, pixels=pixels, detector_scale=profile.detector_scale)


@dataclass(slots=True)
class PageOutcome:
    """The results of all tiles of one page, from which the page is assembled.

    Attributes:
        size: Size of the page, in pixels.
        tiles: All tiles of the page.
        tile_results: Results of the tiles that were recognized.
        blank: Tiles without text.
        failed: Tiles that could not be read, and why.
        second_pass: Regions that were read a second time, with their results.
        second_pass_failed: Regions that could not be read a second time.
        selection: Which part of the page is read.
        source: Where the page comes from.
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
        """Return the regions to read a second time.

        Regions at a gap are left out unless their lines are known, because there a line ends for a known reason.
        """
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
        """Return the native tile that contains the region, or else all tiles with text that show a part of it."""
        native = [tile for tile in self.tiles if not tile.id.level and tile.id not in self.blank]
        whole = next((tile for tile in native if tile.box.contains(region.tile.box)), None)
        return [whole] if whole else [tile for tile in native if tile.box.intersection(region.tile.box)]

    @property
    def engine_seconds(self) -> float:
        """Seconds spent in the engine."""
        return sum(result.seconds for result in (*self.tile_results, *(result for _, result in self.second_pass)))

    def assemble(self, profile: Profile) -> Page:
        """Stitch the results into a page and compute its coverage."""
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
        """Yield the places of deferred lines that no neighbour found and the second pass could not read."""
        page = Box(0, 0, self.size.width, self.size.height)
        for region in self.second_pass_failed:
            if region.kind == "deferred" and (box := region.lines[0].bounds().intersection(page)):
                yield Gap(box, "a line was detected but could not be read")

    def _is_selected(self, line: Line) -> bool:
        """Return whether the centre of one of the line's words is selected; the whole line is kept then."""
        quads = [word.quad for word in line.words] or [line.quad]
        return any(self.selection.intersects(_pixel_box(*quad.centre), self.size) for quad in quads)


def _pixel_box(x: float, y: float) -> Box:
    left, top = max(math.floor(x), 0), max(math.floor(y), 0)
    return Box(left, top, left + 1, top + 1)


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """The result of the pipeline.

    Attributes:
        document: The document.
        overviews: Each page, reduced to at most 2048 pixels a side: height x width or height x width x 3, RGB, uint8.
    """

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
    """Read an image in this process, without a farm.

    Args:
        path: The image file.
        engine: The engine, or a pair of engines if the second pass uses another one.
        profile: The profile that the engine was loaded for.
        selection: Pages and regions to read.
        limits: Limits on the image; None: the defaults.
        on_tile: Called after each tile.

    Raises:
        InputError: The image cannot be decoded, or nothing of it is selected.
    """
    light, strong = engine if isinstance(engine, EnginePair) else (engine, engine)
    started = time.perf_counter()
    source = open_source(path, limits or Limits(), selection=selection)
    profile = resolve_overlap(source, profile)
    pages = zip(source.page_sizes, tile_pages(source, profile, selection=selection), source.page_sources, strict=True)
    outcomes = [PageOutcome(size, tiles, selection=selection, source=page_source) for size, tiles, page_source in pages]
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
    document_pages = tuple(outcome.assemble(profile) for outcome in outcomes)
    ended = time.perf_counter()
    engine_seconds = sum(outcome.engine_seconds for outcome in outcomes)
    timing = {
        "wall": ended - started,
        "split": stitching - started - engine_seconds,
        "engine": engine_seconds,
        "stitch": ended - stitching,
    }
    return PipelineResult(Document(document_pages, timing), tuple(overviews))


def _recognize_into(outcome: PageOutcome, engine: Engine, tile: Tile, pixels: Pixels | None, profile: Profile) -> None:
    if pixels is None:
        outcome.blank.add(tile.id)
        return
    try:
        outcome.tile_results += recognize_tile(engine, tile, pixels=pixels, profile=profile)
    except EngineFailed as error:
        outcome.failed[tile.id] = str(error)


def _run_second_pass(outcome: PageOutcome, raster: Raster, *, engine: Engine, profile: Profile) -> None:
    """Decode the page again if regions of it are read a second time; if a region fails, its first result is kept."""
    regions = outcome.select_second_pass(profile.cascade)
    waiting = {region: {tile.box for tile in outcome.tiles_showing(region)} for region in regions}
    cached: dict[Box, Pixels] = {}
    needed = {box for boxes in waiting.values() for box in boxes}
    for box, pixels in raster.cut(sorted(needed)) if needed else ():
        cached[box] = pixels.copy()
        for region in [region for region, boxes in waiting.items() if boxes <= cached.keys()]:
            tile_pixels = [(each, cached[each]) for each in sorted(waiting.pop(region))]
            try:
                result = recognize_second_pass(engine, region, tile_pixels=tile_pixels, profile=profile)
                outcome.second_pass.append((region, result))
            except EngineFailed:
                outcome.second_pass_failed.append(region)
        cached = {each: kept for each, kept in cached.items() if any(each in boxes for boxes in waiting.values())}
