"""Where a page is cut into tiles: sizes and boxes only, no pixels."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise, product

from ocrfarm.errors import SettingsError
from ocrfarm.geometry import Box, Size
from ocrfarm.tile import DETECTOR_STRIDE, Tile, TileId

MIN_TILE_SIDE = 64
"""Pixels. Below this the detector pads what it is given with black."""

_MIN_LETTER_HEIGHT = 12
"""Pixels; letters lower than this are hardly found."""

_MAX_PART_FRACTION = 0.75
"""Of a side: parts that overlap more than this are hardly smaller than what they were cut from."""

_Interval = tuple[int, int]


def tile_grid(page: Size, *, side: int, overlap: int, page_number: int = 0, level: int = 0) -> tuple[Tile, ...]:
    """Cut a page into equal tiles, row by row, neighbours sharing at least `overlap` pixels.

    `side` and `overlap` are pixels of the level's raster (`level_size`); a tile is `side` wide and high, or as wide or
    high as a raster that is smaller. Boxes are page pixels: at a level above 0 the last ones are clipped at the page's
    edge. `number` is the page's own. Native tiles have a core: lines
    that two tiles show whole are read once. SettingsError for a side or an overlap that makes no sense.
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
    """Give the tiles of a grid, each with what it alone reads: neighbours part in the middle of what they share."""
    across, down = (_core_intervals([span(tile.box) for tile in tiles]) for span in (_x_interval, _y_interval))
    return tuple(
        replace(tile, core=Box(x0, y0, x1, y1))
        for tile in tiles
        for (x0, x1), (y0, y1) in [(across[_x_interval(tile.box)], down[_y_interval(tile.box)])]
    )


def split_tile(tile: Tile, overlap: int) -> tuple[Tile, ...]:
    """Cut a tile into parts that share at least `overlap` pixels of its raster and cover it.

    Four parts; two of a tile too narrow or too low to be halved both ways ("0", "1" side by side or "0", "2" one above
    the other); none where no cut would make it smaller.
    """
    _check_overlap(overlap)
    raster = level_size(Size(tile.box.width, tile.box.height), tile.id.level)
    rows, cols = _halve(raster.height, overlap), _halve(raster.width, overlap)
    if len(rows) == len(cols) == 1:
        return ()
    return tuple(
        Tile(_subtile_id(tile.id, row, col), _box(tile.box, cols[col], rows[row], tile.id.level), tile.page)
        for row, col in product(range(len(rows)), range(len(cols)))
    )


def pyramid_levels(page: Size, *, side: int, overlap: int) -> tuple[int, ...]:
    """Give the levels on which letters too large for the tiles are read: none for a page that is one tile.

    The first level shrinks by so much that letters three quarters as high as the overlap, which some tile shows whole,
    are still `_MIN_LETTER_HEIGHT` high; then on by the same factor until one tile holds the page.
    """
    step = max(1, (overlap * 3 // 4 // _MIN_LETTER_HEIGHT).bit_length() - 1)
    level, levels = 0, []
    while max(page.width, page.height) > side << level:
        level += step
        levels.append(level)
    return tuple(levels)


def level_size(size: Size, level: int) -> Size:
    """Give the raster's size after `level` halvings; an odd last row or column is kept."""
    return Size(-(-size.width >> level), -(-size.height >> level))


def _tile_intervals(extent: int, side: int, overlap: int) -> list[_Interval]:
    """Give (start, end) along one axis; all are as long.

    The last tile must end at the page's edge, at any pixel. It keeps its length, so that the detector need not resample
    it, and gives up the lattice instead: only the last seam then loses the exact shift, and stitching needs none. The
    others keep the lattice and share what overlap is left over. Rounding their starts up, never down, keeps every
    overlap: no step exceeds the stride, which is on the lattice too.
    """
    if extent <= side:
        return [(0, extent)]
    stride = (side - overlap) // DETECTOR_STRIDE * DETECTOR_STRIDE
    room = extent - side
    steps = -(-room // stride)
    starts = (min(room, -(-step * room // (steps * DETECTOR_STRIDE)) * DETECTOR_STRIDE) for step in range(steps + 1))
    return [(start, start + side) for start in starts]


def _core_intervals(spans: Iterable[_Interval]) -> dict[_Interval, _Interval]:
    """Give for each span of a grid's tiles along one axis that of their cores."""
    found = sorted(set(spans))
    seams = [(end + start) // 2 for (_, end), (start, _) in pairwise(found)]
    return dict(zip(found, pairwise([found[0][0], *seams, found[-1][1]]), strict=True))


def _x_interval(box: Box) -> _Interval:
    return box.x0, box.x1


def _y_interval(box: Box) -> _Interval:
    return box.y0, box.y1


def _halve(extent: int, overlap: int) -> list[_Interval]:
    """Give two equal spans on the lattice, or one where that gains nothing."""
    part = -(-(extent + overlap) // (2 * DETECTOR_STRIDE)) * DETECTOR_STRIDE
    if part > extent * _MAX_PART_FRACTION:
        return [(0, extent)]
    return [(0, part), (extent - part, extent)]


def _box(frame: Box, across: _Interval, down: _Interval, level: int) -> Box:
    x0, x1, y0, y1 = (at << level for at in (*across, *down))
    return Box(frame.x0 + x0, frame.y0 + y0, min(frame.x0 + x1, frame.x1), min(frame.y0 + y1, frame.y1))


def _subtile_id(tile: TileId, row: int, col: int) -> TileId:
    return TileId(tile.page, tile.level, tile.row, tile.col, f"{tile.quadkey}{2 * row + col}")


def _check_tiling(side: int, overlap: int) -> None:
    if side < MIN_TILE_SIDE:
        raise SettingsError(f"tile side {side} px is too small: use at least {MIN_TILE_SIDE} px")
    if side % DETECTOR_STRIDE:
        lower = side // DETECTOR_STRIDE * DETECTOR_STRIDE
        raise SettingsError(
            f"tile side {side} px is no multiple of {DETECTOR_STRIDE}: use {lower} or {lower + DETECTOR_STRIDE} px"
        )
    _check_overlap(overlap)
    if 2 * overlap >= side:
        raise SettingsError(
            f"overlap {overlap} px is half of the tile side {side} px or more: use less than {side // 2} px"
        )


def _check_overlap(overlap: int) -> None:
    if overlap < 0:
        raise SettingsError(f"overlap {overlap} px is negative: use 0 px or more")
