"""Coverage counts every pixel of the page once, and the gaps are exactly what no tile saw."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.geometry import Box, Size
from ocrfarm.split.tiling import split_tile
from ocrfarm.stitch.coverage import compute_coverage
from ocrfarm.tile import Tile, TileId, TileResult

PAGE = Size(40, 30)


@st.composite
def tile_plans(draw: st.DrawFn) -> list[Tile]:
    """Draw tiles anywhere on a small page."""
    tiles = []
    for number in range(draw(st.integers(0, 8))):
        x0, y0 = draw(st.integers(0, 39)), draw(st.integers(0, 29))
        x1, y1 = draw(st.integers(x0 + 1, 40)), draw(st.integers(y0 + 1, 30))
        tiles.append(Tile(TileId(0, 0, 0, number), Box(x0, y0, x1, y1), PAGE))
    return tiles


TILE_STATES = st.lists(st.sampled_from(["read", "blank", "failed", "lost"]), min_size=8, max_size=8)


@given(tile_plans(), TILE_STATES)
def test_area_and_gaps_are_exact(tiles: list[Tile], fates: list[str]) -> None:
    fate = dict(zip(tiles, fates, strict=False))
    coverage = compute_coverage(
        PAGE,
        tiles,
        readings=[TileResult(tile, (), "m") for tile in tiles if fate[tile] == "read"],
        blank=[tile.id for tile in tiles if fate[tile] == "blank"],
        failed={tile.id: f"broke {tile.id.col % 2}" for tile in tiles if fate[tile] == "failed"},
        scale=1.0,
    )
    seen = np.zeros((PAGE.height, PAGE.width), bool)
    for tile in tiles:
        if fate[tile] in ("read", "blank"):
            seen[tile.box.y0 : tile.box.y1, tile.box.x0 : tile.box.x1] = True
    holes = np.zeros(seen.shape, int)
    for gap in coverage.gaps:
        holes[gap.box.y0 : gap.box.y1, gap.box.x0 : gap.box.x1] += 1
    assert coverage.fraction_read == seen.sum() / PAGE.area
    assert (holes == ~seen).all()
    states = list(fate.values())
    assert (coverage.tiles, coverage.read, coverage.blank) == (len(tiles), states.count("read"), states.count("blank"))


@st.composite
def tiles_to_cut(draw: st.DrawFn) -> list[Tile]:
    """Draw tiles of any shape, narrow ones too, that can be cut at least once."""
    sides = st.integers(1, 1500)
    boxes = draw(st.lists(st.builds(Box, st.just(0), st.just(0), sides, sides), min_size=1, max_size=3))
    tiles = [Tile(TileId(0, 0, 0, number), box, Size(1500, 1500)) for number, box in enumerate(boxes)]
    return [tile for tile in tiles if split_tile(tile, 32)]


@given(tiles_to_cut(), st.integers(1, 4), st.data())
def test_a_tile_is_read_when_its_parts_cover_it(tiles: list[Tile], depth: int, data: st.DataObject) -> None:
    """Parts may be cut again; each may be two or four."""
    for tile in tiles:
        parts = list(split_tile(tile, 32))
        for _ in range(depth - 1):
            part = data.draw(st.sampled_from(parts))
            if smaller := split_tile(part, 32):
                parts = [each for each in parts if each != part] + list(smaller)
        assert _is_read(tile, parts)
        for missing in parts:
            left = [part for part in parts if part != missing]
            assert _is_read(tile, left) == _is_covered(tile, left)


def _is_read(tile: Tile, parts: list[Tile]) -> bool:
    readings = [TileResult(part, (), "m") for part in parts]
    return compute_coverage(tile.page_size, [tile], readings=readings, blank=(), failed={}, scale=1.0).read == 1


def _is_covered(tile: Tile, parts: list[Tile]) -> bool:
    seen = np.zeros((tile.box.height, tile.box.width), bool)
    for part in parts:
        seen[part.box.y0 : part.box.y1, part.box.x0 : part.box.x1] = True
    return bool(seen.all())
