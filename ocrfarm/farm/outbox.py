"""Whose end is still to be told, and when the next try is, in Redis.

{prefix}webhooks     sorted set: ids of ended jobs by the time of the next try, in milliseconds by the broker's clock
{prefix}job:{id}     field webhook: pending, delivered or failed

Who takes a job puts its next try off by a lease: if he dies, another one takes it then.
"""

from typing import NamedTuple

from ocrfarm.farm.broker import Broker
from ocrfarm.farm.job_store import WebhookState

CLAIM_TTL = 120
"""A try takes 40 seconds at most."""

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_CLAIM = f"""{_NOW}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)[1]
if not due then return false end
local lease = string.format('%.0f', now + ARGV[1] * 1000)
redis.call('ZADD', KEYS[1], lease, due)
return {{due, lease}}
"""

_COMPLETE = f"""{_NOW}
for _, job in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], ARGV[2])) do
  if job == ARGV[1] then
    if ARGV[3] == 'pending' then
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


class Claim(NamedTuple):
    """A job that is to be told of, for as long as the lease lasts."""

    job: str
    lease: str


class Outbox:
    """Ended jobs that are to be told of; every method raises `BrokerUnreachable` or `BrokerError`. Safe for threads."""

    def __init__(self, broker: Broker, *, prefix: str) -> None:
        self._broker, self._prefix = broker, prefix
        self._claim, self._complete = broker.register_script(_CLAIM), broker.register_script(_COMPLETE)

    def claim(self) -> Claim | None:
        """Take the job whose turn has come the longest ago, if there is one."""
        with self._broker.translate_errors():
            found = self._claim(keys=[self._key], args=[CLAIM_TTL])
        return Claim(*found) if found else None

    def complete(self, claim: Claim, state: WebhookState, *, retry_delay: float = 0) -> None:
        """Write down what came of it, "" where nothing is to be told; while it is `pending`, the next try follows."""
        keys = [self._key, f"{self._prefix}job:{claim.job}"]
        with self._broker.translate_errors():
            self._complete(keys=keys, args=[claim.job, claim.lease, state, retry_delay])

    @property
    def _key(self) -> str:
        return f"{self._prefix}webhooks"
