"""`scripts/bench soak`: mixed jobs for an hour with a fault every half minute; what grows, and what gets stuck."""

import os
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from ocrfarm.errors import OcrfarmError
from tests.benchmarks.chaos import JOB_TIMEOUT, PROFILES
from tests.benchmarks.record import Value, record_figures, record_option
from tests.support.farm_fixture import CONTROL, RECOGNIZER, SyntheticPage, draw_page, find_lost_and_duplicated
from tests.support.faults import FAULTS, PARTIAL, PLAIN, WORKERS, FaultRig, run_rig

_FAULT_INTERVAL = 30
_POLL_INTERVAL = 2
_REPORT_INTERVAL = 60
_HARMLESS_FAULTS = [
    fault for fault in FAULTS if fault.setting == PLAIN and not fault.poison_word and fault.name != "none"
]
"""Faults that need neither special workers nor special pages."""

_POISON_WORDS = [fault.poison_word for fault in FAULTS if fault.poison_word]
_POISON_FRACTION = 0.1
"""Of the pages: those that hold a tile which harms its worker."""

STEADY_WORKERS = {"steady-control": CONTROL, "steady-reader": RECOGNIZER}
"""Workers that no fault kills: what they gather in an hour shows, where the others are replaced every few minutes."""


@dataclass
class SoakState:
    """What happened so far: jobs at work, how others ended, what was done, and each process's megabytes over time."""

    jobs: dict[str, tuple[SyntheticPage, float]] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))


@click.command()
@click.option(
    "--duration", default=3600.0, show_default=True, metavar="SECONDS", help="Time in which jobs are submitted."
)
@click.option("--seed", default=0, show_default=True, help="Which faults, and when.")
@record_option
def soak(duration: float, seed: int, record: bool) -> None:
    """Keep three jobs going, do something bad every 30 seconds, and look at every process's memory."""
    chance, state = random.Random(seed), SoakState()
    with run_rig() as rig:
        for name, command in STEADY_WORKERS.items():
            rig.farm.start(name, command)
        rig.farm.wait_ready()
        start = fault_at = report_at = time.monotonic()
        while (now := time.monotonic()) < start + duration or state.jobs:
            over = now >= start + duration
            _collect_ended(rig, state)
            for _ in range(0 if over else len(PROFILES) - len(state.jobs)):
                _submit(rig, state, chance)
            if now >= fault_at + _FAULT_INTERVAL and not over:
                _inject_fault(rig, state, chance)
                fault_at = now
            for name, megabytes in _process_megabytes(rig):
                state.memory[name].append((now - start, megabytes))
            if now >= report_at + _REPORT_INTERVAL:
                _report(state, now - start)
                report_at = now
            time.sleep(_POLL_INTERVAL)
    click.echo(f"faults  {dict(state.faults)}\njobs    {dict(state.ended)}")
    rows = list(_memory_rows(state, duration))
    click.echo("\n".join("memory  {:22} {:>7} -> {:>7} MB  {}".format(*row) for row in rows))
    if record:
        _record(state, rows)


def _memory_rows(state: SoakState, seconds: float) -> Iterator[list[str]]:
    """Yield process, megabytes in the first and the last third, and growth."""
    for name, samples in sorted(state.memory.items()):
        if thirds := _thirds(samples, seconds):
            first, last = thirds
            yield [name, f"{first:.1f}", f"{last:.1f}", f"{last / first - 1:+.1%}"]


def _record(state: SoakState, rows: list[list[str]]) -> None:
    ended = state.ended
    counts = {"lost": ended["lines lost"], "doubled": ended["lines doubled"], "faults": state.faults.total()}
    counts |= {name: ended[name] for name in ("complete", "partial")}
    counts["jobs"] = sum(ended[name] for name in ("complete", "partial", "failed", "cancelled", "STUCK"))
    heads = ["process", "first third, MB", "last third, MB", "growth"]
    figures: dict[str, tuple[Value, str]] = {f"soak.{name}": (count, "") for name, count in counts.items()}
    record_figures(figures | {"soak.memory": ([heads, *rows], "table")})


def _submit(rig: FaultRig, state: SoakState, chance: random.Random) -> None:
    across, down = chance.randint(2, 5), chance.randint(2, 4)
    words = {(1, 1): chance.choice(_POISON_WORDS)} if chance.random() < _POISON_FRACTION else None
    page = draw_page(across, down, words, prefix=f"{chance.randrange(1000):03d}")
    try:
        job = rig.farm.submit(page.png, profile=PROFILES[0] if words else chance.choice(PROFILES))
    except OcrfarmError as error:
        state.ended["not handed in"] += 1
        click.echo(f"! {error}")
    else:
        state.jobs[job] = page, time.monotonic()


def _inject_fault(rig: FaultRig, state: SoakState, chance: random.Random) -> None:
    fault = chance.choice(_HARMLESS_FAULTS)
    state.faults[fault.name] += 1
    fault.inject(rig)
    for complaint in rig.problems:
        state.ended["complaints"] += 1
        click.echo(f"! {fault.name}: {complaint}")
    rig.problems.clear()


def _collect_ended(rig: FaultRig, state: SoakState) -> None:
    """Take jobs that have ended off the list, and count what became of them."""
    for job, (page, since) in list(state.jobs.items()):
        status = rig.farm.wait(job, lambda _: True, seconds=JOB_TIMEOUT)
        if not status.has_ended and time.monotonic() < since + JOB_TIMEOUT:
            continue
        del state.jobs[job]
        state.ended[status.state if status.has_ended else "STUCK"] += 1
        if status.state not in PARTIAL:
            click.echo(f"! {status}")
        if status.state == "complete":
            lost, doubled = find_lost_and_duplicated(rig.farm.document(job), page.lines)
            state.ended["lines lost"] += len(lost)
            state.ended["lines doubled"] += len(doubled)


def _process_megabytes(rig: FaultRig) -> Iterator[tuple[str, float]]:
    """Give the megabytes of every worker's parent process, of its largest child, and of this process."""
    for name in (*WORKERS, *STEADY_WORKERS):
        if name in rig.farm.running:
            yield f"{name}, parent", measure_megabytes(rig.farm.running[name].pid)
            yield f"{name}, child", max(map(measure_megabytes, rig.farm.children(name)), default=0.0)
    yield "client", measure_megabytes(os.getpid())


def measure_megabytes(process: int) -> float:
    """Return the resident memory of a process; 0 if it has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _report(state: SoakState, seconds: float) -> None:
    sizes = ", ".join(f"{name} {samples[-1][1]:.0f}" for name, samples in state.memory.items() if samples)
    click.echo(f"{seconds / 60:4.0f} min  jobs {dict(state.ended)}  faults {state.faults.total()}  MB: {sizes}")


def _thirds(samples: list[tuple[float, float]], seconds: float) -> tuple[float, float] | None:
    """Return the medians of the first and the last third; a worker that has just been replaced has less."""
    thirds = [[size for at, size in samples if low <= at / seconds < low + 1 / 3 and size] for low in (0.0, 2 / 3)]
    if not all(thirds):
        return None
    return statistics.median(thirds[0]), statistics.median(thirds[1])
