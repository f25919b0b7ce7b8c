"""`scripts/bench soak`: mixed jobs for an hour with a fault every half minute; what grows, and what gets stuck."""

import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import click

from tests.benchmarks.chaos import PATIENCE, PROFILES
from tests.benchmarks.faults import FAULTS, PLAIN, WORKERS, Arena, arena_for
from tests.integration.farmyard import Sheet, lost_and_doubled, sheet

_PAUSE_SECONDS = 30
_LOOK_SECONDS = 2
_UNHARMED = [fault for fault in FAULTS if fault.setting == PLAIN and not fault.word]
"""Faults that need neither special workers nor special pages."""

_Memory = dict[str, list[tuple[float, float]]]
"""Process -> when it was looked at, and its megabytes."""


@click.command()
@click.option("--minutes", default=60.0, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Which faults, and when.")
def soak(minutes: float, seed: int) -> None:
    """Keep three jobs going, do something bad every 30 seconds, and look at every process's memory."""
    chance = random.Random(seed)
    memory: _Memory = defaultdict(list)
    ended, harm = Counter[str](), Counter[str]()
    with arena_for() as arena:
        start = fault_at = time.monotonic()
        jobs: dict[str, tuple[Sheet, float]] = {}
        while time.monotonic() < start + minutes * 60 or jobs:
            over = time.monotonic() >= start + minutes * 60
            for job in [*jobs]:
                _look(arena, job, jobs, ended)
            while len(jobs) < len(PROFILES) and not over:
                page = sheet(chance.randint(1, 5), chance.randint(1, 4), mark=f"{chance.randrange(1000):03d}")
                profile = chance.choice(PROFILES)
                jobs[arena.farm.submit(page.png, profile=profile)] = page, time.monotonic()
            if time.monotonic() >= fault_at + _PAUSE_SECONDS and not over:
                fault = chance.choice(_UNHARMED)
                harm[fault.name] += 1
                fault.act(arena)
                fault_at = time.monotonic()
            for name, megabytes in _sizes(arena):
                memory[name].append((time.monotonic() - start, megabytes))
            time.sleep(_LOOK_SECONDS)
    click.echo(f"faults  {dict(harm)}\njobs    {dict(ended)}")
    for name, looks in sorted(memory.items()):
        click.echo(f"memory  {name:18} {_growth(looks, minutes * 60)}")


def _look(arena: Arena, job: str, jobs: dict[str, tuple[Sheet, float]], ended: Counter[str]) -> None:
    """Take a job that has ended off the list, and count what became of it."""
    page, since = jobs[job]
    status = arena.farm.wait(job, lambda _: True, seconds=PATIENCE)
    if not status.ended and time.monotonic() < since + PATIENCE:
        return
    del jobs[job]
    ended[status.state if status.ended else "STUCK"] += 1
    if status.state == "complete":
        lost, doubled = lost_and_doubled(arena.farm.document(job), page.lines)
        ended["lines lost"] += len(lost)
        ended["lines doubled"] += len(doubled)


def _sizes(arena: Arena) -> Iterator[tuple[str, float]]:
    """Give the megabytes of every worker's parent process, of its largest child, and of this process."""
    for name in WORKERS:
        if name in arena.farm.running:
            yield f"{name}, parent", _megabytes(arena.farm.running[name].pid)
            yield f"{name}, child", max(map(_megabytes, arena.farm.children(name)), default=0.0)
    yield "client", _megabytes(os.getpid())


def _megabytes(process: int) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _growth(looks: list[tuple[float, float]], seconds: float) -> str:
    """Say how the last third compares with the first."""
    thirds = [[size for at, size in looks if low <= at / seconds < low + 1 / 3 and size] for low in (0.0, 2 / 3)]
    if not all(thirds):
        return "too short"
    first, last = (sum(third) / len(third) for third in thirds)
    return f"{first:7.1f} -> {last:7.1f} MB  {last / first - 1:+.1%}"
