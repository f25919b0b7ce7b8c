"""Pictures and a farm -> how it bore them: many jobs at once, each one's times, and how the farm was meanwhile."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ocrfarm.client import Client, Job
from ocrfarm.errors import FarmBusy
from ocrfarm.recognize import Profile

if TYPE_CHECKING:  # redis, which only a trial that runs needs
    from ocrfarm.farm.census import Census
    from ocrfarm.farm.progress import JobStatus

_LOOK_SECONDS = 0.5
"""Between two looks at the farm: a dozen commands for the broker."""

STAGES = ("wait", "split", "read", "stitch", "whole")
"""wait: until the splitter began. read: from then on until the stitcher began; the picture is split meanwhile."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is handed in: these pictures in turn, so many jobs, so many of them unfinished at any time.

    `seconds`: after so long no more are handed in, and those under way are waited for; 0: no limit.
    """

    pictures: tuple[Path, ...]
    profile: Profile
    jobs: int = 20
    at_once: int = 4
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Played:
    """One job that has ended: its last status, the seconds of each stage, and its pixels (0: it failed)."""

    status: "JobStatus"
    seconds: dict[str, float]
    pixels: int


@dataclass(frozen=True, slots=True)
class Look:
    """The farm after `at` seconds: messages that wait and that workers have in hand, and bytes of memory."""

    at: float
    waiting: int
    in_hand: int
    workers: int
    broker: int


@dataclass(slots=True)
class Record:
    """What happened; `refused` counts the times that the farm had enough to do."""

    seconds: float = 0.0
    refused: int = 0
    played: list[Played] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)

    @property
    def jobs_a_minute(self) -> float:
        """Jobs that ended, a minute."""
        return 60 * len(self.played) / self.seconds if self.seconds else 0.0

    @property
    def megapixels_a_second(self) -> float:
        """Pixels of the pages that were read, without what tiles share."""
        return sum(each.pixels for each in self.played) / 1e6 / self.seconds if self.seconds else 0.0


def press(client: Client, load: Load, *, census: "Callable[[], Census]", check: Callable[[], None]) -> Record:
    """Hand everything in and wait for it; `check` raises what is wrong with the farm. Errors are those of `Client`."""
    record, started = Record(), time.monotonic()
    left, running = load.jobs, list[Job]()
    while left or running:
        check()
        record.looks.append(_look(census(), time.monotonic() - started))
        for job in [job for job in running if job.status().ended]:
            running.remove(job)
            record.played.append(_played(job))
        if load.seconds and time.monotonic() - started >= load.seconds:
            left = 0
        for _ in range(min(left, load.at_once - len(running))):
            if handed_in := _handed_in(client, load, load.jobs - left, record):
                running.append(handed_in)
                left -= 1
        time.sleep(_LOOK_SECONDS if left or running else 0)
    record.seconds = time.monotonic() - started
    return record


def _handed_in(client: Client, load: Load, number: int, record: Record) -> Job | None:
    """Hand in the job of this number; None where the farm has enough to do."""
    try:
        return client.submit(load.pictures[number % len(load.pictures)], profile=load.profile)
    except FarmBusy:
        record.refused += 1
        return None


def _played(job: Job) -> Played:
    status = job.status()
    if status.state not in ("complete", "partial"):
        return Played(status, {}, 0)
    document = job.result()
    whole, wait = status.finished - status.submitted, max(status.started - status.submitted, 0.0)
    split, stitch = (document.timing.get(stage, 0.0) for stage in ("split", "stitch"))
    seconds = dict(zip(STAGES, (wait, split, max(whole - wait - stitch, 0.0), stitch, whole), strict=True))
    return Played(status, seconds, sum(page.size.area for page in document.pages))


def _look(census: "Census", at: float) -> Look:
    return Look(
        at,
        waiting=sum(depth.messages for depth in census.queues),
        in_hand=sum(census.in_hand.values()),
        workers=sum(worker.memory for worker in census.workers),
        broker=census.memory,
    )
