"""How long a batch may take: more pixels and slower models get more, and nothing gets more than the limit."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.farm.batching import BATCH_OVERHEAD_SECONDS, batch_time_limits, count_pixels, max_tile_seconds
from ocrfarm.geometry import Box, Size
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.tile import Tile, TileId

FAST = find_profile("fast")
PROFILES = st.sampled_from(["fast", "accurate", "synthetic"]).map(find_profile)
PIXELS = st.integers(0, 10**9)


@given(PIXELS, PIXELS, PROFILES, st.integers(10, 10_000))
def test_limits_are_in_order_and_grow_with_the_pixels(fewer: int, more: int, profile: Profile, most: int) -> None:
    small, large = (batch_time_limits(pixels, profile, max_seconds=most) for pixels in sorted((fewer, more)))
    assert 0 < small.soft < small.hard <= large.hard <= most
    assert small.soft <= large.soft


@given(PIXELS, PROFILES)
def test_within_the_limit_a_batch_has_its_own_time_before_it_is_stopped(pixels: int, profile: Profile) -> None:
    budget = batch_time_limits(pixels, profile, max_seconds=10**9)
    assert abs(budget.soft - BATCH_OVERHEAD_SECONDS - max_tile_seconds(pixels, profile)) <= max(0.2, budget.soft * 1e-6)


def test_a_model_that_nobody_measured_gets_the_most() -> None:
    unknown = replace(FAST, recognizer="of-my-own")
    assert max_tile_seconds(10**6, unknown) >= max(
        max_tile_seconds(10**6, find_profile(name)) for name in ("fast", "accurate")
    )


def test_a_coarse_tile_has_fewer_pixels_than_its_box() -> None:
    tile = Tile(TileId(0, 2, 0, 0), Box(0, 0, 4096, 4096), Size(8192, 8192))
    assert count_pixels(tile) == 1024 * 1024
