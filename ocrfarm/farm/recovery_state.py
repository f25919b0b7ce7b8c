"""What recovery remembers in Redis, of each job and of the broker itself, from one run to the next."""

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from ocrfarm.farm.broker import Broker
from ocrfarm.farm.keys import Keys
from ocrfarm.farm.protocol import FINAL_STATES

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus

_CHUNK_SIZE = 1000
"""Jobs that are looked up in one round trip."""

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that nobody sets. On Linux it runs while the machine sleeps."""

_DAY = 86_400.0
"""Seconds in a day."""


_WATCH_PAUSE = 15
"""Seconds without a look after which nobody has watched: the broker was away, or every worker."""


class RecoveryState:
    """What recovery remembers of each job from one run to the next.

    It is kept in fields of the job's record: what the job looked like and since when (`progress_mark`,
    `progress_marked_at`), how often it was requeued (`requeues`), the number of its current chord (`generation`), how
    many tiles were done at the last requeue (`done_at_requeue`), how often in a row that brought nothing
    (`requeues_without_progress`), and since when its retention has been over (`expired_at`).

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys) -> None:
        """Connect to nothing yet.

        Args:
            broker: The connection.
            keys: The names of the farm's keys.
        """
        self._broker, self._keys = broker, keys
        self._measure_idle, self._count_requeue = (
            broker.load_script("measure_idle"),
            broker.load_script("count_requeue"),
        )
        self._measure_expired = broker.load_script("measure_expired")

    def try_lock(self, name: str, ttl_seconds: int) -> bool:
        """Take a lock; returns False if another process holds it.

        Args:
            name: The name of the lock.
            ttl_seconds: The lock is released after so many seconds, and not before.
        """
        with self._broker.translate_errors():
            return bool(self._broker.redis.set(self._keys.lock(name), 1, nx=True, ex=max(1, ttl_seconds)))

    def measure_expired_seconds(self, job: str, retention: int, *, states: Sequence[str]) -> float:
        """Return for how long the job's retention has been over, as far as calls of this method have seen it.

        Args:
            job: The job's id.
            retention: Seconds for which it is kept after its end.
            states: The final states to which the retention applies.

        Returns:
            Seconds by the broker's clock; -1 if the job's retention is not over.
        """
        with self._broker.translate_errors():
            return float(self._measure_expired(keys=[self._keys.job(job).record], args=[retention, " ".join(states)]))

    def measure_idle_seconds(self, status: "JobStatus") -> float:
        """Return for how long the job has looked like this, as far as calls of this method have seen it."""
        mark = f"{status.state} {status.tiles} {status.done} {status.failed}"
        with self._broker.translate_errors():
            return float(self._measure_idle(keys=[self._keys.job(status.id).record], args=[mark]))

    def count_requeue(self, status: "JobStatus") -> None:
        """Count that a job is requeued; its next chord gets another number."""
        done = status.done + status.failed
        with self._broker.translate_errors():
            self._count_requeue(keys=[self._keys.job(status.id).record], args=[done, _new_generation()])

    def count_fruitless_requeues(self, status: "JobStatus") -> int:
        """Return how often in a row a job was requeued without one more tile done since the first of these times."""
        with self._broker.translate_errors():
            fields = ["done_at_requeue", "requeues_without_progress"]
            done, count = self._broker.redis.hmget(self._keys.job(status.id).record, fields)
        return int(count or 0) if done == str(status.done + status.failed) else 0

    def get_generation(self, job: str) -> int:
        """Return the number of a job's current chord; 0 until the job is requeued.

        The number is random, since a count would start again in a broker that was emptied or restored, and what an
        older chord of the same number had counted would end the new one early.
        """
        with self._broker.translate_errors():
            return int(self._broker.redis.hget(self._keys.job(job).record, "generation") or 0)

    def renew_generation(self, job: str) -> None:
        """Number the next chord of a job that was restored: messages of its older ones may still be with workers."""
        with self._broker.pipeline() as pipe:
            pipe.hset(self._keys.job(job).record, "generation", _new_generation())

    def set_done(self, job: str, done: Iterable[str]) -> None:
        """Let exactly these tiles count as read, as the store knows.

        Args:
            job: The job's id.
            done: Names of tiles.
        """
        key, names = self._keys.job(job).done, list(done)
        with self._broker.pipeline() as pipe:
            pipe.delete(key)
            if names:
                pipe.sadd(key, *names)

    def reset_job(self, job: str, *, done: set[str]) -> None:
        """Reopen a job that has ended.

        Args:
            job: The job's id.
            done: Names of the tiles that count as read; none counts as given up.
        """
        keys = self._keys.job(job)
        with self._broker.pipeline() as pipe:
            pipe.delete(keys.done, keys.failed, keys.attempts, keys.failures, keys.regions)
            pipe.hdel(
                keys.record,
                *("error", "error_kind", "finished", "done", "failed", "kept_from", "expired_at"),
                *("progress_mark", "requeues_without_progress", "regions"),
            )
            pipe.hset(keys.record, mapping={"state": "queued", "generation": _new_generation()})
            pipe.hincrby(keys.record, "requeues", 1)
            pipe.sadd(self._keys.active, job)
            if done:
                pipe.sadd(keys.done, *done)

    def delete_job(self, job: str) -> None:
        """Remove everything that Redis has of a job."""
        keys = self._keys.job(job)
        with self._broker.translate_errors():
            owner = str(self._broker.redis.hget(keys.record, "owner") or "")
        with self._broker.pipeline() as pipe:
            pipe.delete(*keys)
            for name in dict.fromkeys(("", owner)):
                pipe.zrem(self._keys.jobs(name), job)
            pipe.srem(self._keys.active, job)
            pipe.zrem(self._keys.webhooks, job)
            pipe.zrem(self._keys.deleted, job)


class Deletions:
    """The jobs that clients have deleted, as long as a worker may still store something of them.

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys) -> None:
        """Connect to nothing yet.

        Args:
            broker: The connection.
            keys: The names of the farm's keys.
        """
        self._broker, self._keys = broker, keys

    def add(self, job: str, now: float) -> None:
        """Hide a job that has ended, and what is known of its image, until `RecoveryState.delete_job` removes it.

        Until then workers find that it has ended, and recovery deletes what they have stored of it since.

        Args:
            job: The job's id.
            now: The broker's time, in seconds.
        """
        key = self._keys.job(job).record
        with self._broker.translate_errors():
            owner = str(self._broker.redis.hget(key, "owner") or "")
        with self._broker.pipeline() as pipe:
            pipe.zadd(self._keys.deleted, {job: now})
            pipe.hset(key, "deleted", 1)
            pipe.hdel(key, "name", "error", "webhook", "webhook_error")
            for name in dict.fromkeys(("", owner)):
                pipe.zrem(self._keys.jobs(name), job)
            pipe.zrem(self._keys.webhooks, job)

    def list_all(self) -> dict[str, float]:
        """Return the deleted jobs and when each was deleted, in seconds; `RecoveryState.delete_job` ends that."""
        with self._broker.translate_errors():
            found: list[Any] = self._broker.redis.zrange(self._keys.deleted, 0, -1, withscores=True)
        return {str(job): float(at) for job, at in found}


@dataclass(frozen=True, slots=True)
class IdleJob:
    """A job that has made no progress for a while.

    Attributes:
        id: The job's id.
        state: Its state, which a newer version may have set.
        model: The recognizer that it needs.
        idle_seconds: For how long it has made no progress.
        is_all_read: Whether nothing is left but stitching.
        waiting: What it waits for, as it was recorded.
    """

    id: str
    state: str
    model: str
    idle_seconds: float
    is_all_read: bool
    waiting: str


class WatchState:
    """What the look of every few seconds needs of the active jobs.

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys) -> None:
        """Connect to nothing yet.

        Args:
            broker: The connection.
            keys: The names of the farm's keys.
        """
        self._broker, self._keys = broker, keys
        self._find_idle, self._set_waiting = broker.load_script("find_idle_jobs"), broker.load_script("set_waiting")
        self._mark_done = broker.load_script("mark_region_done")

    def measure_watch_seconds(self) -> float:
        """Return for how long this method was called without a pause, by any process: the broker was there."""
        now = self._broker.read_time()
        with self._broker.pipeline() as pipe:
            pipe.set(self._keys.watched, now, nx=True, ex=_WATCH_PAUSE)
            pipe.expire(self._keys.watched, _WATCH_PAUSE)
            pipe.get(self._keys.watched)
            return now - float(pipe.execute()[2])

    def find_idle_jobs(self, seconds: int) -> list[IdleJob]:
        """Return the active jobs that have looked the same for so many seconds, as far as calls have seen it."""
        keys = [self._keys.active, self._keys.job("").record]
        with self._broker.translate_errors():
            found = self._find_idle(keys=keys, args=[seconds, "recognizing"])
        return [
            IdleJob(job, state, model, float(idle), bool(is_all_read), waiting)
            for job, state, model, idle, is_all_read, waiting in found
        ]

    def set_waiting(self, job: IdleJob, text: str) -> None:
        """Record what a job waits for, unless its state has changed.

        Args:
            job: The job.
            text: What it waits for; "" if it is nothing.
        """
        with self._broker.translate_errors():
            self._set_waiting(keys=[self._keys.job(job.id).record], args=[job.state, text])

    def begin_second_pass(self, job: str, regions: int) -> None:
        """Record that so many regions of a job have to be read.

        Args:
            job: The job's id.
            regions: How many.
        """
        keys = self._keys.job(job)
        with self._broker.pipeline() as pipe:
            pipe.delete(keys.regions)
            pipe.hset(keys.record, "regions", regions)

    def mark_region_done(self, job: str, region: str) -> None:
        """Count a region as read or given up, once.

        Args:
            job: The job's id.
            region: The region's name.
        """
        keys = self._keys.job(job)
        with self._broker.translate_errors():
            self._mark_done(keys=[keys.record, keys.regions], args=[region])


class ComparisonState:
    """What the broker knows at all, and which run of the server was last compared with the store.

    A server that was emptied, that was restored from an older state or that took over from another one has another run,
    or remembers none.

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys) -> None:
        """Connect to nothing yet.

        Args:
            broker: The connection.
            keys: The names of the farm's keys.
        """
        self._broker, self._keys = broker, keys
        self._clock_start: tuple[float, float] | None = None

    def measure_clock_jump(self) -> float:
        """Return by how many seconds the broker's clock was set since this process first looked at it today."""
        up = time.clock_gettime(_BOOT_CLOCK)
        offset = self._broker.read_time() - up
        if self._clock_start is None or up - self._clock_start[1] > _DAY:
            self._clock_start = offset, up
        return offset - self._clock_start[0]

    def read_run_id(self) -> str:
        """Return the id of the server's run: another one after each start and fail-over."""
        with self._broker.translate_errors():
            return str(self._broker.redis.info("server").get("run_id", ""))

    def read_comparison(self) -> tuple[str, float]:
        """Return which run of the server was last compared with the store, and when (seconds since 1970)."""
        with self._broker.translate_errors():
            run, at = self._broker.redis.hmget(self._keys.comparison, ["run", "at"])
        return str(run or ""), float(at or 0)

    def record_comparison(self, run: str, at: float) -> None:
        """Record that the whole store was compared with the broker, and that every difference was mended.

        Args:
            run: The run of the server, as `read_run_id` returned it before the comparison.
            at: When the comparison began, in seconds since 1970.
        """
        with self._broker.pipeline() as pipe:
            pipe.hset(self._keys.comparison, mapping={"run": run, "at": at})

    def list_ids(self) -> set[str]:
        """Return the ids of all jobs that the broker lists, even if it has no record of them."""
        with self._broker.translate_errors():
            listed = self._broker.redis.zrange(self._keys.jobs(), 0, -1)
            return {*map(str, listed), *map(str, self._broker.redis.smembers(self._keys.active))}

    def find_unlisted(self, jobs: Iterable[str]) -> list[str]:
        """Return those jobs that the broker does not know, or that its lists of jobs lack."""
        with self._broker.translate_errors():
            listed = set(map(str, self._broker.redis.zrange(self._keys.jobs(), 0, -1)))
            active = set(map(str, self._broker.redis.smembers(self._keys.active)))
        unlisted = []
        for job, state in self._iter_states(jobs):
            if not state or job not in listed or (state not in FINAL_STATES and job not in active):
                unlisted.append(job)
        return unlisted

    def find_unknown(self, jobs: Iterable[str]) -> list[str]:
        """Return those jobs of which the broker has no record, or one without a state."""
        return [job for job, state in self._iter_states(jobs) if not state]

    def _iter_states(self, jobs: Iterable[str]) -> Iterator[tuple[str, str]]:
        remaining = iter(jobs)
        while chunk := list(islice(remaining, _CHUNK_SIZE)):
            with self._broker.pipeline() as pipe:
                for job in chunk:
                    pipe.hget(self._keys.job(job).record, "state")
                yield from zip(chunk, pipe.execute(), strict=True)


def _new_generation() -> int:
    return secrets.randbelow(1 << 40) + 1
