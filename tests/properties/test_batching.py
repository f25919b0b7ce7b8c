"""Batches hold every tile that is to be read once, in order, and neither the first nor the last ones are large."""

from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.farm.batching import RAMP_UP, TAPER, TileBatch, count_pixels, iter_batches
from ocrfarm.geometry import Size
from ocrfarm.split.tiling import tile_grid
from ocrfarm.tile import Tile, TileId


def batches(tiles: list[tuple[Tile, bool]], most: int) -> tuple[list[TileBatch], set[TileId]]:
    weighed = [(None if is_blank else tile.id, count_pixels(tile)) for tile, is_blank in tiles]
    blank = {tile.id for tile, is_blank in tiles if is_blank}
    return list(iter_batches(weighed, max_weight=most, total=sum(weight for _, weight in weighed))), blank


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2_000_000), st.data())
def test_every_tile_once_and_no_batch_too_large(across: int, down: int, most: int, data: st.DataObject) -> None:
    page = tile_grid(Size(224 * across + 32, 224 * down + 32), side=256, overlap=32)
    empty = data.draw(st.sets(st.integers(0, len(page) - 1)))
    found, blank = batches([(tile, number in empty) for number, tile in enumerate(page)], most)
    assert [name for batch in found for name in batch] == [tile.id for tile in page if tile.id not in blank]
    one = count_pixels(page[0])
    assert all(one * (len(batch) - 1) < max(most, one) for batch in found)


@given(st.integers(2, 40), st.integers(2, 40))
def test_batches_grow_and_shrink(across: int, down: int) -> None:
    page = tile_grid(Size(224 * across + 32, 224 * down + 32), side=256, overlap=32)
    found, _ = batches([(tile, False) for tile in page], most=1 << 40)
    sizes = list(map(len, found))
    for number, size in enumerate(sizes):
        assert size - 1 <= sum(sizes[:number]) / RAMP_UP
        assert size - 1 <= (sum(sizes[number:]) - size + 1) / TAPER
