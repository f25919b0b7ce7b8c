"""Planned tiles and what became of them -> which part of the page was really read; exact, in whole pixels.

Algorithm: the area of a union of rectangles (Klee's measure problem, 1977) by coordinate compression: the edges of all
tiles make a grid whose cells each lie wholly inside or outside of every tile, so a page of a billion pixels becomes an
array of some thousand cells. Cells that were not read are merged greedily into rectangles, the gaps.

        xs:  0      a    b         c        cells       1 = read, 0 = not
     ys: 0   .------+----+---------.        1 1 1
             | tile |both| tile    |
     d       +------+----+---------+        1 1 0       -> one gap: the box (b, d, c, e)
             | tile      | failed  |
     e       '-----------+---------'

Invariant: the gaps do not overlap, and together with what was read they are exactly the page. Cost: O(t^2) cells for t
tiles of a grid in the worst case, O(t) for a regular grid, whose tiles share their edges.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from ocrfarm.document import Coverage, Gap
from ocrfarm.geometry import Box, Size
from ocrfarm.tile import Tile, TileId, TileResult

NOT_READ = "not read"
NO_TILE = "in no tile"

_Cells = NDArray[np.int64]


def compute_coverage(
    size: Size,
    tiles: Sequence[Tile],
    *,
    readings: Iterable[TileResult],
    blank: Collection[TileId],
    failed: Mapping[TileId, str],
    scale: float,
) -> Coverage:
    """Count tiles and pixels; a tile is read if it has a result, or if its parts that have one cover it.

    Each level is checked separately, so an area missing from a coarse level is a gap as well. `fraction_read` is the
    share of the page inside a read or blank tile of the finest level; the gaps are all the rest.

    Args:
        size: The page's size, pixels.
        tiles: The planned tiles of all levels.
        readings: The results of tiles and of parts of tiles.
        blank: The tiles that were skipped because nothing is on them.
        failed: Why a tile, or a part of one, has no result.
        scale: Detector pixels per page pixel; it is copied into the result.

    >>> page = Size(200, 100)
    >>> left, right = (Tile(TileId(0, 0, 0, k), Box(100 * k, 0, 100 * k + 100, 100), page) for k in (0, 1))
    >>> found = compute_coverage(
    ...     page,
    ...     [left, right],
    ...     readings=[TileResult(left, (), "model")],
    ...     blank=[],
    ...     failed={right.id: "timed out"},
    ...     scale=1.0,
    ... )
    >>> found.fraction_read, found.gaps
    (0.5, (Gap(box=Box(x0=100, y0=0, x1=200, y1=100), reason='timed out'),))
    """
    by_id = {reading.tile.id: reading for reading in readings}
    in_parts = _find_tiles_read_in_parts(tiles, by_id)
    current = [reading for name, reading in by_id.items() if name not in in_parts]
    read = {tile.id for tile in tiles} & (by_id.keys() | in_parts)
    seen = [tile for tile in tiles if tile.id in blank] + [reading.tile for reading in by_id.values()]
    reasons = _map_reasons(failed)
    missing = {tile: reasons.get(tile.id, NOT_READ) for tile in tiles if tile.id not in read and tile.id not in blank}
    levels = sorted({tile.id.level for tile in tiles}) or [0]
    measured = [
        _measure_level(size, _filter_level(seen, level), _filter_level(missing, level), missing) for level in levels
    ]
    return Coverage(
        tiles=len(tiles),
        blank=sum(tile.id in blank and tile.id not in read for tile in tiles),
        read=len(read),
        fraction_read=measured[0][0],
        scale=scale,
        overlong_lines=sum(reading.overlong_lines for reading in current),
        overflowed_tiles=sum(reading.detector_overflow for reading in current),
        gaps=tuple(gap for _, gaps in measured for gap in gaps),
        scales=_measure_scales(size, current),
        retries=sum({replace(each.tile.id, quadkey=""): each.retries for each in current}.values()),
    )


def mark_excluded(coverage: Coverage, size: Size, *, tiles: Iterable[Tile]) -> Coverage:
    """Return the coverage of a page of which a part is in no tile because it was not selected: that is no gap then.

    Args:
        coverage: What `compute_coverage` returned.
        size: The page's size, pixels.
        tiles: The planned tiles.
    """
    _, missing = _measure_level(size, _filter_level(tiles, 0), [], {})
    gaps = tuple(gap for gap in coverage.gaps if gap.reason != NO_TILE)
    return replace(coverage, gaps=gaps, excluded=tuple(gap.box for gap in missing))


def _measure_scales(size: Size, readings: Sequence[TileResult]) -> tuple[tuple[float, float], ...]:
    """Return each scale at which the detector saw a part of the page, finest first, and the share that it saw so."""
    found = sorted({reading.scale for reading in readings}, reverse=True)
    by_scale = {scale: [reading.tile for reading in readings if reading.scale == scale] for scale in found}
    return tuple((scale, _measure_level(size, tiles, [], {})[0]) for scale, tiles in by_scale.items())


def _find_tiles_read_in_parts(tiles: Iterable[Tile], readings: Mapping[TileId, TileResult]) -> set[TileId]:
    """Return the tiles, and the parts with a result, that the results of their own parts cover.

    The number of parts does not matter: a tile that is narrow or low is cut in two.
    """
    parts: dict[TileId, list[Box]] = defaultdict(list)
    for name, reading in readings.items():
        for length in range(len(name.quadkey)):
            parts[replace(name, quadkey=name.quadkey[:length])].append(reading.tile.box)
    boxes = {tile.id: tile.box for tile in (*tiles, *(reading.tile for reading in readings.values()))}
    return {name for name, found in parts.items() if name in boxes and _is_covered(found, boxes[name])}


def _is_covered(boxes: list[Box], whole: Box) -> bool:
    """Return whether the boxes leave nothing of the whole one free."""
    xs = _collect_edges(whole.x0, whole.x1, (x for box in boxes for x in (box.x0, box.x1)))
    ys = _collect_edges(whole.y0, whole.y1, (y for box in boxes for y in (box.y0, box.y1)))
    cells = (Box(x0, y0, x1, y1) for (x0, x1), (y0, y1) in product(pairwise(xs), pairwise(ys)))
    return all(any(box.contains(cell) for box in boxes) for cell in cells)


def _map_reasons(failed: Mapping[TileId, str]) -> dict[TileId, str]:
    """Return the reason by tile: its own one, or that of the first of its parts."""
    return {replace(name, quadkey=""): failed[name] for name in sorted(failed, reverse=True)}


def _filter_level(tiles: Iterable[Tile], level: int) -> list[Tile]:
    return [tile for tile in tiles if tile.id.level == level]


def _measure_level(
    size: Size, seen: list[Tile], missing: list[Tile], reasons: Mapping[Tile, str]
) -> tuple[float, list[Gap]]:
    """Return the share of the page that was seen, and the gaps, on the grid of all the tiles' edges."""
    boxes = [tile.box for tile in (*seen, *missing)]
    xs = _collect_edges(0, size.width, (x for box in boxes for x in (box.x0, box.x1)))
    ys = _collect_edges(0, size.height, (y for box in boxes for y in (box.y0, box.y1)))
    why = [NO_TILE, *sorted({reasons[tile] for tile in missing})]
    cells: _Cells = np.zeros((len(ys) - 1, len(xs) - 1), np.int64)  # an index of `why`, or -1 where it was seen
    for tile in sorted(missing, reverse=True):
        cells[_slice_cells(xs, ys, tile.box)] = why.index(reasons[tile])
    for tile in seen:
        cells[_slice_cells(xs, ys, tile.box)] = -1
    area = int(((cells == -1) * np.diff(ys)[:, None] * np.diff(xs)[None, :]).sum())
    gaps = [Gap(Box(xs[c0], ys[r0], xs[c1], ys[r1]), why[value]) for r0, c0, r1, c1, value in _iter_rectangles(cells)]
    return area / max(size.area, 1), gaps


def _collect_edges(start: int, end: int, edges: Iterable[int]) -> list[int]:
    return sorted({start, end, *(edge for edge in edges if start < edge < end)})


def _slice_cells(xs: list[int], ys: list[int], box: Box) -> tuple[slice, slice]:
    """Return the rows and columns of cells inside the box."""
    return slice(bisect_left(ys, box.y0), bisect_left(ys, box.y1)), slice(
        bisect_left(xs, box.x0), bisect_left(xs, box.x1)
    )


def _iter_rectangles(cells: _Cells) -> Iterator[tuple[int, int, int, int, int]]:
    """Merge the cells that were not seen into rectangles of one value: runs along a row, grown down while they repeat.

    >>> list(_iter_rectangles(np.array([[-1, 0, 0], [-1, 0, 0], [1, -1, 0]])))
    [(0, 1, 2, 3, 0), (2, 0, 3, 1, 1), (2, 2, 3, 3, 0)]
    """
    left = cells.copy()
    for row, column in np.argwhere(cells >= 0).tolist():
        value = int(left[row, column])
        if value < 0:
            continue
        right = column
        while right < left.shape[1] and left[row, right] == value:
            right += 1
        bottom = row
        while bottom < left.shape[0] and (left[bottom, column:right] == value).all():
            bottom += 1
        left[row:bottom, column:right] = -1
        yield row, column, bottom, right, value
