"""How often a tile is tried, in what way, and when it is given up: a state machine without input or output.

A tile is read whole at its first attempt, and at its second if its worker died during the first for no known reason,
which is rarely the tile's fault. If the engine failed on it, or it took all its time, its quarters are read one by one,
each with the job's model and then with the light one. What still fails becomes a dead letter.

    whole tile     .---- the worker died, once ----.
                   v                               |
    start ----> READ -----------------------------' ---- ok ----> done
                   |
                   | the engine failed, the time was up, or the worker died twice
                   v
                READ_IN_QUARTERS   a tile that is too small to be cut is its own only quarter
                   |
    each quarter   '--> READ -------------------------- ok ----> done
                          | it failed, or the worker died
                          v
                        READ_LIGHT -------------------- ok ----> done
                          | ^ it failed, or the worker died
                          | '--- until `max_attempts`
                          v
                        GIVE_UP    the tile is given up when all its quarters were tried and one of them was given up

A region of the second pass is read, and given up when the engine fails on it: the first reading of its lines stands.

The invariant: no pixel is tried more often than `max_attempts`. Attempts at a tile and at the quarter that shows the
same pixel count together, and every attempt is counted in Redis before it starts, since it may end its worker.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from ocrfarm.errors import BrokerError, OcrfarmError, StoreError, StoreFull
from ocrfarm.farm import protocol
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.keys import Keys
from ocrfarm.farm.metrics import MetricsStore

MAX_WHOLE_ATTEMPTS = 2
"""Attempts at a whole tile, if nothing but the death of its worker speaks against it."""

MAX_REPEATS = 5
"""Times that a message is requeued for an error of the store that looks final, 3 s apart: what a proxy answers in place
of the store while that restarts has passed by then."""

REPEATS_PREFIX = "repeats "
"""Begins the name of an item under which repeats are counted, and not attempts."""

Piece = Literal["tile", "quarter", "region"]
"""What is read at a time: a whole tile, a part of one, or a region of the second pass."""


class Decision(Enum):
    """What is done next with a piece."""

    READ = auto()
    """Read it with the job's model."""
    READ_IN_QUARTERS = auto()
    """Cut the tile and read each quarter."""
    READ_LIGHT = auto()
    """Read it with the light model."""
    GIVE_UP = auto()
    """Write a dead letter."""


@dataclass(frozen=True, slots=True)
class TilePolicy:
    """Decides what is done with a tile that was tried before.

    Attributes:
        max_attempts: No pixel is tried more often than this.
    """

    max_attempts: int

    def decide(self, piece: Piece, attempts: int, *, failures: int = 0, tile_attempts: int = 0) -> Decision:
        """Return what is done next.

        Args:
            piece: What is to be read.
            attempts: How often a worker has started to read it; all those attempts ended without a result.
            failures: In how many of them the engine failed or the time was up.
            tile_attempts: For a quarter: attempts at the whole tile, before it was cut.

        >>> policy = TilePolicy(max_attempts=3)
        >>> policy.decide("tile", 1).name, policy.decide("tile", 1, failures=1).name
        ('READ', 'READ_IN_QUARTERS')
        >>> policy.decide("quarter", 1, tile_attempts=1).name, policy.decide("quarter", 2, tile_attempts=1).name
        ('READ_LIGHT', 'GIVE_UP')
        """
        if attempts + tile_attempts >= self.max_attempts or (piece == "region" and failures):
            return Decision.GIVE_UP
        if piece == "tile" and (failures or attempts >= MAX_WHOLE_ATTEMPTS):
            return Decision.READ_IN_QUARTERS
        if piece == "quarter" and attempts:
            return Decision.READ_LIGHT
        return Decision.READ


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is known about a tile that was given up.

    Attributes:
        reason: Why it could not be read.
        attempts: How often it was tried.
    """

    reason: str
    attempts: int = 1

    @classmethod
    def worn_out(cls, piece: object, attempts: int) -> "DeadLetter":
        """Return the letter of a piece whose attempts all ended their worker.

        Args:
            piece: Its kind and its id, as in "tile p0000-l0-r002-c003".
            attempts: How often it was tried.
        """
        return cls(f"{piece}: took its worker down or all its time, {attempts} times", attempts)


def looks_final(error: OcrfarmError) -> bool:
    """Return whether an error says that the store refuses or lacks something, which others may say in its place.

    >>> from ocrfarm.errors import StoreDenied
    >>> looks_final(StoreDenied("access denied")), looks_final(StoreFull("no space left"))
    (True, False)
    """
    return isinstance(error, StoreError) and not error.retryable and not isinstance(error, StoreFull)


def parse_reason(data: bytes) -> str:
    """Return the reason in a stored dead letter."""
    return str(json.loads(data)["reason"])


@dataclass(frozen=True, slots=True)
class AttemptState:
    """What a worker learns about a tile, or about a task, before it starts.

    Attributes:
        job_exists: Whether the broker still knows the job, and so what was started.
        has_ended: Whether the job has ended.
        is_done: Whether the tile was read or given up.
        attempts: Attempts that were started and have not ended.
        failures: How often the engine failed on the tile or the time was up.
    """

    job_exists: bool
    has_ended: bool
    is_done: bool
    attempts: int
    failures: int


class Attempts:
    """Attempts and failures of each tile, quarter and task of a job, in Redis. Safe for threads.

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys, *, metrics: MetricsStore) -> None:
        """Connect to nothing yet.

        Args:
            broker: The connection.
            keys: The names of the farm's keys.
            metrics: Where retries and failures are counted.
        """
        self._broker, self._keys, self._metrics = broker, keys, metrics
        self._get_state, self._count = broker.load_script("get_attempts"), broker.load_script("count_attempt")
        self._start_batch = broker.load_script("start_batch")

    def get_state(self, job: str, item: str) -> AttemptState:
        """Return what is known; nothing is counted.

        Args:
            job: The job's id.
            item: The name of a tile, a quarter, a region or a task.
        """
        keys = self._keys.job(job)
        with self._broker.translate_errors():
            state, is_done, attempts, failures = self._get_state(
                keys=[keys.record, keys.done, keys.failed, keys.attempts, keys.failures], args=[item]
            )
        return AttemptState(bool(state), state in protocol.FINAL_STATES, bool(is_done), int(attempts), int(failures))

    def start(self, job: str, item: str) -> int:
        """Count an attempt, before anything is read, and return how many there have been.

        Args:
            job: The job's id.
            item: The name of a tile, a quarter, a region or a task.
        """
        keys = self._keys.job(job)
        with self._broker.translate_errors():
            attempt = int(self._count(keys=[keys.record, keys.attempts], args=[item]))
        if attempt > 1:
            self._metrics.increment("retries", item.removeprefix("ocrfarm.") if item in protocol.TASKS else "recognize")
        return attempt

    def start_batch(self, job: str, batch: str, *, worker: str) -> bool:
        """Record which worker reads a batch, and return whether the job has ended.

        Args:
            job: The job's id.
            batch: The id of the batch's task.
            worker: The worker's name.
        """
        keys = self._keys.job(job)
        with self._broker.translate_errors():
            return self._start_batch(keys=[keys.record, keys.readers], args=[batch, worker]) in protocol.FINAL_STATES

    def reset(self, job: str, *items: str) -> None:
        """Forget the attempts: they ended well, or what went wrong was not the fault of these items.

        Args:
            job: The job's id.
            items: The names of tiles, quarters, regions or tasks.
        """
        with self._broker.pipeline() as pipe:
            pipe.hdel(self._keys.job(job).attempts, *items)

    def may_repeat(self, job: str, item: str) -> bool:
        """Return whether an item may be tried again although the store's answer looks final, and count it.

        Unlike other methods this one raises nothing if the broker is away: then the item may be tried again.

        Args:
            job: The job's id. Nothing of a job that the broker does not know is tried again.
            item: The name of a tile or a task.
        """
        with suppress(BrokerError):
            if not self.get_state(job, item).job_exists:
                return False
            keys = self._keys.job(job)
            with self._broker.translate_errors():
                return int(self._count(keys=[keys.record, keys.attempts], args=[REPEATS_PREFIX + item])) <= MAX_REPEATS
        return True

    def record_failure(self, job: str, item: str) -> None:
        """Record that the engine failed on an item, or that it took all its time.

        Args:
            job: The job's id.
            item: The name of a tile, a quarter or a region.
        """
        keys = self._keys.job(job)
        with self._broker.translate_errors():
            self._count(keys=[keys.record, keys.failures], args=[item])
        self._metrics.increment("failures")

    def record_failure_of_running(self, job: str, tiles: Sequence[str]) -> None:
        """Record a failure of what was being read when the worker of these tiles was stopped from outside.

        Tiles are read in order and one at a time, so it is the last of them, or of their quarters, with an attempt.

        Args:
            job: The job's id.
            tiles: The tiles of the worker's batch, in order.
        """
        with self._broker.translate_errors():
            started = self._broker.redis.hkeys(self._keys.job(job).attempts)
        order = {tile: index for index, tile in enumerate(tiles)}
        own = [(order[name[: len(tiles[0])]], name) for name in map(str, started) if name[: len(tiles[0])] in order]
        if own:
            self.record_failure(job, max(own)[1])
