"""When a tile is tried again, in what way, and when it is given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.farm.retries import Decision, Piece, TilePolicy

READ, QUARTERS, LIGHT, GIVE_UP = Decision.READ, Decision.READ_IN_QUARTERS, Decision.READ_LIGHT, Decision.GIVE_UP

TABLE: list[tuple[Piece, int, int, int, Decision]] = [
    # piece, attempts, failures, attempts at the whole tile -> decision, with at most three attempts
    ("tile", 0, 0, 0, READ),
    ("tile", 1, 0, 0, READ),  # the worker died: rarely the tile's fault
    ("tile", 2, 0, 0, QUARTERS),  # it died twice
    ("tile", 1, 1, 0, QUARTERS),  # the engine failed
    ("tile", 0, 1, 0, QUARTERS),  # it failed, and the attempt was forgotten with a store that was away
    ("tile", 2, 2, 0, QUARTERS),
    ("tile", 3, 0, 0, GIVE_UP),
    ("tile", 3, 1, 0, GIVE_UP),
    ("quarter", 0, 0, 0, READ),
    ("quarter", 1, 0, 0, LIGHT),
    ("quarter", 2, 0, 0, LIGHT),
    ("quarter", 3, 0, 0, GIVE_UP),
    ("quarter", 0, 0, 1, READ),
    ("quarter", 1, 0, 1, LIGHT),
    ("quarter", 2, 0, 1, GIVE_UP),
    ("quarter", 0, 1, 2, READ),  # a quarter that took all its time is not blamed more than for the attempt
    ("quarter", 1, 0, 2, GIVE_UP),
    ("quarter", 0, 0, 3, GIVE_UP),
    ("region", 0, 0, 0, READ),
    ("region", 2, 0, 0, READ),  # workers died: the region itself may be fine
    ("region", 1, 1, 0, GIVE_UP),  # the first reading of its lines stands
    ("region", 3, 0, 0, GIVE_UP),
]


@pytest.mark.parametrize(("piece", "attempts", "failures", "tile_attempts", "decision"), TABLE)
def test_the_policy_decides_as_the_table_says(
    piece: Piece, attempts: int, failures: int, tile_attempts: int, decision: Decision
) -> None:
    assert TilePolicy(3).decide(piece, attempts, failures=failures, tile_attempts=tile_attempts) is decision


@given(st.integers(1, 9), st.lists(st.booleans(), min_size=9, max_size=9), st.integers(0, 9))
def test_no_pixel_is_tried_more_often_than_allowed(most: int, is_failure: list[bool], stored_failures: int) -> None:
    """Whatever ends the attempts: a failure that is recorded, or the death of the worker."""
    policy, tile_attempts, failures = TilePolicy(most), 0, stored_failures
    while (decision := policy.decide("tile", tile_attempts, failures=failures)) is READ:
        failures += is_failure[tile_attempts]
        tile_attempts += 1
    attempts = 0
    while decision is QUARTERS and policy.decide("quarter", attempts, tile_attempts=tile_attempts) is not GIVE_UP:
        attempts += 1
    assert tile_attempts + attempts <= most
    assert decision is GIVE_UP or tile_attempts + attempts == most


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9))
def test_more_attempts_never_lead_back(most: int, attempts: int, failures: int) -> None:
    order = [READ, QUARTERS, LIGHT, GIVE_UP]
    for piece in ("tile", "quarter", "region"):
        now = TilePolicy(most).decide(piece, attempts, failures=failures)
        later = TilePolicy(most).decide(piece, attempts + 1, failures=failures + 1)
        assert order.index(later) >= order.index(now)
