"""What the reconciler remembers between two looks, in Redis.

{prefix}reconciler   there while somebody holds the office; {prefix}cleanup likewise
{prefix}initialized  there since the broker was first used: an emptied broker lacks it
{prefix}job:{id}     fields progress_mark, progress_marked_at: what the job looked like, and since when by the broker's
                     own clock; requeues, done_at_requeue: how often it was taken up, and how many tiles were settled
                     at the last time; requeues_without_progress: how often in a row without one more
"""

from ocrfarm.farm.broker import Broker
from ocrfarm.farm.job_store import JobStatus

_IDLE = """
local now = tonumber(redis.call('TIME')[1])
if redis.call('HGET', KEYS[1], 'progress_mark') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'progress_mark', ARGV[1], 'progress_marked_at', now)
end
return now - tonumber(redis.call('HGET', KEYS[1], 'progress_marked_at'))
"""
"""Time is the broker's: workers' clocks may differ by minutes."""

_COUNT_REQUEUE = """
local done = redis.call('HGET', KEYS[1], 'done_at_requeue')
if done ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'done_at_requeue', ARGV[1], 'requeues_without_progress', 0)
end
redis.call('HINCRBY', KEYS[1], 'requeues', 1)
return redis.call('HINCRBY', KEYS[1], 'requeues_without_progress', 1)
"""


class RecoveryState:
    """The reconciler's memory; every method raises `BrokerUnreachable` or `BrokerError`."""

    def __init__(self, broker: Broker, *, prefix: str) -> None:
        self._broker, self._prefix = broker, prefix
        self._idle, self._count_requeue = broker.register_script(_IDLE), broker.register_script(_COUNT_REQUEUE)
        self.close = broker.close

    def try_lock(self, name: str, ttl_seconds: int) -> bool:
        """Become the only holder of an office for so long; False where somebody is."""
        with self._broker.translate_errors():
            return bool(self._broker.redis.set(f"{self._prefix}{name}", 1, nx=True, ex=max(1, ttl_seconds)))

    def was_flushed(self) -> bool:
        """Say whether the broker had forgotten everything; once."""
        with self._broker.translate_errors():
            return bool(self._broker.redis.setnx(f"{self._prefix}initialized", 1))

    def list_active(self, owner: str = "") -> list[str]:
        """Give the jobs that have not ended; those of this owner, where one is given."""
        with self._broker.translate_errors():
            found = sorted(map(str, self._broker.redis.smembers(f"{self._prefix}active")))
        if not owner:
            return found
        with self._broker.pipeline() as pipe:
            for job in found:
                pipe.hget(self._job_key(job), "owner")
            owners = pipe.execute()
        return [job for job, whose in zip(found, owners, strict=True) if whose == owner]

    def measure_idle_seconds(self, status: JobStatus) -> float:
        """Say for how long the job has looked as it does, as far as anybody has looked."""
        mark = f"{status.state} {status.tiles} {status.done} {status.failed}"
        with self._broker.translate_errors():
            return float(self._idle(keys=[self._job_key(status.id)], args=[mark]))

    def count_requeue(self, status: JobStatus) -> int:
        """Count that the job is taken up; give how often in a row that was, without a tile settled in between."""
        with self._broker.translate_errors():
            return int(self._count_requeue(keys=[self._job_key(status.id)], args=[status.done + status.failed]))

    def get_requeue_count(self, job: str) -> int:
        """Give how often the job was ever taken up."""
        with self._broker.translate_errors():
            return int(self._broker.redis.hget(self._job_key(job), "requeues") or 0)

    def reset_job(self, job: str, *, done: set[str]) -> None:
        """Let a job go on that has ended; these tiles count as read, and none as given up."""
        key = self._job_key(job)
        with self._broker.pipeline() as pipe:
            pipe.delete(*(f"{key}:{part}" for part in ("failed", "attempts", "failures")))
            pipe.hdel(
                key, "error", "error_kind", "finished", "done", "failed", "progress_mark", "requeues_without_progress"
            )
            pipe.hset(key, mapping={"state": "queued"})
            pipe.hincrby(key, "requeues", 1)
            pipe.sadd(f"{self._prefix}active", job)
            if done:
                pipe.sadd(f"{key}:done", *done)

    def delete_job(self, job: str) -> None:
        """Remove every trace of a job."""
        key = self._job_key(job)
        with self._broker.translate_errors():
            owner = str(self._broker.redis.hget(key, "owner") or "")
        with self._broker.pipeline() as pipe:
            pipe.delete(key, *(f"{key}:{part}" for part in ("done", "failed", "attempts", "failures", "peaks")))
            pipe.zrem(f"{self._prefix}jobs", job)
            if owner:
                pipe.zrem(f"{self._prefix}jobs:{owner}", job)
            pipe.srem(f"{self._prefix}active", job)
            pipe.zrem(f"{self._prefix}webhooks", job)

    def _job_key(self, job: str) -> str:
        return f"{self._prefix}job:{job}"
