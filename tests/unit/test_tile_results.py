"""Readings survive storage, where their fragments come back in columns and look as they did."""

import gzip
import json

import pytest

from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.tile import Char, Fragment, Tile, TileId, TileResult
from ocrfarm.tile_json import tile_results_from_bytes, tile_results_to_bytes

TILE = Tile(TileId(0, 0, 1, 2), Box(0, 0, 640, 320), Size(1000, 320))

FRAGMENTS = (
    Fragment(
        Quad.from_bounds(1.25, 2, 31, 12.5), (Char("a", 0.25, 0.9), Char(" ", 0.5, 0.1), Char("漢", 0.75, 1.0)), 0.9
    ),
    Fragment(Quad((0, 5), (9, 0), (12, 4), (3, 9)), (Char("ffi", 0.5, 0.5), Char("é", 1.0, 0.25)), 0.375, 0.5),
    Fragment(Quad.from_bounds(5, 5, 6, 6), (), 0.0),
)

READING = TileResult(TILE, FRAGMENTS, "m", deferred_lines=(Quad.from_bounds(0, 0, 9, 9),))


def test_what_was_stored_comes_back() -> None:
    (found,) = tile_results_from_bytes(tile_results_to_bytes([READING]))
    assert found == READING
    assert [fragment.text for fragment in found.fragments] == ["a 漢", "ffié", ""]


def test_columns_are_a_sequence() -> None:
    (found,) = tile_results_from_bytes(tile_results_to_bytes([READING]))
    assert len(found.fragments) == 3
    assert found.fragments[-2] == FRAGMENTS[1]
    assert found.fragments[1:] == FRAGMENTS[1:]
    assert found.fragments != FRAGMENTS[:2]
    assert hash(found) == hash(READING)
    with pytest.raises(IndexError):
        found.fragments[3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"positions": [0.5]},
        {"confidences": [0.5, 0.5, 0.5]},
        {"quad": [[0, 0]]},
        {"quad": [[0, 0, 0]] * 4},
        {"positions": None},
    ],
)
def test_what_was_never_stored_is_refused(wrong: dict[str, object]) -> None:
    (stored,) = json.loads(gzip.decompress(tile_results_to_bytes([READING])))
    stored["fragments"][1] |= wrong
    with pytest.raises(ValueError, match=r"not tile results|unpack"):
        tile_results_from_bytes(gzip.compress(json.dumps([stored]).encode()))
