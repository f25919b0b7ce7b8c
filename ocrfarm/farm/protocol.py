"""What travels through the broker: names of tasks and queues, ids and message bodies; pixels never do."""

import re
import secrets
import time
from collections.abc import Iterable
from typing import Literal, NamedTuple

from ocrfarm.errors import UnknownJob
from ocrfarm.tile import TileId

SPLIT = "ocrfarm.split"
RECOGNIZE = "ocrfarm.recognize"
STITCH = "ocrfarm.stitch"
RESUME = "ocrfarm.resume"
RECONCILE = "ocrfarm.reconcile"
TASKS = (SPLIT, RECOGNIZE, STITCH, RESUME, RECONCILE)

SPLIT_QUEUE = "split"
STITCH_QUEUE = "stitch"

JobState = Literal["queued", "splitting", "recognizing", "stitching", "complete", "partial", "failed", "cancelled"]

FINAL_STATES: tuple[JobState, ...] = ("complete", "partial", "failed", "cancelled")
"""States in which nothing more happens to a job."""

ACTIVE_STATES: tuple[JobState, ...] = ("queued", "splitting", "recognizing", "stitching")
"""States of a job that has not ended, in their order."""

SENT_HEADER = "sent"
"""Header of every message: when it was sent, in seconds since 1970."""

CONTROL_GROUP = "control"
"""The group of the workers that split and stitch; see `worker_group`."""

PRIORITIES = (0, 5, 9)
"""The steps that a queue has; on Redis 0 is served first. Each is one more list in every BRPOP."""

MAX_SMALL_JOB_TILES = 100
"""Tiles; a 16K page has 81 and is gone within a minute on one GPU: it never waits behind an archive."""

MIN_BIG_JOB_TILES = 1_000
"""Tiles; from here on a job waits for all others."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_JOB_ID = re.compile(f"[{_CROCKFORD}]{{26}}")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def new_job_id() -> str:
    """Give a ULID: 10 characters of milliseconds and 16 of chance, so that ids sort by time."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def validate_job_id(text: str) -> str:
    """Give the id back; `UnknownJob` for anything that `new_job_id` cannot have made, paths above all."""
    if not _JOB_ID.fullmatch(text):
        raise UnknownJob(f"{text[:40]!r} is no job id; `ocrfarm jobs` lists them")
    return text


def recognize_queue(model: str) -> str:
    """Name the queue of the workers that hold this recognizer; ValueError for a name that no key can hold."""
    if not _MODEL_NAME.fullmatch(model):
        raise ValueError(f"{model!r} cannot name a queue")
    return f"recognize.{model}"


def worker_group(model: str = "") -> str:
    """Name the workers that share their unacknowledged messages: those with this recognizer, else the control group.

    Each recognizer has its own, so that a scaler sees what its own workers have in hand: a shared one would keep the
    GPUs of all models up while one of them is busy.
    """
    return recognize_queue(model) if model else CONTROL_GROUP


def split_id(job: str) -> str:
    """Name the task that splits the job."""
    return f"{job}.split"


class Generation(NamedTuple):
    """Which chord of a job: each revival has its own, so that what an older one counted cannot end it.

    `is_second_pass`: not the tiles are read, but regions a second time.
    """

    requeue: int = 0
    is_second_pass: bool = False

    def __str__(self) -> str:
        return f"{self.requeue}-{2 if self.is_second_pass else 1}"


def chord_id(job: str, generation: Generation) -> str:
    """Name the chord of the job."""
    return f"{job}.batches.{generation}"


def batch_id(job: str, index: int, *, generation: Generation) -> str:
    """Name the task that reads the job's batch of this number."""
    return f"{job}.b{generation}-{index:05d}"


def stitch_id(job: str, generation: Generation) -> str:
    """Name the task that stitches the job after this generation."""
    return f"{job}.stitch.{generation}"


def resume_id(job: str) -> str:
    """Name the task that takes the job up again."""
    return f"{job}.resume"


def job_args(job: str) -> list[str]:
    """Give the arguments of a split or stitch task."""
    return [job]


def batch_args(job: str, tiles: Iterable[TileId]) -> list[str | list[str]]:
    """Give the arguments of a recognize task: the job and the names of the batch's tiles."""
    return [job, [str(tile) for tile in tiles]]


def parse_tile_ids(names: Iterable[str]) -> tuple[TileId, ...]:
    """Read the tile names of a message; ValueError for anything else."""
    return tuple(TileId.parse(name) for name in names)


def choose_priority(tiles: int) -> int:
    """Give the step for a job of so many tiles: small jobs first."""
    if tiles <= MAX_SMALL_JOB_TILES:
        return PRIORITIES[0]
    return PRIORITIES[1] if tiles < MIN_BIG_JOB_TILES else PRIORITIES[2]
