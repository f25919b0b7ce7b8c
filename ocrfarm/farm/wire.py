"""What travels through the broker: names of tasks and queues, ids and message bodies; pixels never do."""

import re
import secrets
import time
from collections.abc import Iterable
from typing import NamedTuple

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

CONTROL_LANE = "control"
"""The lane of the workers that split and stitch; see `lane`."""

PRIORITIES = (0, 5, 9)
"""The steps that a queue has; on Redis 0 is served first. Each is one more list in every BRPOP."""

SMALL_JOB = 100
"""Tiles; a 16K page has 81 and is gone within a minute on one GPU: it never waits behind an archive."""

BIG_JOB = 1_000
"""Tiles; from here on a job waits for all others."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_JOB_ID = re.compile(f"[{_CROCKFORD}]{{26}}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def new_job_id() -> str:
    """Give a ULID: 10 characters of milliseconds and 16 of chance, so that ids sort by time."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def checked_job_id(text: str) -> str:
    """Give the id back; `UnknownJob` for anything that `new_job_id` cannot have made, paths above all."""
    if not _JOB_ID.fullmatch(text):
        raise UnknownJob(f"{text[:40]!r} is no job id; `ocrfarm jobs` lists them")
    return text


def recognize_queue(model: str) -> str:
    """Name the queue of the workers that hold this recognizer; ValueError for a name that no key can hold."""
    if not _MODEL.fullmatch(model):
        raise ValueError(f"{model!r} cannot name a queue")
    return f"recognize.{model}"


def lane(model: str = "") -> str:
    """Name the workers that share their unacknowledged messages: those with this recognizer, else the control lane.

    Each recognizer has its own, so that a scaler sees what its own workers have in hand: a shared one would keep the
    GPUs of all models up while one of them is busy.
    """
    return recognize_queue(model) if model else CONTROL_LANE


def list_name(queue: str, step: int) -> str:
    """Name the list in Redis that holds a queue's messages of one priority, without the farm's prefix."""
    return f"{queue}:{step}" if step else queue


def split_id(job: str) -> str:
    """Name the task that splits the job."""
    return f"{job}.split"


class Wave(NamedTuple):
    """Which chord of a job: each revival has its own, so that what an older one counted cannot end it.

    `again`: not the tiles are read, but places a second time.
    """

    revival: int = 0
    again: bool = False

    def __str__(self) -> str:
        return f"{self.revival}-{2 if self.again else 1}"


def group_id(job: str, wave: Wave) -> str:
    """Name the chord of the job."""
    return f"{job}.batches.{wave}"


def batch_id(job: str, index: int, *, wave: Wave) -> str:
    """Name the task that reads the job's batch of this number."""
    return f"{job}.b{wave}-{index:05d}"


def stitch_id(job: str, wave: Wave | None = None) -> str:
    """Name the task that stitches the job, after this wave or whenever it is needed."""
    return f"{job}.stitch.{wave}" if wave else f"{job}.stitch"


def resume_id(job: str) -> str:
    """Name the task that takes the job up again."""
    return f"{job}.resume"


def job_message(job: str) -> list[str]:
    """Give the arguments of a split or stitch task."""
    return [job]


def batch_message(job: str, tiles: Iterable[TileId]) -> list[str | list[str]]:
    """Give the arguments of a recognize task: the job and the names of the batch's tiles."""
    return [job, [str(tile) for tile in tiles]]


def tiles_of(names: Iterable[str]) -> tuple[TileId, ...]:
    """Read the tile names of a message; ValueError for anything else."""
    return tuple(TileId.parse(name) for name in names)


def priority(tiles: int) -> int:
    """Give the step for a job of so many tiles: small jobs first."""
    if tiles <= SMALL_JOB:
        return PRIORITIES[0]
    return PRIORITIES[1] if tiles < BIG_JOB else PRIORITIES[2]
