"""The search for pairs misses none and invents none."""

from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.stitch.fragment_table import CANDIDATE_REACH, build_fragment_table, find_candidate_pairs
from ocrfarm.tile import Char, Fragment, Tile, TileId, TileResult

PAGE = Size(1000, 1000)
PLACES = st.tuples(st.integers(0, 900), st.integers(0, 900), st.integers(5, 400), st.integers(5, 60))


@given(st.lists(st.lists(PLACES, max_size=6), min_size=1, max_size=9))
def test_every_pair_of_two_tiles_that_touches_is_found(places: list[list[tuple[int, int, int, int]]]) -> None:
    readings = [
        TileResult(
            Tile(
                TileId(0, 0, number // 3, number % 3),
                Box(x := number % 3 * 300, y := number // 3 * 300, x + 400, y + 400),
                PAGE,
            ),
            tuple(
                Fragment(Quad.from_bounds(x0, y0, x0 + w, y0 + h), (Char("a", 0.5, 1.0),), 1.0) for x0, y0, w, h in some
            ),
            "m",
        )
        for number, some in enumerate(places)
    ]
    pieces = build_fragment_table(PAGE, readings)
    boxes = [fragment.quad.points[0] + fragment.quad.points[2] for fragment in map(pieces.fragment, range(len(pieces)))]
    grown = [(x0 - CANDIDATE_REACH * (y1 - y0), y0, x1 + CANDIDATE_REACH * (y1 - y0), y1) for x0, y0, x1, y1 in boxes]
    expected = {
        (i, j)
        for i, one in enumerate(grown)
        for j, two in enumerate(grown)
        if i < j and pieces.tile_index[i] != pieces.tile_index[j]
        if one[0] <= two[2] and two[0] <= one[2] and one[1] <= two[3] and two[1] <= one[3]
    }
    a, b = find_candidate_pairs(pieces)
    found = list(zip(a.tolist(), b.tolist(), strict=True))
    assert found == sorted(expected)
