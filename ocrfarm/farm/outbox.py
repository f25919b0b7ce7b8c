"""Whose end is still to be told, and when the next try is, in Redis.

{prefix}webhooks     sorted set: ids of ended jobs by the time of the next try, in milliseconds by the broker's clock
{prefix}job:{id}     field webhook: asked, delivered or given up

Who takes a job puts its next try off by a lease: if he dies, another one takes it then.
"""

from typing import NamedTuple

from ocrfarm.farm.broker import Broker
from ocrfarm.farm.progress import Told

LEASE_SECONDS = 120
"""A try takes 40 seconds at most."""

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_TAKE = f"""{_NOW}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)[1]
if not due then return false end
local lease = string.format('%.0f', now + ARGV[1] * 1000)
redis.call('ZADD', KEYS[1], lease, due)
return {{due, lease}}
"""

_SETTLE = f"""{_NOW}
for _, job in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], ARGV[2])) do
  if job == ARGV[1] then
    if ARGV[3] == 'asked' then
      redis.call('ZADD', KEYS[1], now + ARGV[4] * 1000, job)
    else
      redis.call('ZREM', KEYS[1], job)
    end
    if ARGV[3] ~= '' and redis.call('EXISTS', KEYS[2]) == 1 then
      redis.call('HSET', KEYS[2], 'webhook', ARGV[3])
    end
  end
end
"""
"""A lease that is not the same any more is another's, or the job has ended once more."""


class Taken(NamedTuple):
    """A job that is to be told of, for as long as the lease lasts."""

    job: str
    lease: str


class Outbox:
    """Ended jobs that are to be told of; every method raises `BrokerUnreachable` or `BrokerError`. Safe for threads."""

    def __init__(self, broker: Broker, *, prefix: str) -> None:
        self._broker, self._prefix = broker, prefix
        self._take, self._settle = broker.script(_TAKE), broker.script(_SETTLE)

    def take(self) -> Taken | None:
        """Take the job whose turn has come the longest ago, if there is one."""
        with self._broker.translated():
            found = self._take(keys=[self._key], args=[LEASE_SECONDS])
        return Taken(*found) if found else None

    def settle(self, taken: Taken, told: Told, *, seconds: float = 0) -> None:
        """Write down what came of it, "" where nothing is to be told; while it is `asked`, the next try follows."""
        keys = [self._key, f"{self._prefix}job:{taken.job}"]
        with self._broker.translated():
            self._settle(keys=keys, args=[taken.job, taken.lease, told, seconds])

    @property
    def _key(self) -> str:
        return f"{self._prefix}webhooks"
