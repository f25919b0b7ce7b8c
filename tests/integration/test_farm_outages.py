"""Servers that go away, fill up, err or say things twice, and clocks that are wrong: every job ends, and ends whole.

One round of what `scripts/bench chaos` does many times over.
"""

import itertools

import pytest

from tests.benchmarks.chaos import run_round
from tests.support.faults import FAULTS, Fault, run_rig

NAMES = (
    "every message twice",
    "broker killed for 3 s",
    "broker full for 6 s",
    "store down for 3 s",
    "store slow for 3 s",
    "store: every third answer 500, 3 s",
    "one clock 5 minutes ahead",
    "two clocks 5 minutes behind",
)
CHOSEN = [fault for fault in FAULTS if fault.name in NAMES]
assert len(CHOSEN) == len(NAMES), set(NAMES) - {fault.name for fault in CHOSEN}
BY_SETTING = [list(group) for _, group in itertools.groupby(CHOSEN, key=lambda fault: fault.setting)]


@pytest.mark.parametrize("faults", BY_SETTING, ids=lambda faults: ", ".join(fault.name for fault in faults))
def test_every_job_ends_whole(faults: list[Fault]) -> None:
    with run_rig(faults[0].setting) as rig:
        for fault in faults:
            assert run_round(fault, rig).wrong == [], fault.name
