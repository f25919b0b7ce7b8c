"""Page size -> tiles: a regular grid of overlapping tiles at native resolution and on coarse pyramid levels.

This module computes boxes only; it never sees pixels. One axis of a grid, with the detector's stride as the unit:

    page     |=======================================|
    tile 0   |---------------|                           all tiles have the same length
    tile 1               |---------------|               they start at multiples of the detector's stride ...
    tile 2                           |---------------|   ... except the last one, which ends at the page's edge
    cores    |-------------|-----------|-------------|   a core ends half way through each overlap

Letters that are too large for a tile are read on coarse levels, an image pyramid: level n is the page reduced by 2^n.

Invariants: tiles cover the page and stay inside it; neighbours share at least `overlap` pixels; the cores of the native
tiles partition the page. Cost: O(tiles); all coarse levels together add at most a third to the pixels of the page.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise, product

from ocrfarm.errors import SettingsError
from ocrfarm.geometry import Box, Size
from ocrfarm.tile import DETECTOR_STRIDE, Tile, TileId

MIN_TILE_SIDE = 64
"""Pixels. The detector pads smaller images with black."""

_MIN_LETTER_HEIGHT = 12
"""Pixels. The detector misses most letters that are smaller than this."""

_MAX_PART_FRACTION = 0.75
"""Maximum length of a part as a fraction of the side; larger parts would hardly be smaller than the whole."""

_Interval = tuple[int, int]


def tile_grid(page: Size, *, side: int, overlap: int, page_number: int = 0, level: int = 0) -> tuple[Tile, ...]:
    """Cut a page into tiles of equal size, row by row.

    Args:
        page: Size of the page, in pixels.
        side: Width and height of a tile, in pixels of the level's raster; a multiple of 32. A tile is smaller if the
            raster is smaller.
        overlap: Pixels of the level's raster that neighbouring tiles share at least.
        page_number: Index of the page (0 = first).
        level: Level of the pyramid; 0 = native resolution.

    Returns:
        The tiles; their boxes are in page pixels, and on coarse levels the last ones are clipped at the page's edge.
        Native tiles have a core, so that a line that two tiles show completely is read once.

    Raises:
        SettingsError: The side or the overlap is invalid.

    Examples:
        >>> tiles = tile_grid(Size(5000, 2048), side=2048, overlap=128)
        >>> [(tile.box.x0, tile.box.x1) for tile in tiles]
        [(0, 2048), (1504, 3552), (2952, 5000)]
        >>> [(tile.core.x0, tile.core.x1) for tile in tiles]
        [(0, 1776), (1776, 3252), (3252, 5000)]
        >>> [tile.box for tile in tile_grid(Size(5000, 2048), side=2048, overlap=128, level=3)]
        [Box(x0=0, y0=0, x1=5000, y1=2048)]
    """
    _check_tiling(side, overlap)
    raster = level_size(page, level)
    rows, cols = _tile_intervals(raster.height, side, overlap), _tile_intervals(raster.width, side, overlap)
    whole = Box(0, 0, page.width, page.height)
    tiles = [
        Tile(TileId(page_number, level, row, col), _box(whole, cols[col], rows[row], level), page)
        for row, col in product(range(len(rows)), range(len(cols)))
    ]
    return tuple(tiles) if level else assign_cores(tiles)


def assign_cores(tiles: Sequence[Tile]) -> tuple[Tile, ...]:
    """Return the tiles of a grid with their cores: neighbours are separated in the middle of their overlap."""
    across, down = (_core_intervals([span(tile.box) for tile in tiles]) for span in (_x_interval, _y_interval))
    return tuple(
        replace(tile, core=Box(x0, y0, x1, y1))
        for tile in tiles
        for (x0, x1), (y0, y1) in [(across[_x_interval(tile.box)], down[_y_interval(tile.box)])]
    )


def split_tile(tile: Tile, overlap: int) -> tuple[Tile, ...]:
    """Split a tile into overlapping parts that cover it.

    Args:
        tile: The tile.
        overlap: Pixels of the tile's raster that neighbouring parts share at least.

    Returns:
        Four parts with the quadkeys "0" to "3"; two if the tile is too narrow ("0" above "2") or too low ("0" beside
        "1") to be halved in both directions; none if no part would be smaller.

    Raises:
        SettingsError: The overlap is negative.

    Examples:
        >>> (tile,) = tile_grid(Size(2048, 2048), side=2048, overlap=128)
        >>> [str(part.id) for part in split_tile(tile, overlap=128)][:2]
        ['p0000-l0-r0000-c0000-q0', 'p0000-l0-r0000-c0000-q1']
        >>> split_tile(tile, overlap=128)[3].box
        Box(x0=960, y0=960, x1=2048, y1=2048)
    """
    _check_overlap(overlap)
    raster = level_size(Size(tile.box.width, tile.box.height), tile.id.level)
    rows, cols = _halve(raster.height, overlap), _halve(raster.width, overlap)
    if len(rows) == len(cols) == 1:
        return ()
    return tuple(
        Tile(_subtile_id(tile.id, row, col), _box(tile.box, cols[col], rows[row], tile.id.level), tile.page_size)
        for row, col in product(range(len(rows)), range(len(cols)))
    )


def pyramid_levels(page: Size, *, side: int, overlap: int) -> tuple[int, ...]:
    """Return the coarse levels on which letters too large for the tiles are read.

    The first level reduces letters of three quarters of the overlap, which some native tile shows completely, to no
    less than `_MIN_LETTER_HEIGHT`. Further levels follow by the same factor until one tile holds the page.

    Args:
        page: Size of the page, in pixels.
        side: Width and height of a tile, in pixels.
        overlap: Overlap of the tiles, in pixels.

    Returns:
        Levels in ascending order; none if the page is a single tile.

    Examples:
        >>> pyramid_levels(Size(16384, 16384), side=2048, overlap=192)
        (3,)
        >>> pyramid_levels(Size(2048, 2048), side=2048, overlap=192)
        ()
    """
    step = max(1, (overlap * 3 // 4 // _MIN_LETTER_HEIGHT).bit_length() - 1)
    level, levels = 0, []
    while max(page.width, page.height) > side << level:
        level += step
        levels.append(level)
    return tuple(levels)


def level_size(size: Size, level: int) -> Size:
    """Return the size of a raster after halvings that keep an odd last row and column.

    Args:
        size: Size at level 0, in pixels.
        level: Number of halvings.

    Examples:
        >>> level_size(Size(1001, 600), 1)
        Size(width=501, height=300)
    """
    return Size(-(-size.width >> level), -(-size.height >> level))


def _tile_intervals(extent: int, side: int, overlap: int) -> list[_Interval]:
    """Return (start, end) of the tiles along one axis; all have the same length.

    The last tile must end at the page's edge, which may be any pixel. It keeps its length, so that the detector does
    not have to resample it, and is not aligned to the detector's stride. Only at the last seam may two tiles then read
    the same line slightly differently, and stitching tolerates that. The other tiles are aligned and share the surplus
    of overlap. Their starts are rounded up, never down, so no step exceeds `max_step`, which is aligned as well, and
    every overlap is preserved.
    """
    if extent <= side:
        return [(0, extent)]
    max_step = (side - overlap) // DETECTOR_STRIDE * DETECTOR_STRIDE
    last_start = extent - side
    steps = -(-last_start // max_step)
    starts = (-(-step * last_start // (steps * DETECTOR_STRIDE)) * DETECTOR_STRIDE for step in range(steps + 1))
    return [(start, start + side) for start in (min(start, last_start) for start in starts)]


def _core_intervals(spans: Iterable[_Interval]) -> dict[_Interval, _Interval]:
    """Return, for each interval of a grid's tiles along one axis, the interval of their cores."""
    intervals = sorted(set(spans))
    seams = [(end + start) // 2 for (_, end), (start, _) in pairwise(intervals)]
    return dict(zip(intervals, pairwise([intervals[0][0], *seams, intervals[-1][1]]), strict=True))


def _x_interval(box: Box) -> _Interval:
    return box.x0, box.x1


def _y_interval(box: Box) -> _Interval:
    return box.y0, box.y1


def _halve(extent: int, overlap: int) -> list[_Interval]:
    """Return two intervals of equal, aligned length, or one if halving would not make them smaller."""
    part = -(-(extent + overlap) // (2 * DETECTOR_STRIDE)) * DETECTOR_STRIDE
    if part > extent * _MAX_PART_FRACTION:
        return [(0, extent)]
    return [(0, part), (extent - part, extent)]


def _box(frame: Box, across: _Interval, down: _Interval, level: int) -> Box:
    x0, x1, y0, y1 = (value << level for value in (*across, *down))
    return Box(frame.x0 + x0, frame.y0 + y0, min(frame.x0 + x1, frame.x1), min(frame.y0 + y1, frame.y1))


def _subtile_id(tile: TileId, row: int, col: int) -> TileId:
    return TileId(tile.page_index, tile.level, tile.row, tile.col, f"{tile.quadkey}{2 * row + col}")


def _check_tiling(side: int, overlap: int) -> None:
    if side < MIN_TILE_SIDE:
        raise SettingsError(f"tile side {side} px is too small: use at least {MIN_TILE_SIDE} px")
    if side % DETECTOR_STRIDE:
        lower = side // DETECTOR_STRIDE * DETECTOR_STRIDE
        raise SettingsError(
            f"tile side {side} px is not a multiple of {DETECTOR_STRIDE}: use {lower} or {lower + DETECTOR_STRIDE} px"
        )
    _check_overlap(overlap)
    if 2 * overlap >= side:
        raise SettingsError(
            f"overlap {overlap} px is at least half of the tile side {side} px: use less than {side // 2} px"
        )


def _check_overlap(overlap: int) -> None:
    if overlap < 0:
        raise SettingsError(f"overlap {overlap} px is negative: use 0 px or more")
