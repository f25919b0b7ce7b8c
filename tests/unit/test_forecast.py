"""The pace that a forecast takes from what was read before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.cli.forecast import Span, pace_of

_TIMES = st.integers(0, 1000)


@pytest.mark.parametrize(
    ("spans", "pace"),
    [
        ([], 0.0),
        ([Span(0, 10, 50)], 5.0),
        ([Span(0, 10, 50), Span(0, 10, 50)], 10.0),  # side by side
        ([Span(100, 110, 50), Span(0, 10, 50)], 5.0),  # a night between them
        ([Span(0, 10, 50), Span(2, 4, 25), Span(5, 15, 25)], 100 / 15),
        ([Span(5, 5, 1)], 0.0),
    ],
)
def test_pace(spans: list[Span], pace: float) -> None:
    assert pace_of(spans) == pytest.approx(pace)


@given(st.lists(st.tuples(_TIMES, st.integers(1, 50)), min_size=1))
def test_pace_counts_each_second_once(spans: list[tuple[int, int]]) -> None:
    busy = len({second for begin, length in spans for second in range(begin, begin + length)})
    assert pace_of([Span(begin, begin + length, 1.0) for begin, length in spans]) == pytest.approx(len(spans) / busy)
