"""The model of the farm keeps its promises in every state that a budget of faults can lead to.

Each scenario is explored to its end, whatever happens when and in whatever order; of the last two, which have 1.5
million states, the nearest ones. `scripts/bench model` explores these to their end too.
"""

import pytest

from tests.model.checker import explore
from tests.model.scenarios import LARGE_SCENARIOS, SCENARIOS

MIN_STATES, MAX_STATES = 100_000, 60_000
"""States of all scenarios together, at least; states of a large scenario, at most."""

explored = dict[str, int]()


@pytest.mark.parametrize("name", [*SCENARIOS, *LARGE_SCENARIOS])
def test_no_property_is_broken(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    rules, budget = (SCENARIOS | LARGE_SCENARIOS)[name]
    report = explore(rules, budget, max_states=MAX_STATES if name in LARGE_SCENARIOS else None)
    explored[name] = report.states
    with capsys.disabled():
        print(f"\n{name}: {report}", end="")  # noqa: T201 - a figure that a run of the tests shows
    assert not report.broken, str(report)


def test_many_states_were_explored() -> None:
    if explored.keys() < {*SCENARIOS, *LARGE_SCENARIOS}:
        pytest.skip("only some scenarios were selected")
    assert sum(explored.values()) >= MIN_STATES
