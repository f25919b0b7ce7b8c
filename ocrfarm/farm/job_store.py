"""The state of every job in Redis; a convenience, for the truth of a job is in the store.

{prefix}jobs                sorted set: job ids by the time they were submitted
{prefix}jobs:{owner}        the same of one owner, where a farm has many
{prefix}active              set: ids of the jobs that have not ended
{prefix}webhooks            see `outbox`; a job that ends and has somebody to tell is put there
{prefix}job:{id}            hash: the fields of `JobStatus`, and how long each stage took
{prefix}job:{id}:done       set: tiles whose fragments are in the store
{prefix}job:{id}:failed     set: tiles that were given up; the store says why
{prefix}job:{id}:attempts   see `attempts`, and `:failures` likewise
{prefix}job:{id}:peaks      hash: "stage host pid" -> most memory that this process ever had, MB

Every key of a job is forgotten `ttl_seconds` after its last batch.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from redis.client import Pipeline

from ocrfarm import errors
from ocrfarm.errors import JobCancelled, JobFailed, OcrfarmError, UnknownJob
from ocrfarm.farm import protocol
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.metrics import NO_COUNTS, MetricsStore
from ocrfarm.farm.protocol import FINAL_STATES
from ocrfarm.farm.queues import Queues
from ocrfarm.farm.retries import Attempts

JobState = Literal["queued", "splitting", "recognizing", "stitching", "complete", "partial", "failed", "cancelled"]

WebhookState = Literal["", "pending", "delivered", "failed"]
"""What becomes of a webhook."""

_BEFORE_STITCHING = ("queued", "splitting", "recognizing")

_UPDATE = """
local state = redis.call('HGET', KEYS[1], 'state')
if not state or state == 'complete' or state == 'partial' or state == 'failed' or state == 'cancelled' then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
state = redis.call('HGET', KEYS[1], 'state')
if state == 'complete' or state == 'partial' or state == 'failed' or state == 'cancelled' then
  redis.call('SREM', KEYS[2], ARGV[1])
  redis.call('HSET', KEYS[3], 'jobs ' .. state, 1 + (redis.call('HGET', KEYS[3], 'jobs ' .. state) or 0))
  if redis.call('HGET', KEYS[1], 'webhook') then
    redis.call('HSET', KEYS[1], 'webhook', 'pending')
    redis.call('ZADD', KEYS[4], 0, ARGV[1])
  end
end
return 1
"""
"""An end is final: whoever comes second changes nothing, and counts nothing. Clients cancel, and may not HINCRBY."""

_MARK_TILE_DONE = """
if redis.call('SADD', KEYS[1], ARGV[1]) == 1 then
  redis.call('HINCRBY', KEYS[3], ARGV[2], 1)
end
redis.call('HDEL', KEYS[2], ARGV[1])
for place = 3, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[3], ARGV[place], ARGV[place + 1])
end
"""
"""A tile that is settled twice, as after the death of a worker, counts once; what else is counted comes in pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimes:
    """When what happened to a job, in seconds since 1970 (0 = not yet), and which error ended it.

    `model` is the recognizer that it needs; `waiting` says what it waits for that may never come; `pixels` counts those
    of all its pages, once they are known.
    """

    submitted: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    error: str = ""
    error_kind: str = ""
    model: str = ""
    waiting: str = ""
    pixels: int = 0


@dataclass(frozen=True, slots=True)
class JobStatus(JobTimes):
    """How far a job is; `tiles` is how many there are, of which some are `blank`, `done` or `failed`.

    `owner` is whose job it is, where a farm has many; `webhook` says whether somebody is to be told of its end, or was.
    """

    id: str
    state: JobState
    name: str = ""
    tiles: int = 0
    blank: int = 0
    done: int = 0
    failed: int = 0
    owner: str = ""
    webhook: WebhookState = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in FINAL_STATES

    def make_error(self) -> OcrfarmError:
        """Give the error that ended the job, of the class that it had in the worker."""
        if self.state == "cancelled":
            return JobCancelled(f"job {self.id} was cancelled")
        kind = getattr(errors, self.error_kind, JobFailed)
        return kind(self.error) if issubclass(kind, OcrfarmError) else JobFailed(self.error)


class JobStore:
    """Job states; every method raises `BrokerUnreachable` or `BrokerError`. Safe for threads."""

    def __init__(self, broker: Broker, *, prefix: str, ttl_seconds: int) -> None:
        self._broker, self._prefix, self._ttl_seconds = broker, prefix, ttl_seconds
        self._update, self._mark_tile_done = broker.register_script(_UPDATE), broker.register_script(_MARK_TILE_DONE)
        self.metrics = MetricsStore(broker, prefix=prefix)
        self.attempts = Attempts(broker, prefix=prefix)
        self.queues = Queues(broker, prefix=prefix)
        self.close = broker.close

    def create(self, status: JobStatus) -> None:
        """Write down a job, a new one or one that the broker has forgotten."""
        known: dict[Any, Any] = {name: value for name, value in asdict(status).items() if value and name != "id"}
        with self._broker.pipeline() as pipe:
            pipe.hset(self._job_key(status.id), mapping=known)
            for key in _list_keys(self._prefix, status.owner):
                pipe.zadd(key, {status.id: status.submitted})
                pipe.zremrangebyscore(key, 0, time.time() - self._ttl_seconds)
            if not status.has_ended:
                pipe.sadd(f"{self._prefix}active", status.id)
            elif status.webhook == "pending":
                pipe.zadd(f"{self._prefix}webhooks", {status.id: 0})
            _extend_ttl(pipe, self._job_key(status.id), seconds=self._ttl_seconds)

    def update(self, job: str, **fields: str | float) -> bool:
        """Set fields of the job's hash, `state` among them; False, and nothing set, where it ended or is unknown."""
        flat = [item for pair in fields.items() for item in pair]
        with self._broker.translate_errors():
            keys = [self._job_key(job), f"{self._prefix}active", self.metrics.redis_key, f"{self._prefix}webhooks"]
            return bool(self._update(keys=keys, args=[job, *flat]))

    def has_ended(self, job: str) -> bool:
        """Say whether nothing more will happen to the job."""
        with self._broker.translate_errors():
            return self._broker.redis.hget(self._job_key(job), "state") in FINAL_STATES

    def mark_tile_done(
        self, job: str, tile: str, *, has_failed: bool = False, counts: Mapping[str, int] = NO_COUNTS
    ) -> None:
        """Count a tile as read, or as given up, and `counts` with it; called when the store has it."""
        key, outcome = self._job_key(job), "failed" if has_failed else "read"
        keys = [f"{key}:failed" if has_failed else f"{key}:done", f"{key}:attempts", self.metrics.redis_key]
        pairs = [item for pair in counts.items() for item in pair]
        with self._broker.translate_errors():
            self._mark_tile_done(keys=keys, args=[tile, f"tiles {outcome}", *pairs])

    def record_peak_memory(self, job: str, process: str, *, megabytes: float) -> None:
        """Remember how much memory a process has had at most, and the job; `process` begins with its stage."""
        with self._broker.pipeline() as pipe:
            pipe.hset(f"{self._job_key(job)}:peaks", process, round(megabytes, 1))
            _extend_ttl(pipe, self._job_key(job), seconds=self._ttl_seconds)

    def read_record(self, job: str) -> tuple[dict[str, str], dict[str, float]]:
        """Give the job's hash as it is, and the peaks by process."""
        with self._broker.pipeline() as pipe:
            pipe.hgetall(self._job_key(job))
            pipe.hgetall(f"{self._job_key(job)}:peaks")
            record, peaks = pipe.execute()
        return record, {process: float(megabytes) for process, megabytes in peaks.items()}

    def list_recent(self, owner: str = "", limit: int = 0, *, after: JobStatus | None = None) -> list[JobStatus]:
        """Give the status of all jobs, newest first; of this owner's, and of at most so many, where they are given.

        after: only those that stand behind this one, which itself need no longer be there.
        """
        *_, key = _list_keys(self._prefix, owner)
        at, last = (after.submitted, after.id) if after else (math.inf, "")
        with self._broker.pipeline() as pipe:
            pipe.zrange(key, at, at, desc=True, byscore=True)
            pipe.zrange(key, f"({at!r}", "-inf", desc=True, byscore=True, offset=0, num=limit or -1)
            together, before = pipe.execute()
        found = [*(job for job in map(str, together) if job < last), *map(str, before)]
        return self.get_statuses(*found[: limit or None])

    def get_statuses(self, *jobs: str) -> list[JobStatus]:
        """Give the status of these jobs, without unknown ones, in one round trip."""
        with self._broker.pipeline() as pipe:
            for job in jobs:
                pipe.hgetall(self._job_key(job))
                pipe.scard(f"{self._job_key(job)}:done")
                pipe.scard(f"{self._job_key(job)}:failed")
            found = pipe.execute()
        rows = zip(jobs, found[::3], found[1::3], found[2::3], strict=True)
        known = [_parse_status(job, record, done, failed) for job, record, done, failed in rows if record]
        return _set_waiting(known, self.queues)

    def get_status(self, job: str) -> JobStatus:
        """Give the status of one job; `UnknownJob` where the broker has none of this id."""
        if not (found := self.get_statuses(job)):
            raise UnknownJob(f"the broker at {self._broker.address} knows no job {job}; `ocrfarm jobs` lists them")
        return found[0]

    def _job_key(self, job: str) -> str:
        return f"{self._prefix}job:{job}"


def _list_keys(prefix: str, owner: str) -> list[str]:
    """Name the lists that hold an owner's jobs, his own last."""
    return [f"{prefix}jobs", *([f"{prefix}jobs:{owner}"] if owner else [])]


def _set_waiting(found: list[JobStatus], queues: Queues) -> list[JobStatus]:
    """Say of each job whether its recognizer's queue is read by nobody."""
    unserved = queues.find_models_without_worker(status.model for status in found if status.state in _BEFORE_STITCHING)
    return [
        replace(status, waiting=f"no worker reads {protocol.recognize_queue(status.model)}")
        if status.model in unserved and not status.has_ended
        else status
        for status in found
    ]


def _extend_ttl(pipe: Pipeline, key: str, *, seconds: int) -> None:
    """Put off the day when the job is forgotten."""
    for part in ("", ":done", ":failed", ":attempts", ":failures", ":peaks"):
        pipe.expire(f"{key}{part}", seconds)


def _parse_status(job: str, record: dict[str, str], done: int, failed: int) -> JobStatus:
    return JobStatus(
        id=job,
        state=_parse_state(record["state"]),
        name=record.get("name", ""),
        owner=record.get("owner", ""),
        webhook=_parse_webhook_state(record.get("webhook", "")),
        tiles=int(record.get("tiles", 0)),
        blank=int(record.get("blank", 0)),
        done=max(done, int(record.get("done", 0))),
        failed=max(failed, int(record.get("failed", 0))),
        error=record.get("error", ""),
        error_kind=record.get("error_kind", ""),
        model=record.get("model", ""),
        submitted=float(record.get("submitted", 0)),
        started=float(record.get("started", 0)),
        finished=float(record.get("finished", 0)),
        pixels=int(record.get("pixels", 0)),
    )


def _parse_webhook_state(text: str) -> WebhookState:
    return next(each for each in get_args(WebhookState) if each == text)


def _parse_state(text: str) -> JobState:
    return next(state for state in get_args(JobState) if state == text)


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
