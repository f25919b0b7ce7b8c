"""Coverage counts every pixel of the page once, and the gaps are exactly what no tile saw."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.geometry import Box, Size
from ocrfarm.stitch.coverage import cover
from ocrfarm.tile import Reading, Tile, TileId

PAGE = Size(40, 30)


@st.composite
def plans(draw: st.DrawFn) -> list[Tile]:
    """Draw tiles anywhere on a small page."""
    tiles = []
    for number in range(draw(st.integers(0, 8))):
        x0, y0 = draw(st.integers(0, 39)), draw(st.integers(0, 29))
        x1, y1 = draw(st.integers(x0 + 1, 40)), draw(st.integers(y0 + 1, 30))
        tiles.append(Tile(TileId(0, 0, 0, number), Box(x0, y0, x1, y1), PAGE))
    return tiles


FATES = st.lists(st.sampled_from(["read", "blank", "failed", "lost"]), min_size=8, max_size=8)


@given(plans(), FATES)
def test_area_and_gaps_are_exact(tiles: list[Tile], fates: list[str]) -> None:
    fate = dict(zip(tiles, fates, strict=False))
    coverage = cover(
        PAGE,
        tiles,
        readings=[Reading(tile, (), "m") for tile in tiles if fate[tile] == "read"],
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
    assert coverage.area == seen.sum() / PAGE.area
    assert (holes == ~seen).all()
    states = list(fate.values())
    assert (coverage.tiles, coverage.read, coverage.blank) == (len(tiles), states.count("read"), states.count("blank"))


@given(plans(), st.integers(1, 4), st.data())
def test_a_tile_is_read_when_all_its_parts_are(tiles: list[Tile], depth: int, data: st.DataObject) -> None:
    names = [""]
    for _ in range(depth):
        split = data.draw(st.sampled_from(names))
        names = [name for name in names if name != split] + [f"{split}{quarter}" for quarter in "0123"]
    readings = [Reading(_part(tile, name), (), "m") for tile in tiles for name in names]
    assert cover(PAGE, tiles, readings=readings, blank=(), failed={}, scale=1.0).read == len(tiles)
    missing = [reading for reading in readings if reading.tile.id.part != names[-1]]
    assert cover(PAGE, tiles, readings=missing, blank=(), failed={}, scale=1.0).read == 0


def _part(tile: Tile, name: str) -> Tile:
    return Tile(replace(tile.id, part=name), tile.box, tile.page)
