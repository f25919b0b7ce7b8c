"""Every object name: of one job, taken by every store, and told in the module's docstring."""

import re
from collections.abc import Callable
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.storage import layout
from ocrfarm.storage.key_rules import check_key, check_prefix
from ocrfarm.tile import SECOND_PASS_QUADKEY, TileId

_JOB = "0123-abcd"
_counts = st.integers(0, 99_999)
_tiles = st.builds(
    TileId, _counts, st.integers(0, 9), _counts, _counts, st.text("0123", max_size=3) | st.just(SECOND_PASS_QUADKEY)
)
_OF_A_JOB = (
    layout.request,
    layout.source,
    layout.manifest,
    layout.second_pass,
    layout.webhook,
    layout.result,
    layout.final_status,
)
_OF_A_TILE: tuple[Callable[[str, TileId | str], str], ...] = (layout.tile, layout.fragments, layout.dead_letter)


def _names(tile: TileId) -> list[str]:
    of_the_job = [name(_JOB) for name in _OF_A_JOB]
    return [*of_the_job, layout.overview(_JOB, tile.page_index), *(name(_JOB, tile) for name in _OF_A_TILE)]


@given(tile=_tiles)
def test_every_name_is_taken_by_every_store_and_belongs_to_its_job(tile: TileId) -> None:
    check_prefix(layout.job_prefix(_JOB))
    for name in _names(tile):
        assert check_key(name).startswith(layout.job_prefix(_JOB))


@given(tile=_tiles)
def test_no_name_is_the_folder_of_another(tile: TileId) -> None:
    for one, other in permutations(_names(tile), 2):
        assert one != other
        assert not other.startswith(f"{one}/")


@given(one=_tiles, other=_tiles)
def test_two_tiles_have_two_names(one: TileId, other: TileId) -> None:
    for name in _OF_A_TILE:
        assert (name(_JOB, one) == name(_JOB, other)) == (one == other)
        assert name(_JOB, one) == name(_JOB, str(one))


def test_a_job_is_no_prefix_of_another() -> None:
    assert not layout.source("a1").startswith(layout.job_prefix("a"))


def test_the_docstring_lists_every_name() -> None:
    tile = TileId(0, 0, 1, 2)
    listed = re.findall(r"^(jobs/\S+)", layout.__doc__ or "", re.MULTILINE)
    assert sorted(name.format(job=_JOB, tile=tile) for name in listed) == sorted(_names(tile))
