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
from tests.benchmarks.chaos import PATIENCE, PROFILES
from tests.benchmarks.faults import FAULTS, PARTIAL, PLAIN, WORKERS, Arena, arena_for
from tests.integration.farmyard import CONTROL, READER, Sheet, lost_and_doubled, sheet

_PAUSE_SECONDS = 30
_LOOK_SECONDS = 2
_REPORT_SECONDS = 60
_UNHARMED = [fault for fault in FAULTS if fault.setting == PLAIN and not fault.word and fault.name != "none"]
"""Faults that need neither special workers nor special pages."""

_WORDS = [fault.word for fault in FAULTS if fault.word]
_WORD_SHARE = 0.1
"""Of the pages: those that hold a tile which harms its worker."""

STEADY = {"steady-control": CONTROL, "steady-reader": READER}
"""Workers that no fault kills: what they gather in an hour shows, where the others are replaced every few minutes."""


@dataclass
class Course:
    """What happened so far: jobs at work, how others ended, what was done, and each process's megabytes over time."""

    jobs: dict[str, tuple[Sheet, float]] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)
    harm: Counter[str] = field(default_factory=Counter)
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))


@click.command()
@click.option("--minutes", default=60.0, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Which faults, and when.")
def soak(minutes: float, seed: int) -> None:
    """Keep three jobs going, do something bad every 30 seconds, and look at every process's memory."""
    chance, course = random.Random(seed), Course()
    with arena_for() as arena:
        for name, command in STEADY.items():
            arena.farm.start(name, command)
        arena.farm.ready()
        start = fault_at = report_at = time.monotonic()
        while (now := time.monotonic()) < start + minutes * 60 or course.jobs:
            over = now >= start + minutes * 60
            _settle(arena, course)
            for _ in range(0 if over else len(PROFILES) - len(course.jobs)):
                _submit(arena, course, chance)
            if now >= fault_at + _PAUSE_SECONDS and not over:
                _harm(arena, course, chance)
                fault_at = now
            for name, megabytes in _sizes(arena):
                course.memory[name].append((now - start, megabytes))
            if now >= report_at + _REPORT_SECONDS:
                _report(course, now - start)
                report_at = now
            time.sleep(_LOOK_SECONDS)
    click.echo(f"faults  {dict(course.harm)}\njobs    {dict(course.ended)}")
    for name, looks in sorted(course.memory.items()):
        click.echo(f"memory  {name:22} {_growth(looks, minutes * 60)}")


def _submit(arena: Arena, course: Course, chance: random.Random) -> None:
    across, down = chance.randint(2, 5), chance.randint(2, 4)
    words = {(1, 1): chance.choice(_WORDS)} if chance.random() < _WORD_SHARE else None
    page = sheet(across, down, words, mark=f"{chance.randrange(1000):03d}")
    try:
        job = arena.farm.submit(page.png, profile=PROFILES[0] if words else chance.choice(PROFILES))
    except OcrfarmError as error:
        course.ended["not handed in"] += 1
        click.echo(f"! {error}")
    else:
        course.jobs[job] = page, time.monotonic()


def _harm(arena: Arena, course: Course, chance: random.Random) -> None:
    fault = chance.choice(_UNHARMED)
    course.harm[fault.name] += 1
    fault.act(arena)
    for complaint in arena.complaints:
        course.ended["complaints"] += 1
        click.echo(f"! {fault.name}: {complaint}")
    arena.complaints.clear()


def _settle(arena: Arena, course: Course) -> None:
    """Take jobs that have ended off the list, and count what became of them."""
    for job, (page, since) in list(course.jobs.items()):
        status = arena.farm.wait(job, lambda _: True, seconds=PATIENCE)
        if not status.ended and time.monotonic() < since + PATIENCE:
            continue
        del course.jobs[job]
        course.ended[status.state if status.ended else "STUCK"] += 1
        if status.state not in PARTIAL:
            click.echo(f"! {status}")
        if status.state == "complete":
            lost, doubled = lost_and_doubled(arena.farm.document(job), page.lines)
            course.ended["lines lost"] += len(lost)
            course.ended["lines doubled"] += len(doubled)


def _sizes(arena: Arena) -> Iterator[tuple[str, float]]:
    """Give the megabytes of every worker's parent process, of its largest child, and of this process."""
    for name in (*WORKERS, *STEADY):
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


def _report(course: Course, seconds: float) -> None:
    sizes = ", ".join(f"{name} {looks[-1][1]:.0f}" for name, looks in course.memory.items() if looks)
    click.echo(f"{seconds / 60:4.0f} min  jobs {dict(course.ended)}  faults {course.harm.total()}  MB: {sizes}")


def _growth(looks: list[tuple[float, float]], seconds: float) -> str:
    """Say how the last third compares with the first, by the median: a worker that has just been replaced has less."""
    thirds = [[size for at, size in looks if low <= at / seconds < low + 1 / 3 and size] for low in (0.0, 2 / 3)]
    if not all(thirds):
        return "too short"
    first, last = (statistics.median(third) for third in thirds)
    return f"{first:7.1f} -> {last:7.1f} MB  {last / first - 1:+.1%}"
