"""The state of the modelled farm: one job, its tiles, the broker, the processes at work, and what is still to happen.

The job has four things to read, each a bit of a mask: two tiles with text in two batches, a blank tile that splitting
finds, and one region of the second pass. Everything is a tuple, so that states can be compared and put into sets.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

FIRST, SECOND, BLANK, REGION = 1, 2, 4, 8
"""Bits of what the job has to read."""

TEXT = FIRST | SECOND
"""The tiles that have to be read."""

MAX_ATTEMPTS, MAX_REQUEUES = 3, 3
"""The settings OCRFARM_MAX_ATTEMPTS and OCRFARM_MAX_REQUEUES of the modelled farm."""

SPLIT_TRIES, STITCH_TRIES = "split", "stitch"


class Kind(StrEnum):
    """What a process does; the first four are messages."""

    SPLIT = "split"
    BATCH = "batch"
    STITCH = "stitch"
    RESUME = "resume"
    SUBMIT = "submit"
    CANCEL = "cancel"
    RECONCILE = "reconcile"


class Task(NamedTuple):
    """What is done; `bit` is the tile or the region of a batch."""

    kind: Kind
    generation: int = 0
    bit: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.generation}/{self.bit}" if self.kind == Kind.BATCH else f"{self.kind}"


class Document(NamedTuple):
    """What the result says of each tile: read, given up for a reason, or not read for no reason."""

    read: int
    dead: int
    missing: int

    @property
    def state(self) -> str:
        """The final state that the document gives its job."""
        return "partial" if (self.dead & TEXT) or self.missing else "complete"


class Store(NamedTuple):
    """The objects of the job; `manifest` is 1 before the blank tiles are known, and 2 after; `end` is final_status."""

    request: bool = False
    source: bool = False
    manifest: int = 0
    cut: int = 0
    overview: bool = False
    read: int = 0
    dead: int = 0
    regions: bool = False
    result: Document | None = None
    end: str = ""


class Chord(NamedTuple):
    """What the result backend counts: `size` is 0 until the last batch is known."""

    generation: int
    size: int = 0
    counted: int = 0
    is_done: bool = False


class Broker(NamedTuple):
    """What the broker knows. `state` is "" if it has no record of the job; `tries` are attempts by item.

    run: which run of the server it is; one that was emptied or restored has another.
    compared_run: the run that recovery has last compared with the store; 0 if it remembers none.
    ends: how often the job's webhook was queued since the job was submitted or reopened.
    """

    state: str = ""
    done: int = 0
    tries: tuple[tuple[str, int], ...] = ()
    generation: int = 0
    in_vain: int = 0
    done_at_requeue: int = -1
    queue: tuple[Task, ...] = ()
    chords: tuple[Chord, ...] = ()
    run: int = 1
    compared_run: int = 0
    ends: int = 0


class Run(NamedTuple):
    """A process at work: its next step, what it remembers, and whether the broker still counts its message as taken."""

    task: Task
    step: int = 0
    memory: tuple[object, ...] = ()
    is_leased: bool = True


class Budget(NamedTuple):
    """What may still happen."""

    faults: int = 0
    submits: int = 0
    cancels: int = 0
    resumes: int = 0
    snapshots: int = 0


class History(NamedTuple):
    """What the properties refer to; no process knows it.

    generation: the last number that was given to a chord.
    run: the last number that was given to a run of the broker.
    is_cancelled: a cancellation has returned, and the job was not resumed since.
    may_fail: something has happened after which a job may fail.
    is_half_cancelled: a client was promised nothing, since it died while it cancelled the job, or was told so.
    broken: a property that was broken.
    """

    generation: int = 0
    run: int = 1
    is_cancelled: bool = False
    may_fail: bool = False
    is_half_cancelled: bool = False
    broken: str = ""


class Farm(NamedTuple):
    """Everything."""

    store: Store = Store()
    broker: Broker = Broker()
    runs: tuple[Run, ...] = ()
    snapshot: Broker | None = None
    budget: Budget = Budget()
    history: History = History()


@dataclass(frozen=True)
class Rules:
    """How the farm works, and which faults that it once had are brought back.

    only_fault: only faults whose names match this pattern happen.
    poison: a tile that kills each worker that reads it.
    has_second_pass: whether stitching finds a region that is read again.
    """

    only_fault: str = ""
    poison: int = 0
    has_second_pass: bool = False
    swallows_split_errors: bool = False
    initializes_before_recovery: bool = False
    trusts_older_broker: bool = False
    second_split_overwrites_manifest: bool = False
    resume_trusts_done_set: bool = False
    stitches_unread_tiles: bool = False
    stitch_ends_reopened_job: bool = False
    resubmission_fails_job: bool = False
    store_loses_fragments: bool = False
