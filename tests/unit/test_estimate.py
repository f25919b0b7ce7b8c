"""The throughput that an estimate takes from what was read before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.cli.estimate import Run, compute_throughput

_TIMES = st.integers(0, 1000)


@pytest.mark.parametrize(
    ("runs", "throughput"),
    [
        ([], 0.0),
        ([Run(0, 10, 50)], 5.0),
        ([Run(0, 10, 50), Run(0, 10, 50)], 10.0),  # side by side
        ([Run(100, 110, 50), Run(0, 10, 50)], 5.0),  # a night between them
        ([Run(0, 10, 50), Run(2, 4, 25), Run(5, 15, 25)], 100 / 15),
        ([Run(5, 5, 1)], 0.0),
    ],
)
def test_throughput_is_work_over_busy_time(runs: list[Run], throughput: float) -> None:
    assert compute_throughput(runs) == pytest.approx(throughput)


@given(st.lists(st.tuples(_TIMES, st.integers(1, 50)), min_size=1))
def test_throughput_counts_each_second_once(spans: list[tuple[int, int]]) -> None:
    busy = len({second for begin, length in spans for second in range(begin, begin + length)})
    assert compute_throughput([Run(begin, begin + length, 1.0) for begin, length in spans]) == pytest.approx(
        len(spans) / busy
    )
