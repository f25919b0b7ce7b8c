"""How often a worker began with each tile of a job, and which of them took all their time, in Redis.

Both are counted before anything is touched or given up, since a worker may die at any moment, and both go with the job.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ocrfarm.farm import protocol
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.keys import Keys
from ocrfarm.farm.metrics import MetricsStore


@dataclass(frozen=True, slots=True)
class AttemptState:
    """What a worker learns before it begins: `attempts` and `failures` are those of others before it.

    `job_exists`: the broker has not forgotten the job, and so neither what was begun.
    """

    job_exists: bool
    has_ended: bool
    is_done: bool
    attempts: int
    failures: int


class Attempts:
    """Counters; every method raises `BrokerUnreachable` or `BrokerError`. Safe for threads."""

    def __init__(self, broker: Broker, keys: Keys, *, metrics: MetricsStore) -> None:
        self._broker, self._keys, self._metrics = broker, keys, metrics
        self._get_state = broker.load_script("get_attempts")

    def get_state(self, job: str, item: str) -> AttemptState:
        """Say what is known of a tile (or a stage); nothing is counted."""
        with self._broker.translate_errors():
            keys = [getattr(self._keys.job(job), name) for name in ("record", "done", "failed", "attempts", "failures")]
            state, done, attempts, failures = self._get_state(keys=keys, args=[item])
        return AttemptState(bool(state), state in protocol.FINAL_STATES, bool(done), int(attempts), int(failures))

    def start(self, job: str, item: str) -> int:
        """Count an attempt, and say the how manyth it is."""
        with self._broker.translate_errors():
            attempt = int(self._broker.redis.hincrby(self._keys.job(job).attempts, item, 1))
        if attempt > 1:
            self._metrics.increment("retries", item.removeprefix("ocrfarm.") if item in protocol.TASKS else "recognize")
        return attempt

    def reset(self, job: str, *items: str) -> None:
        """Forget the attempts: it went well, or what went wrong was not their fault."""
        with self._broker.pipeline() as pipe:
            pipe.hdel(self._keys.job(job).attempts, *items)

    def record_failure(self, job: str, item: str) -> None:
        """Note that the engine broke on it or ran out of time."""
        with self._broker.pipeline() as pipe:
            pipe.hincrby(self._keys.job(job).failures, item, 1)
            pipe.hincrby(self._keys.metrics, "failures", 1)

    def record_failure_of_running(self, job: str, tiles: Sequence[str]) -> None:
        """Blame what was being read when the worker of these tiles was stopped from outside.

        Tiles are read in order and one at a time, so it is the last of them, or of their parts, that has an attempt.
        """
        with self._broker.translate_errors():
            started = self._broker.redis.hkeys(self._keys.job(job).attempts)
        order = {tile: index for index, tile in enumerate(tiles)}
        own = [(order[name[: len(tiles[0])]], name) for name in map(str, started) if name[: len(tiles[0])] in order]
        if own:
            self.record_failure(job, max(own)[1])


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is known about a tile that was given up."""

    reason: str
    attempts: int = 1


def parse_reason(data: bytes) -> str:
    """Give the reason of a stored letter."""
    return str(json.loads(data)["reason"])
