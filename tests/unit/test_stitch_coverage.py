"""Coverage: reasons, parts, levels and counts."""

from dataclasses import replace

from ocrfarm.document import Gap
from ocrfarm.geometry import Box, Size
from ocrfarm.split.tiling import split_tile
from ocrfarm.stitch.coverage import compute_coverage
from ocrfarm.tile import Tile, TileId, TileResult

PAGE = Size(300, 100)
TILES = [Tile(TileId(0, 0, 0, col), Box(100 * col, 0, 100 * col + 100, 100), PAGE) for col in range(3)]


def reading(
    tile: Tile, part: str = "", box: Box | None = None, squeezed: int = 0, saturated: bool = False
) -> TileResult:
    tile = Tile(replace(tile.id, quadkey=part), box or tile.box, tile.page_size)
    return TileResult(tile, (), "m", overlong_lines=squeezed, detector_overflow=saturated)


def test_a_page_whose_tiles_are_all_read_is_complete() -> None:
    coverage = compute_coverage(PAGE, TILES, readings=map(reading, TILES), blank=(), failed={}, scale=0.5)
    assert (coverage.fraction_read, coverage.scale, coverage.gaps, coverage.is_complete) == (1.0, 0.5, (), True)


def test_a_gap_says_why() -> None:
    coverage = compute_coverage(
        PAGE,
        TILES,
        readings=[reading(TILES[0])],
        blank=[TILES[1].id],
        failed={TILES[2].id: "the engine broke"},
        scale=1.0,
    )
    assert coverage.gaps == (Gap(Box(200, 0, 300, 100), "the engine broke"),)
    assert (coverage.read, coverage.blank, coverage.failed, coverage.fraction_read) == (1, 1, 1, 2 / 3)


def test_neighbouring_gaps_of_one_reason_are_one() -> None:
    coverage = compute_coverage(PAGE, TILES, readings=[reading(TILES[0])], blank=(), failed={}, scale=1.0)
    assert coverage.gaps == (Gap(Box(100, 0, 300, 100), "not read"),)


def test_what_lies_in_no_tile_is_a_gap() -> None:
    assert compute_coverage(PAGE, [], readings=[], blank=(), failed={}, scale=1.0).gaps == (
        Gap(Box(0, 0, 300, 100), "in no tile"),
    )


def test_three_parts_of_four() -> None:
    quarters = [Box(0, 0, 50, 50), Box(50, 0, 100, 50), Box(0, 50, 50, 100), Box(50, 50, 100, 100)]
    parts = [reading(TILES[0], str(k), box) for k, box in enumerate(quarters)]
    failed = {replace(TILES[0].id, quadkey="3"): "out of memory"}
    coverage = compute_coverage(PAGE, TILES[:1], readings=parts[:3], blank=(), failed=failed, scale=1.0)
    assert Gap(Box(50, 50, 100, 100), "out of memory") in coverage.gaps
    assert (coverage.read, coverage.fraction_read) == (0, 0.25)


def test_a_narrow_tile_in_two_parts_is_read() -> None:
    """It is cut one way only: its parts are called 0 and 2, or 0 and 1."""
    for page, names in ((Size(60, 400), "02"), (Size(400, 60), "01")):
        tile = Tile(TileId(0, 0, 0, 0), Box(0, 0, page.width, page.height), page)
        parts = split_tile(tile, 32)
        assert [part.id.quadkey for part in parts] == list(names)
        readings = [TileResult(part, (), "m", overlong_lines=1) for part in parts]
        coverage = compute_coverage(page, [tile], readings=readings, blank=(), failed={}, scale=1.0)
        assert (coverage.read, coverage.failed, coverage.gaps, coverage.overlong_lines) == (1, 0, (), 2)
        half = compute_coverage(page, [tile], readings=readings[:1], blank=(), failed={parts[1].id: "broke"}, scale=1.0)
        assert (half.read, half.failed, [gap.reason for gap in half.gaps]) == (0, 1, ["broke"])


def test_a_failed_coarse_tile_is_a_gap_though_its_area_was_read() -> None:
    coarse = Tile(TileId(0, 1, 0, 0), Box(0, 0, 300, 100), PAGE)
    coverage = compute_coverage(
        PAGE, [*TILES, coarse], readings=map(reading, TILES), blank=(), failed={coarse.id: "broke"}, scale=1.0
    )
    assert (coverage.fraction_read, coverage.gaps) == (1.0, (Gap(coarse.box, "broke"),))


def test_scales_and_retries_are_told() -> None:
    """One tile was read in enlarged parts at the third try, and a coarse one shows the page shrunk."""
    coarse = Tile(TileId(0, 3, 0, 0), Box(0, 0, 300, 100), PAGE)
    left, right = Box(100, 0, 160, 100), Box(140, 0, 200, 100)
    parts = [replace(reading(TILES[1], part, box), scale=1.0, retries=2) for part, box in (("0", left), ("1", right))]
    native = [replace(reading(TILES[col]), scale=0.5) for col in (0, 2)]
    shrunk = replace(reading(coarse), scale=0.125)
    coverage = compute_coverage(
        PAGE, [*TILES, coarse], readings=[shrunk, *parts, *native], blank=(), failed={}, scale=0.5
    )
    assert coverage.scales == ((1.0, 1 / 3), (0.5, 2 / 3), (0.125, 1.0))
    assert coverage.retries == 2
    assert coverage.is_complete


def test_counts_are_of_what_was_read_last() -> None:
    quarters = [
        reading(part, part.id.quadkey, squeezed=1, saturated=k == 2) for k, part in enumerate(split_tile(TILES[0], 0))
    ]
    readings = [reading(TILES[0], squeezed=9, saturated=True), *quarters, *quarters, reading(TILES[1], squeezed=2)]
    coverage = compute_coverage(PAGE, TILES, readings=readings, blank=(), failed={}, scale=1.0)
    assert (coverage.overlong_lines, coverage.overflowed_tiles, coverage.read) == (6, 1, 2)
