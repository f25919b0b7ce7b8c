"""How often a worker began with each tile of a job, and which of them took all their time, in Redis.

{prefix}job:{id}:attempts   hash: tile, part of a tile, or stage -> how often a worker began with it and has not ended
{prefix}job:{id}:troubles   hash: tile or part -> how often the engine broke on it or ran out of time

Both are counted before anything is touched or given up, since a worker may die at any moment, and both go with the job.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ocrfarm.farm import wire
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.meters import Meters


@dataclass(frozen=True, slots=True)
class Turn:
    """What a worker learns before it begins: `attempts` and `troubles` are those of others before it.

    `known`: the broker has not forgotten the job, and so neither what was begun.
    """

    known: bool
    ended: bool
    settled: bool
    attempts: int
    troubles: int


_LOOK = """
local key, what = KEYS[1], ARGV[1]
local state = redis.call('HGET', key, 'state')
local settled = redis.call('SISMEMBER', key .. ':done', what) + redis.call('SISMEMBER', key .. ':dead', what)
local attempts = redis.call('HGET', key .. ':attempts', what)
local troubles = redis.call('HGET', key .. ':troubles', what)
return {state or '', settled, attempts or 0, troubles or 0}
"""


class Attempts:
    """Counters; every method raises `BrokerUnreachable` or `BrokerError`. Safe for threads."""

    def __init__(self, broker: Broker, *, prefix: str) -> None:
        self._broker, self._prefix = broker, prefix
        self._look = broker.script(_LOOK)
        self._meters = Meters(broker, prefix=prefix)

    def look(self, job: str, what: str) -> Turn:
        """Say what is known of a tile (or a stage); nothing is counted."""
        with self._broker.translated():
            state, settled, attempts, troubles = self._look(keys=[self._key(job)], args=[what])
        return Turn(bool(state), state in ENDED, bool(settled), int(attempts), int(troubles))

    def begin(self, job: str, what: str) -> int:
        """Count an attempt, and say the how manyth it is."""
        with self._broker.translated():
            attempt = int(self._broker.redis.hincrby(f"{self._key(job)}:attempts", what, 1))
        if attempt > 1:
            self._meters.count("retries", what.removeprefix("ocrfarm.") if what in wire.TASKS else "recognize")
        return attempt

    def forgive(self, job: str, *what: str) -> None:
        """Forget the attempts: it went well, or what went wrong was not their fault."""
        with self._broker.talk() as pipe:
            pipe.hdel(f"{self._key(job)}:attempts", *what)

    def blame(self, job: str, what: str) -> None:
        """Note that the engine broke on it or ran out of time."""
        with self._broker.talk() as pipe:
            pipe.hincrby(f"{self._key(job)}:troubles", what, 1)
            pipe.hincrby(self._meters.key, "troubles", 1)

    def blame_last(self, job: str, tiles: Sequence[str]) -> None:
        """Blame what was being read when the worker of these tiles was stopped from outside.

        Tiles are read in order and one at a time, so it is the last of them, or of their parts, that has an attempt.
        """
        with self._broker.translated():
            begun = self._broker.redis.hkeys(f"{self._key(job)}:attempts")
        places = {tile: place for place, tile in enumerate(tiles)}
        mine = [(places[name[: len(tiles[0])]], name) for name in map(str, begun) if name[: len(tiles[0])] in places]
        if mine:
            self.blame(job, max(mine)[1])

    def _key(self, job: str) -> str:
        return f"{self._prefix}job:{job}"


ENDED = ("complete", "partial", "failed", "cancelled")
"""States in which nothing more happens to a job."""
