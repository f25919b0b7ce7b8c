"""`scripts/bench chaos`: a farm of real processes meets every fault there is; what becomes of its jobs."""

import itertools
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass

import click

from ocrfarm.recognize import Profile
from tests.benchmarks.record import record_figures, record_option
from tests.support.farm_fixture import FARM_PROFILE, ProcessFarm, SyntheticPage, draw_page, find_lost_and_duplicated
from tests.support.faults import DEFAULT_VISIBILITY, FAULTS, SMALL_TILES, Fault, FaultRig, run_rig

PROFILES: tuple[Profile, ...] = (FARM_PROFILE, SMALL_TILES, FARM_PROFILE)
"""Of the three jobs of a round: 6, 24 and 6 tiles."""

JOB_TIMEOUT = 240
"""Seconds after which a job counts as stuck."""

_SUCCESS_STATES = ("complete", "partial")


@click.command()
@click.option("--rounds", default=20, show_default=True, help="Rounds of each quick fault; 0: leave them out.")
@click.option("--slow-rounds", default=5, show_default=True, help="Rounds of each slow one.")
@click.option("--only", default="", help="Faults whose name holds this text.")
@click.option(
    "--default-visibility", is_flag=True, help="One more: a killed worker with nothing made quicker (6 minutes)."
)
@record_option
def chaos(*, rounds: int, slow_rounds: int, only: str, default_visibility: bool, record: bool) -> None:
    """Run three jobs a round against each fault and say how they ended."""
    if record and only:
        raise click.UsageError("--record writes the whole matrix: leave --only out")
    columns = (
        f"{'fault':36}{'rounds':>7}{'jobs':>6}  {'ended':34}{'recovery s':>12}{'again':>7}{'lost':>6}{'doubled':>8}"
    )
    click.echo(columns)
    counts = {fault: slow_rounds if fault.is_slow else rounds for fault in FAULTS} | {
        DEFAULT_VISIBILITY: int(default_visibility)
    }
    chosen = [fault for fault, count in counts.items() if count and only in fault.name]
    rows = [["fault", "rounds", "jobs", "ended", "recovery, median", "longest", "again", "lost", "doubled"]]
    # What is done to equal farms is done to one farm, one after the other.
    for setting, faults in itertools.groupby(chosen, key=lambda fault: fault.setting):
        with run_rig(setting) as rig:
            for fault in faults:
                outcomes = [run_round(fault, rig) for _ in range(counts[fault])]
                rows.append(_row(fault, outcomes))
                click.echo(_format_row(rows[-1]))
    if record:
        jobs = sum(int(row[2]) for row in rows[1:])
        record_figures({"chaos.matrix": (rows, "table"), "chaos.jobs": (jobs, "")})


@dataclass(frozen=True)
class RoundResult:
    """What became of one round; `wrong` is what is not as it should be."""

    states: list[str]
    seconds: float
    again: int
    lost: int
    doubled: int
    wrong: list[str]


def _format_row(row: list[str]) -> str:
    name, rounds, jobs, ended, median, longest, again, lost, doubled = row
    recovery = f"{median}/{longest}"
    return f"{name:36}{rounds:>7}{jobs:>6}  {ended:34}{recovery:>12}{again:>7}{lost:>6}{doubled:>8}"


def _row(fault: Fault, outcomes: list[RoundResult]) -> list[str]:
    states = Counter(state for outcome in outcomes for state in outcome.states)
    ended = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    ended += " !" if any(outcome.wrong for outcome in outcomes) else ""
    seconds = [outcome.seconds for outcome in outcomes]
    recovery = [f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}"]
    sums = [str(sum(getattr(each, name) for each in outcomes)) for name in ("again", "lost", "doubled")]
    return [fault.name, str(len(outcomes)), str(states.total()), ended, *recovery, *sums]


def run_round(fault: Fault, rig: FaultRig) -> RoundResult:
    """Play one round: three jobs, one fault, and what became of them."""
    farm, before = rig.farm, len(rig.farm.list_reads())
    words = {(1, 1): fault.poison_word} if fault.poison_word else {}
    sheets = [
        draw_page(3, 2, words if not number else None, prefix=_random_prefix()) for number in range(len(PROFILES))
    ]
    jobs = [farm.submit(page.png, profile=profile) for page, profile in zip(sheets, PROFILES, strict=True)]
    farm.wait(jobs[0], lambda status: status.done > 1 or status.has_ended, seconds=JOB_TIMEOUT)
    started = time.monotonic()
    fault.inject(rig)
    states = [_wait_for_state(fault, farm, job) for job in jobs]
    seconds = time.monotonic() - started
    rig.reset()
    again = Counter(farm.list_reads()[before:])
    read = [(job, page) for job, page, state in zip(jobs, sheets, states, strict=True) if state in _SUCCESS_STATES]
    losses = [_find_losses(farm, job, page) for job, page in read]
    lost, doubled = ([text for loss in losses for text in loss[kind]] for kind in (0, 1))
    wrong = [*rig.problems, *(state for state in states if state not in fault.allowed_states), *lost, *doubled]
    rig.problems.clear()
    for each in wrong:
        click.echo(f"! {fault.name}: {each}", err=True)
    return RoundResult(states, seconds, sum(count - 1 for count in again.values()), len(lost), len(doubled), wrong)


def _wait_for_state(fault: Fault, farm: ProcessFarm, job: str) -> str:
    try:
        status = farm.wait(job, seconds=JOB_TIMEOUT + fault.setting.visibility_timeout)
    except AssertionError as error:
        click.echo(f"! {fault.name}: {error}", err=True)
        return "STUCK"
    if status.state not in fault.allowed_states:
        click.echo(f"! {fault.name}: {status}\n{farm.logs()}", err=True)
    return status.state


def _find_losses(farm: ProcessFarm, job: str, page: SyntheticPage) -> tuple[list[str], list[str]]:
    """Give the lines that are missing although nothing says that their place was not read, and those found twice."""
    document = farm.document(job)
    gaps = [gap.box for each in document.pages for gap in each.coverage.gaps]
    lost, doubled = find_lost_and_duplicated(document, page.lines)
    return [text for text in lost if not any(page.lines[text].intersection(gap) for gap in gaps)], doubled


def _random_prefix() -> str:
    return "".join(random.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=3))
