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
"""The priorities of a message; in Redis 0 is served first. Each of them is one more list in every BRPOP."""

MAX_SMALL_JOB_TILES = 100
"""Tiles of a small job; a 16K page has 81 and takes less than a minute on one GPU: it never waits for an archive."""

MIN_BIG_JOB_TILES = 1_000
"""Tiles of a big job, which waits for all others."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_JOB_ID = re.compile(f"[{_CROCKFORD}]{{26}}")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def new_job_id() -> str:
    """Return a new ULID: 10 characters of milliseconds and 16 random ones, so that ids sort by time."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def job_id_prefix(moment: float, length: int) -> str:
    """Return the first characters of all ids that are made around a moment.

    Args:
        moment: Seconds since 1970.
        length: How many characters; each one less stands for 32 times as long a time. 10 stand for a millisecond.

    >>> job_id_prefix(1_750_000_000.0, 6)
    '01JXT2'
    """
    milliseconds = int(moment * 1000)
    return "".join(_CROCKFORD[milliseconds >> shift & 31] for shift in range(45, 45 - 5 * length, -5))


def is_job_id(text: str) -> bool:
    """Return whether `new_job_id` can have made it.

    >>> is_job_id("01K3WQ8ZJ5T9V0X2Y4A6B8C0DE"), is_job_id("probe")
    (True, False)
    """
    return bool(_JOB_ID.fullmatch(text))


def validate_job_id(text: str) -> str:
    """Return the id; raises `UnknownJob` for anything that `new_job_id` cannot have made, such as a path.

    >>> validate_job_id("01K3WQ8ZJ5T9V0X2Y4A6B8C0DE")
    '01K3WQ8ZJ5T9V0X2Y4A6B8C0DE'
    """
    if not is_job_id(text):
        raise UnknownJob(f"{text[:40]!r} is no job id; `ocrfarm jobs` lists them")
    return text


def is_model_name(text: str) -> bool:
    """Return whether a recognizer can be called so.

    >>> is_model_name("PP-OCRv6_tiny_rec"), is_model_name("../x")
    (True, False)
    """
    return bool(_MODEL_NAME.fullmatch(text))


def recognize_queue(model: str) -> str:
    """Return the queue of the workers that hold a recognizer; raises ValueError for a name that no key can hold.

    >>> recognize_queue("PP-OCRv6_tiny_rec")
    'recognize.PP-OCRv6_tiny_rec'
    """
    if not is_model_name(model):
        raise ValueError(f"{model!r} cannot name a queue")
    return f"recognize.{model}"


def worker_group(model: str = "") -> str:
    """Return the group of workers that share their unacknowledged messages; without a model, the control group.

    Each recognizer has its own group, so that a scaler sees what its own workers have taken. A shared group would keep
    the GPUs of all models running while one of them is busy.
    """
    return recognize_queue(model) if model else CONTROL_GROUP


def split_id(job: str) -> str:
    """Return the id of the task that splits a job."""
    return f"{job}.split"


class Generation(NamedTuple):
    """Which chord of a job it is: each requeue has its own, so that what an older chord counted cannot end it.

    Attributes:
        requeue: 0 for a new job; every requeue draws another number.
        is_second_pass: Whether regions of the second pass are read instead of tiles.

    >>> str(Generation()), str(Generation(2, is_second_pass=True))
    ('0-1', '2-2')
    """

    requeue: int = 0
    is_second_pass: bool = False

    def __str__(self) -> str:
        return f"{self.requeue}-{2 if self.is_second_pass else 1}"


def chord_id(job: str, generation: Generation) -> str:
    """Return the id of a chord.

    Args:
        job: The job's id.
        generation: Which of its chords.
    """
    return f"{job}.batches.{generation}"


def batch_id(job: str, index: int, *, generation: Generation) -> str:
    """Return the id of the task that reads a batch.

    Args:
        job: The job's id.
        index: The batch's number in its chord.
        generation: Which chord of the job.
    """
    return f"{job}.b{generation}-{index:05d}"


def stitch_id(job: str, generation: Generation) -> str:
    """Return the id of the task that stitches a job.

    Args:
        job: The job's id.
        generation: The chord after which it stitches.
    """
    return f"{job}.stitch.{generation}"


def resume_id(job: str) -> str:
    """Return the id of the task that resumes a job."""
    return f"{job}.resume"


def job_args(job: str) -> list[str]:
    """Return the arguments of a split, stitch or resume task."""
    return [job]


def batch_args(job: str, tiles: Iterable[TileId]) -> list[str | list[str]]:
    """Return the arguments of a recognize task.

    Args:
        job: The job's id.
        tiles: The tiles of the batch.
    """
    return [job, [str(tile) for tile in tiles]]


def parse_tile_ids(names: Iterable[str]) -> tuple[TileId, ...]:
    """Return the tile ids in a message; raises ValueError for anything else."""
    return tuple(TileId.parse(name) for name in names)


def choose_priority(tiles: int) -> int:
    """Return the priority of a job of so many tiles: small jobs first.

    >>> [choose_priority(tiles) for tiles in (81, 500, 5000)]
    [0, 5, 9]
    """
    if tiles <= MAX_SMALL_JOB_TILES:
        return PRIORITIES[0]
    return PRIORITIES[1] if tiles < MIN_BIG_JOB_TILES else PRIORITIES[2]
