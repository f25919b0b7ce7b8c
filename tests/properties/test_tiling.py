"""The plan of tiles: covers, stays inside, overlaps, keeps the lattice; and cutting one tile again."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ocrfarm.errors import SettingsError
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.split.tiling import level_size, pyramid_levels, split_tile, tile_grid
from ocrfarm.tile import DETECTOR_STRIDE, Tile, TileId

sizes = st.builds(Size, st.integers(1, 3000), st.integers(1, 3000))
levels = st.integers(0, 3)


@st.composite
def settings(draw: st.DrawFn) -> dict[str, int]:
    side = draw(st.integers(2, 32)) * DETECTOR_STRIDE
    return {"side": side, "overlap": draw(st.integers(0, side // 2 - 1))}


def spans(tiles: tuple[Tile, ...], axis: str) -> list[tuple[int, int]]:
    """The distinct (start, end) along one axis, in order."""
    return sorted({(getattr(tile.box, f"{axis}0"), getattr(tile.box, f"{axis}1")) for tile in tiles})


def is_grid(tiles: tuple[Tile, ...]) -> bool:
    return len(tiles) == len({tile.box for tile in tiles}) == len(spans(tiles, "x")) * len(spans(tiles, "y"))


def covers(tiles: tuple[Tile, ...], whole: Box) -> bool:
    """Every tile is one of a grid; the grid's columns and rows leave no pixel out and none sticks out."""
    across, down = spans(tiles, "x"), spans(tiles, "y")
    ends = (across[0][0], down[0][0], across[-1][1], down[-1][1])
    no_hole = all(after[0] <= before[1] for axis in (across, down) for before, after in pairwise(axis))
    return is_grid(tiles) and no_hole and Box(*ends) == whole and all(whole.contains(tile.box) for tile in tiles)


@given(sizes, settings(), levels)
def test_tiles_cover_the_page_and_stay_inside(page: Size, setting: dict[str, int], level: int) -> None:
    assert covers(tile_grid(page, **setting, level=level), Box(0, 0, page.width, page.height))


@given(sizes, settings())
def test_every_pixel_is_in_one_core_that_ends_half_way_through_the_overlaps(
    page: Size, setting: dict[str, int]
) -> None:
    tiles = tile_grid(page, **setting)
    cores = {tile.id: tile.core for tile in tiles if tile.core}
    assert sum(core.area for core in cores.values()) == page.area
    for tile in tiles:
        core = cores[tile.id]
        assert tile.box.contains(core)
        beside = next(
            (other for other in tiles if (other.id.row, other.id.col) == (tile.id.row, tile.id.col + 1)), None
        )
        if beside:
            assert 0 <= (tile.box.x1 - core.x1) - (core.x1 - beside.box.x0) <= 1


@given(sizes, settings(), st.floats(0, 1), st.floats(0, 1), st.integers(8, 40))
def test_a_line_is_left_only_to_a_tile_that_shows_it_whole_and_keeps_it(
    page: Size, setting: dict[str, int], across: float, down: float, height: int
) -> None:
    x, y = across * page.width, down * page.height
    line = Quad.from_bounds(x - 2 * height, y - height / 2, x + 2 * height, y + height / 2)
    frame = Box(0, 0, page.width, page.height)
    tiles = [tile for tile in tile_grid(page, **setting) if tile.box.contains(line.bounds())]
    assume(frame.contains(line.bounds()) and tiles)
    keepers = [tile for tile in tiles if not tile.belongs_to_neighbour(line)]
    assert keepers
    if len(keepers) < len(tiles):
        assert any(
            tile.core and tile.core.x0 <= x <= tile.core.x1 and tile.core.y0 <= y <= tile.core.y1 for tile in keepers
        )


@given(sizes, settings(), levels)
def test_neighbours_overlap_enough_and_no_tile_is_useless(page: Size, setting: dict[str, int], level: int) -> None:
    tiles = tile_grid(page, **setting, level=level)
    for axis in "xy":
        for before, after in pairwise(spans(tiles, axis)):
            assert before[1] - after[0] >= (setting["overlap"] << level) - (1 << level) + 1
            assert before[0] < after[0]
            assert before[1] < after[1]


@given(sizes, settings())
def test_tiles_are_equal_and_only_the_last_may_leave_the_lattice(page: Size, setting: dict[str, int]) -> None:
    tiles = tile_grid(page, **setting)
    expected = (min(page.width, setting["side"]), min(page.height, setting["side"]))
    assert {(tile.box.width, tile.box.height) for tile in tiles} == {expected}
    for axis in "xy":
        assert all(start % DETECTOR_STRIDE == 0 for start, _ in spans(tiles, axis)[:-1])


@given(sizes, settings(), levels)
def test_ids_are_unique_and_run_row_by_row(page: Size, setting: dict[str, int], level: int) -> None:
    tiles = tile_grid(page, **setting, page_number=7, level=level)
    ids = [tile.id for tile in tiles]
    assert ids == sorted(set(ids))
    assert [(tile.box.y0, tile.box.x0) for tile in tiles] == sorted((tile.box.y0, tile.box.x0) for tile in tiles)
    assert {(one.page_index, one.level, one.quadkey) for one in ids} == {(7, level, "")}
    assert {tile.page_size for tile in tiles} == {page}


@given(sizes, settings())
def test_no_more_tiles_than_needed(page: Size, setting: dict[str, int]) -> None:
    stride = (setting["side"] - setting["overlap"]) // DETECTOR_STRIDE * DETECTOR_STRIDE
    for axis, extent in (("x", page.width), ("y", page.height)):
        needed = 1 + max(0, -(-(extent - setting["side"]) // stride))
        assert len(spans(tile_grid(page, **setting), axis)) == needed


@given(sizes, settings(), levels)
def test_a_tile_of_a_level_is_no_larger_than_its_side(page: Size, setting: dict[str, int], level: int) -> None:
    raster = level_size(page, level)
    for tile in tile_grid(page, **setting, level=level):
        size = level_size(Size(tile.box.width, tile.box.height), level)
        assert tile.box.x0 % (1 << level) == tile.box.y0 % (1 << level) == 0
        assert size == Size(min(raster.width, setting["side"]), min(raster.height, setting["side"]))


@pytest.mark.parametrize(
    ("page", "count", "last"),
    [
        (Size(1, 1), 1, Box(0, 0, 1, 1)),
        (Size(1, 60_000), 33, Box(0, 57_952, 1, 60_000)),
        (Size(60_000, 1), 33, Box(57_952, 0, 60_000, 1)),
        (Size(2048, 2048), 1, Box(0, 0, 2048, 2048)),
        (Size(2049, 2048), 2, Box(1, 0, 2049, 2048)),
        (Size(16_384, 16_384), 81, Box(14_336, 14_336, 16_384, 16_384)),
        (Size(100_000, 100_000), 54 * 54, Box(97_952, 97_952, 100_000, 100_000)),
    ],
)
def test_pages_of_any_shape_have_the_fewest_tiles(page: Size, count: int, last: Box) -> None:
    tiles = tile_grid(page, side=2048, overlap=192)
    assert (len(tiles), tiles[-1].box) == (count, last)


def test_overlap_left_over_is_shared_by_all_seams() -> None:
    tiles = tile_grid(Size(16_384, 100), side=2048, overlap=192)
    assert {before.box.x1 - after.box.x0 for before, after in pairwise(tiles)} == {256}


@pytest.mark.parametrize(
    ("side", "overlap", "says"),
    [
        (1000, 100, "not a multiple of 32: use 992 or 1024"),
        (32, 0, "too small: use at least 64"),
        (0, 0, "too small"),
        (-64, 0, "too small"),
        (1024, 512, "use less than 512"),
        (1024, 2000, "use less than 512"),
        (1024, -1, "is negative"),
    ],
)
def test_impossible_settings_are_refused_with_a_sentence(side: int, overlap: int, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        tile_grid(Size(5000, 5000), side=side, overlap=overlap)


@given(sizes, settings(), levels, st.integers(0, 300))
def test_parts_cover_the_tile_and_are_smaller(page: Size, setting: dict[str, int], level: int, overlap: int) -> None:
    tile = tile_grid(page, **setting, level=level)[-1]
    parts = split_tile(tile, overlap)
    assert len(parts) in (0, 2, 4)
    if parts:
        assert covers(parts, tile.box)
        assert all(part.box.area <= tile.box.area * 0.8 for part in parts)
        assert {(part.id.page_index, part.id.level, part.id.row, part.id.col) for part in parts} == {
            (tile.id.page_index, tile.id.level, tile.id.row, tile.id.col)
        }


@given(settings(), st.integers(0, 300))
def test_parts_of_a_whole_tile_keep_lattice_and_overlap(setting: dict[str, int], overlap: int) -> None:
    tile = Tile(TileId(0, 0, 3, 4), Box(320, 640, 320 + setting["side"], 640 + setting["side"]), Size(9000, 9000))
    for part in split_tile(tile, overlap):
        box = part.box
        assert not any(at % DETECTOR_STRIDE for at in (box.x0, box.y0, box.x1, box.y1))
    for axis in "xy":
        for before, after in pairwise(spans(split_tile(tile, overlap), axis)):
            assert before[1] - after[0] >= overlap


def test_parts_are_named_by_their_corner_and_parts_of_parts_get_a_second_digit() -> None:
    tile = tile_grid(Size(2048, 2048), side=2048, overlap=128)[0]
    parts = split_tile(tile, 128)
    assert [part.id.quadkey for part in parts] == ["0", "1", "2", "3"]
    assert [(part.box.x0, part.box.y0) for part in parts] == [(0, 0), (960, 0), (0, 960), (960, 960)]
    assert [part.id.quadkey for part in split_tile(parts[2], 128)] == ["20", "21", "22", "23"]


@pytest.mark.parametrize(
    ("size", "names"),
    [(Size(1, 2048), ["0", "2"]), (Size(2048, 1), ["0", "1"]), (Size(1, 1), []), (Size(200, 200), [])],
)
def test_what_is_too_small_is_not_cut(size: Size, names: list[str]) -> None:
    tile = tile_grid(size, side=2048, overlap=128)[0]
    assert [part.id.quadkey for part in split_tile(tile, 128)] == names


def test_cutting_again_and_again_ends() -> None:
    tiles = tile_grid(Size(4000, 4000), side=2048, overlap=128)[:1]
    for _ in range(8):
        tiles = tuple(part for tile in tiles[:1] for part in split_tile(tile, 128))
    assert tiles == ()


def test_a_negative_overlap_of_parts_is_refused() -> None:
    with pytest.raises(SettingsError, match="is negative"):
        split_tile(tile_grid(Size(500, 500), side=512, overlap=64)[0], -1)


@pytest.mark.parametrize(
    ("side", "overlap", "page", "levels"),
    [
        (2048, 192, 2048, ()),
        (2048, 192, 2049, (3,)),
        (2048, 128, 16384, (3,)),
        (2048, 192, 65536, (3, 6)),
        (640, 96, 4096, (2, 4)),
        (256, 32, 1000, (1, 2)),
    ],
)
def test_coarse_levels_go_on_until_one_tile_holds_the_page(
    side: int, overlap: int, page: int, levels: tuple[int, ...]
) -> None:
    assert pyramid_levels(Size(page, 100), side=side, overlap=overlap) == levels
    assert pyramid_levels(Size(100, page), side=side, overlap=overlap) == levels
