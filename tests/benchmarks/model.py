"""`scripts/bench model`: every state of the modelled farm, and the properties that hold in each."""

import time

import click

from tests.benchmarks.record import record_figures, record_option
from tests.model.checker import explore
from tests.model.scenarios import LARGE_SCENARIOS, SCENARIOS


@click.command()
@record_option
def model(record: bool) -> None:
    """Explore the model of the farm, and say how many states it has."""
    rows, states, broken = [["what happens", "states", "transitions", "steps to an end, at most"]], 0, 0
    started = time.monotonic()
    for name, (rules, budget) in (SCENARIOS | LARGE_SCENARIOS).items():
        report = explore(rules, budget)
        click.echo(f"{name}: {report}")
        rows.append([name, f"{report.states:,}", f"{report.transitions:,}", str(report.longest_drain)])
        states, broken = states + report.states, broken + bool(report.broken)
    click.echo(f"{states:,} states in {time.monotonic() - started:.0f} s, {broken} properties broken")
    if record:
        record_figures({"model.matrix": (rows, "table"), "model.states": (states, ""), "model.broken": (broken, "")})
