"""Images and a farm -> a load test: many jobs at a time, the times of each, and the state of the farm meanwhile."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ocrfarm.client import Client, Job
from ocrfarm.errors import FarmBusy
from ocrfarm.recognize import Profile

if TYPE_CHECKING:  # imports redis, which only a running test needs
    from ocrfarm.farm.job_store import JobStatus
    from ocrfarm.farm.snapshot import FarmSnapshot

_POLL_INTERVAL = 0.5
"""Seconds between two samples of the farm; a sample is a dozen commands for the broker."""

STAGES = ("wait", "split", "recognize", "stitch", "total")
"""wait: until splitting began. recognize: from then until stitching began; splitting overlaps it."""


@dataclass(frozen=True, slots=True)
class LoadTest:
    """What is submitted.

    Attributes:
        images: Images, which are submitted in turn.
        profile: Profile of all jobs.
        job_count: Number of jobs.
        max_concurrent: Largest number of unfinished jobs.
        duration: Seconds after which no more jobs are submitted; unfinished jobs are awaited. 0: no limit.
    """

    images: tuple[Path, ...]
    profile: Profile
    job_count: int = 20
    max_concurrent: int = 4
    duration: float = 0.0


@dataclass(frozen=True, slots=True)
class JobTiming:
    """One job that has ended: its final status, the seconds of each stage, and its pixels (0 if it failed)."""

    status: "JobStatus"
    seconds: dict[str, float]
    pixels: int


@dataclass(frozen=True, slots=True)
class FarmSample:
    """The farm after `elapsed` seconds: waiting and unacknowledged messages, and memory in bytes."""

    elapsed: float
    waiting: int
    unacked: int
    worker_memory: int
    broker_memory: int


@dataclass(slots=True)
class LoadTestResult:
    """What was measured; `rejected_count` is how often the farm was at capacity."""

    seconds: float = 0.0
    rejected_count: int = 0
    jobs: list[JobTiming] = field(default_factory=list)
    samples: list[FarmSample] = field(default_factory=list)

    @property
    def jobs_per_minute(self) -> float:
        """Jobs that ended, per minute."""
        return 60 * len(self.jobs) / self.seconds if self.seconds else 0.0

    @property
    def megapixels_per_second(self) -> float:
        """Megapixels of the pages that were read, per second; overlaps of tiles count once."""
        return sum(each.pixels for each in self.jobs) / 1e6 / self.seconds if self.seconds else 0.0


def run_load_test(
    client: Client, load_test: LoadTest, *, take_snapshot: "Callable[[], FarmSnapshot]", check: Callable[[], None]
) -> LoadTestResult:
    """Submit all jobs, wait until they have ended, and sample the farm meanwhile.

    Args:
        client: Client of the farm.
        load_test: What is submitted.
        take_snapshot: Returns the state of the farm.
        check: Raises an error if the farm is broken.

    Raises:
        StoreError, BrokerError: As `Client.submit`.
    """
    record, started = LoadTestResult(), time.monotonic()
    left, running = load_test.job_count, list[Job]()
    while left or running:
        check()
        record.samples.append(_sample_farm(take_snapshot(), time.monotonic() - started))
        for job in [job for job in running if job.status().has_ended]:
            running.remove(job)
            record.jobs.append(_measure_job(job))
        if load_test.duration and time.monotonic() - started >= load_test.duration:
            left = 0
        for _ in range(min(left, load_test.max_concurrent - len(running))):
            if submitted := _try_submit(client, load_test, load_test.job_count - left, record):
                running.append(submitted)
                left -= 1
        time.sleep(_POLL_INTERVAL if left or running else 0)
    record.seconds = time.monotonic() - started
    return record


def _try_submit(client: Client, load_test: LoadTest, number: int, result: LoadTestResult) -> Job | None:
    """Submit the job with this number; None if the farm is at capacity."""
    try:
        return client.submit(load_test.images[number % len(load_test.images)], profile=load_test.profile)
    except FarmBusy:
        result.rejected_count += 1
        return None


def _measure_job(job: Job) -> JobTiming:
    status = job.status()
    if status.state not in ("complete", "partial"):
        return JobTiming(status, {}, 0)
    document = job.result()
    total, wait = status.finished - status.submitted, max(status.started - status.submitted, 0.0)
    split, stitch = (document.timing.get(stage, 0.0) for stage in ("split", "stitch"))
    seconds = dict(zip(STAGES, (wait, split, max(total - wait - stitch, 0.0), stitch, total), strict=True))
    return JobTiming(status, seconds, sum(page.size.area for page in document.pages))


def _sample_farm(snapshot: "FarmSnapshot", elapsed: float) -> FarmSample:
    return FarmSample(
        elapsed,
        waiting=sum(depth.messages for depth in snapshot.queues),
        unacked=sum(snapshot.unacked.values()),
        worker_memory=sum(worker.memory for worker in snapshot.workers),
        broker_memory=snapshot.broker_memory,
    )
