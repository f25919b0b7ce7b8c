import pytest

from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.stitch.lines import LineText, merge_reread
from ocrfarm.stitch.second_pass import keep_continuations
from ocrfarm.tile import Char, Fragment, SecondPassRegion, Tile, TileId, TileResult
from ocrfarm.tile_json import second_pass_from_bytes, second_pass_to_bytes

PITCH = 10.0
SEAM = [(95.0, 145.0)]
"""Characters 10 to 13 of a line lie where two tiles overlap."""


def text(letters: str, sure: float = 0.9) -> LineText:
    half = len(letters) // 2
    places = [(k + 0.5) * PITCH for k in range(len(letters))]
    return LineText([*letters], places, [sure] * len(letters), [0] * half + [1] * (len(letters) - half))


def reread_chars(letters: str, sure: float = 0.9) -> list[Char]:
    return [Char(letter, (k + 0.5) * PITCH, sure) for k, letter in enumerate(letters)]


@pytest.mark.parametrize(
    ("first", "again", "result", "outcome"),
    [
        ("valves of steel pipes", "valves of steel pipes", "valves of steel pipes", "confirmed"),
        ("valves of stcel pipes", "valves of steel pipes", "valves of steel pipes", "corrected"),  # at the seam
        ("valvcs of steel pipes", "valves of steel pipes", "valvcs of steel pipes", "confirmed"),  # elsewhere
        ("valves of steel pipes", "valvs of steel pipes", "valves of steel pipes", "confirmed"),  # a letter was lost
        ("valves of stel pipes", "valves of steel pipes", "valves of steel pipes", "corrected"),
        ("valves of stteel pipes", "valves of steel pipes", "valves of steel pipes", "corrected"),
        ("valves of steel pipes", "valves ofsteel pipes", "valves of steel pipes", "confirmed"),  # a space only
        ("valves of steel pipes", "-~.-~.-~.-~.-~.-~.-~.", "valves of steel pipes", "uncertain"),
    ],
)
def test_a_second_reading_counts_at_the_seam(first: str, again: str, result: str, outcome: str) -> None:
    merged, found = merge_reread(text(first), reread_chars(again), zones=SEAM)
    assert ("".join(merged.chars), found) == (result, outcome)
    assert len(merged.chars) == len(merged.positions) == len(merged.confidences) == len(merged.segments)
    assert merged.segments == sorted(merged.segments)


def test_a_second_reading_that_is_less_sure_is_not_believed() -> None:
    merged, outcome = merge_reread(
        text("valves of stcel pipes"), reread_chars("valves of steel pipes", 0.8), zones=SEAM
    )
    assert ("".join(merged.chars), outcome) == ("valves of stcel pipes", "uncertain")


PAGE = Size(4000, 3000)
OPEN = Quad.from_bounds(100, 500, 900, 530)
REGION = SecondPassRegion(Tile(TileId(0, 0, 0, 3, "x"), Box(640, 256, 1152, 768), PAGE), (OPEN,), "open_end")


def fragment(x0: float, y0: float, x1: float, y1: float) -> Fragment:
    return Fragment(Quad.from_bounds(x0, y0, x1, y1), (Char("a", 0.5, 0.9),), 0.9)


def test_of_a_searched_tile_only_what_continues_the_line_counts() -> None:
    goes_on, overlaps = fragment(880, 502, 1100, 531), fragment(640, 499, 1152, 530)
    others = (fragment(880, 540, 1100, 570), fragment(880, 440, 1100, 470), fragment(880, 480, 1100, 560))
    found = keep_continuations(REGION, TileResult(REGION.tile, (goes_on, *others, overlaps), "m"))
    assert found.fragments == (goes_on, overlaps)


def test_regions_come_back_exactly() -> None:
    regions = (
        REGION,
        SecondPassRegion(REGION.tile, (Quad.from_bounds(0.1 + 0.2, 1 / 3, 900.7, 530.123456789),), "seam"),
    )
    assert second_pass_from_bytes(second_pass_to_bytes(regions)) == regions
