"""What the reconciler remembers between two looks, in Redis.

{prefix}reconciler   there while somebody holds the office; {prefix}sweep likewise
{prefix}alive        there since the broker was first used: an emptied broker lacks it
{prefix}job:{id}     fields mark, marked: what the job looked like, and since when by the broker's own clock;
                     revivals, revived: how often it was taken up, and how many tiles were settled at the last time
"""

from ocrfarm.farm.broker import Broker
from ocrfarm.farm.progress import JobStatus

_IDLE = """
local now = tonumber(redis.call('TIME')[1])
if redis.call('HGET', KEYS[1], 'mark') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'mark', ARGV[1], 'marked', now)
end
return now - tonumber(redis.call('HGET', KEYS[1], 'marked'))
"""
"""Time is the broker's: workers' clocks may differ by minutes."""

_REVIVE = """
local settled = redis.call('HGET', KEYS[1], 'revived')
if settled ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'revived', ARGV[1], 'fruitless', 0)
end
redis.call('HINCRBY', KEYS[1], 'revivals', 1)
return redis.call('HINCRBY', KEYS[1], 'fruitless', 1)
"""


class Upkeep:
    """The reconciler's memory; every method raises `BrokerUnreachable` or `BrokerError`."""

    def __init__(self, broker: Broker, *, prefix: str) -> None:
        self._broker, self._prefix = broker, prefix
        self._idle, self._revive = broker.script(_IDLE), broker.script(_REVIVE)
        self.close = broker.close

    def take_office(self, office: str, seconds: int) -> bool:
        """Become the only holder of an office for so long; False where somebody is."""
        with self._broker.translated():
            return bool(self._broker.redis.set(f"{self._prefix}{office}", 1, nx=True, ex=max(1, seconds)))

    def was_emptied(self) -> bool:
        """Say whether the broker had forgotten everything; once."""
        with self._broker.translated():
            return bool(self._broker.redis.setnx(f"{self._prefix}alive", 1))

    def active(self, owner: str = "") -> list[str]:
        """Give the jobs that have not ended; those of this owner, where one is given."""
        with self._broker.translated():
            found = sorted(map(str, self._broker.redis.smembers(f"{self._prefix}active")))
        if not owner:
            return found
        with self._broker.talk() as pipe:
            for job in found:
                pipe.hget(self._job(job), "owner")
            owners = pipe.execute()
        return [job for job, whose in zip(found, owners, strict=True) if whose == owner]

    def idle_seconds(self, status: JobStatus) -> float:
        """Say for how long the job has looked as it does, as far as anybody has looked."""
        mark = f"{status.state} {status.tiles} {status.done} {status.failed}"
        with self._broker.translated():
            return float(self._idle(keys=[self._job(status.id)], args=[mark]))

    def revive(self, status: JobStatus) -> int:
        """Count that the job is taken up; give how often in a row that was, without a tile settled in between."""
        with self._broker.translated():
            return int(self._revive(keys=[self._job(status.id)], args=[status.done + status.failed]))

    def revivals(self, job: str) -> int:
        """Give how often the job was ever taken up."""
        with self._broker.translated():
            return int(self._broker.redis.hget(self._job(job), "revivals") or 0)

    def reopen(self, job: str, *, done: set[str]) -> None:
        """Let a job go on that has ended; these tiles count as read, and none as given up."""
        key = self._job(job)
        with self._broker.talk() as pipe:
            pipe.delete(*(f"{key}:{part}" for part in ("dead", "attempts", "troubles")))
            pipe.hdel(key, "error", "error_kind", "finished", "done", "failed", "mark", "fruitless")
            pipe.hset(key, mapping={"state": "queued"})
            pipe.hincrby(key, "revivals", 1)
            pipe.sadd(f"{self._prefix}active", job)
            if done:
                pipe.sadd(f"{key}:done", *done)

    def forget(self, job: str) -> None:
        """Remove every trace of a job."""
        key = self._job(job)
        with self._broker.translated():
            owner = str(self._broker.redis.hget(key, "owner") or "")
        with self._broker.talk() as pipe:
            pipe.delete(key, *(f"{key}:{part}" for part in ("done", "dead", "attempts", "troubles", "peaks")))
            pipe.zrem(f"{self._prefix}jobs", job)
            if owner:
                pipe.zrem(f"{self._prefix}jobs:{owner}", job)
            pipe.srem(f"{self._prefix}active", job)
            pipe.zrem(f"{self._prefix}webhooks", job)

    def _job(self, job: str) -> str:
        return f"{self._prefix}job:{job}"
