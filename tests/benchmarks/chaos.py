"""`scripts/bench chaos`: a farm of real processes meets every fault there is; what becomes of its jobs."""

import itertools
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass

import click

from ocrfarm.recognize import Profile
from tests.benchmarks.faults import DEFAULT_LEASE, FAULTS, SMALL_TILES, Arena, Fault, arena_for
from tests.integration.farmyard import PROFILE, Sheet, Yard, lost_and_doubled, sheet

PROFILES: tuple[Profile, ...] = (PROFILE, SMALL_TILES, PROFILE)
"""Of the three jobs of a round: 6, 24 and 6 tiles."""

PATIENCE = 240
"""Seconds after which a job counts as stuck."""

_READ = ("complete", "partial")


@click.command()
@click.option("--rounds", default=20, show_default=True, help="Rounds of each quick fault; 0: leave them out.")
@click.option("--slow-rounds", default=5, show_default=True, help="Rounds of each slow one.")
@click.option("--only", default="", help="Faults whose name holds this text.")
@click.option("--default-lease", is_flag=True, help="One more: a killed worker with nothing made quicker (6 minutes).")
def chaos(rounds: int, slow_rounds: int, only: str, default_lease: bool) -> None:
    """Run three jobs a round against each fault and say how they ended."""
    columns = (
        f"{'fault':36}{'rounds':>7}{'jobs':>6}  {'ended':34}{'recovery s':>12}{'again':>7}{'lost':>6}{'doubled':>8}"
    )
    click.echo(columns)
    counts = {fault: slow_rounds if fault.slow else rounds for fault in FAULTS} | {DEFAULT_LEASE: int(default_lease)}
    chosen = [fault for fault, count in counts.items() if count and only in fault.name]
    # What is done to equal farms is done to one farm, one after the other.
    for setting, faults in itertools.groupby(chosen, key=lambda fault: fault.setting):
        with arena_for(setting) as arena:
            for fault in faults:
                outcomes = [played(fault, arena) for _ in range(counts[fault])]
                click.echo(_row(fault, outcomes))


@dataclass(frozen=True)
class Outcome:
    """What became of one round; `wrong` is what is not as it should be."""

    states: list[str]
    seconds: float
    again: int
    lost: int
    doubled: int
    wrong: list[str]


def _row(fault: Fault, outcomes: list[Outcome]) -> str:
    states = Counter(state for outcome in outcomes for state in outcome.states)
    ended = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    ended += " !" if any(outcome.wrong for outcome in outcomes) else ""
    seconds = [outcome.seconds for outcome in outcomes]
    recovery = f"{statistics.median(seconds):.1f}/{max(seconds):.1f}"
    again, lost, doubled = (sum(getattr(each, name) for each in outcomes) for name in ("again", "lost", "doubled"))
    jobs = states.total()
    return f"{fault.name:36}{len(outcomes):>7}{jobs:>6}  {ended:34}{recovery:>12}{again:>7}{lost:>6}{doubled:>8}"


def played(fault: Fault, arena: Arena) -> Outcome:
    """Play one round: three jobs, one fault, and what became of them."""
    farm, before = arena.farm, len(arena.farm.reads())
    words = {(1, 1): fault.word} if fault.word else {}
    sheets = [sheet(3, 2, words if not number else None, mark=_mark()) for number in range(len(PROFILES))]
    jobs = [farm.submit(page.png, profile=profile) for page, profile in zip(sheets, PROFILES, strict=True)]
    farm.wait(jobs[0], lambda status: status.done > 1 or status.ended, seconds=PATIENCE)
    started = time.monotonic()
    fault.act(arena)
    states = [_state(fault, farm, job) for job in jobs]
    seconds = time.monotonic() - started
    arena.tidy()
    again = Counter(farm.reads()[before:])
    read = [(job, page) for job, page, state in zip(jobs, sheets, states, strict=True) if state in _READ]
    losses = [_losses(farm, job, page) for job, page in read]
    lost, doubled = ([text for loss in losses for text in loss[kind]] for kind in (0, 1))
    wrong = [*arena.complaints, *(state for state in states if state not in fault.ends), *lost, *doubled]
    arena.complaints.clear()
    for each in wrong:
        click.echo(f"! {fault.name}: {each}", err=True)
    return Outcome(states, seconds, sum(count - 1 for count in again.values()), len(lost), len(doubled), wrong)


def _state(fault: Fault, farm: Yard, job: str) -> str:
    try:
        status = farm.wait(job, seconds=PATIENCE + fault.setting.lease)
    except AssertionError as error:
        click.echo(f"! {fault.name}: {error}", err=True)
        return "STUCK"
    if status.state not in fault.ends:
        click.echo(f"! {fault.name}: {status}\n{farm.logs()}", err=True)
    return status.state


def _losses(farm: Yard, job: str, page: Sheet) -> tuple[list[str], list[str]]:
    """Give the lines that are missing although nothing says that their place was not read, and those found twice."""
    document = farm.document(job)
    gaps = [gap.box for each in document.pages for gap in each.coverage.gaps]
    lost, doubled = lost_and_doubled(document, page.lines)
    return [text for text in lost if not any(page.lines[text].intersection(gap) for gap in gaps)], doubled


def _mark() -> str:
    return "".join(random.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=3))
