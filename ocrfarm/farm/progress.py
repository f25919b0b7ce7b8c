"""The state of every job in Redis; a convenience, for the truth of a job is in the store.

{prefix}jobs                sorted set: job ids by the time they were submitted
{prefix}jobs:{owner}        the same of one owner, where a farm has many
{prefix}active              set: ids of the jobs that have not ended
{prefix}webhooks            see `outbox`; a job that ends and has somebody to tell is put there
{prefix}job:{id}            hash: the fields of `JobStatus`, and how long each stage took
{prefix}job:{id}:done       set: tiles whose fragments are in the store
{prefix}job:{id}:dead       set: tiles that were given up; the store says why
{prefix}job:{id}:attempts   see `attempts`, and `:troubles` likewise
{prefix}job:{id}:peaks      hash: "stage host pid" -> most memory that this process ever had, MB

Every key of a job is forgotten `keep_seconds` after its last batch.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from redis.client import Pipeline

from ocrfarm import errors
from ocrfarm.errors import JobCancelled, JobFailed, OcrfarmError, UnknownJob
from ocrfarm.farm import wire
from ocrfarm.farm.attempts import ENDED, Attempts
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.meters import NOTHING, Meters
from ocrfarm.farm.queues import Queues

State = Literal["queued", "splitting", "recognizing", "stitching", "complete", "partial", "failed", "cancelled"]

Told = Literal["", "asked", "delivered", "given up"]
"""What becomes of a webhook."""

_BEFORE_STITCHING = ("queued", "splitting", "recognizing")

_CHANGE = """
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
    redis.call('HSET', KEYS[1], 'webhook', 'asked')
    redis.call('ZADD', KEYS[4], 0, ARGV[1])
  end
end
return 1
"""
"""An end is final: whoever comes second changes nothing, and counts nothing. Clients cancel, and may not HINCRBY."""

_SETTLE = """
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
class Course:
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
class JobStatus(Course):
    """How far a job is; `tiles` is how many there are, of which some are `blank`, `done` or `failed`.

    `owner` is whose job it is, where a farm has many; `webhook` says whether somebody is to be told of its end, or was.
    """

    id: str
    state: State
    name: str = ""
    tiles: int = 0
    blank: int = 0
    done: int = 0
    failed: int = 0
    owner: str = ""
    webhook: Told = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

    def failure(self) -> OcrfarmError:
        """Give the error that ended the job, of the class that it had in the worker."""
        if self.state == "cancelled":
            return JobCancelled(f"job {self.id} was cancelled")
        kind = getattr(errors, self.error_kind, JobFailed)
        return kind(self.error) if issubclass(kind, OcrfarmError) else JobFailed(self.error)


class Progress:
    """Job states; every method raises `BrokerUnreachable` or `BrokerError`. Safe for threads."""

    def __init__(self, broker: Broker, *, prefix: str, keep_seconds: int) -> None:
        self._broker, self._prefix, self._keep = broker, prefix, keep_seconds
        self._change, self._settle = broker.script(_CHANGE), broker.script(_SETTLE)
        self.meters = Meters(broker, prefix=prefix)
        self.attempts = Attempts(broker, prefix=prefix)
        self.queues = Queues(broker, prefix=prefix)
        self.close = broker.close

    def create(self, status: JobStatus) -> None:
        """Write down a job, a new one or one that the broker has forgotten."""
        known: dict[Any, Any] = {name: value for name, value in asdict(status).items() if value and name != "id"}
        with self._broker.talk() as pipe:
            pipe.hset(self._key(status.id), mapping=known)
            for key in _lists(self._prefix, status.owner):
                pipe.zadd(key, {status.id: status.submitted})
                pipe.zremrangebyscore(key, 0, time.time() - self._keep)
            if not status.ended:
                pipe.sadd(f"{self._prefix}active", status.id)
            elif status.webhook == "asked":
                pipe.zadd(f"{self._prefix}webhooks", {status.id: 0})
            _keep(pipe, self._key(status.id), seconds=self._keep)

    def change(self, job: str, **fields: str | float) -> bool:
        """Set fields of the job's hash, `state` among them; False, and nothing set, where it ended or is unknown."""
        flat = [item for pair in fields.items() for item in pair]
        with self._broker.translated():
            keys = [self._key(job), f"{self._prefix}active", self.meters.key, f"{self._prefix}webhooks"]
            return bool(self._change(keys=keys, args=[job, *flat]))

    def ended(self, job: str) -> bool:
        """Say whether nothing more will happen to the job."""
        with self._broker.translated():
            return self._broker.redis.hget(self._key(job), "state") in ENDED

    def settle(self, job: str, tile: str, *, dead: bool = False, counts: Mapping[str, int] = NOTHING) -> None:
        """Count a tile as read, or as given up, and `counts` with it; called when the store has it."""
        key, outcome = self._key(job), "dead" if dead else "read"
        keys = [f"{key}:dead" if dead else f"{key}:done", f"{key}:attempts", self.meters.key]
        pairs = [item for pair in counts.items() for item in pair]
        with self._broker.translated():
            self._settle(keys=keys, args=[tile, f"tiles {outcome}", *pairs])

    def note_peak(self, job: str, process: str, *, megabytes: float) -> None:
        """Remember how much memory a process has had at most, and the job; `process` begins with its stage."""
        with self._broker.talk() as pipe:
            pipe.hset(f"{self._key(job)}:peaks", process, round(megabytes, 1))
            _keep(pipe, self._key(job), seconds=self._keep)

    def details(self, job: str) -> tuple[dict[str, str], dict[str, float]]:
        """Give the job's hash as it is, and the peaks by process."""
        with self._broker.talk() as pipe:
            pipe.hgetall(self._key(job))
            pipe.hgetall(f"{self._key(job)}:peaks")
            record, peaks = pipe.execute()
        return record, {process: float(megabytes) for process, megabytes in peaks.items()}

    def newest(self, owner: str = "", most: int = 0, *, after: JobStatus | None = None) -> list[JobStatus]:
        """Give the status of all jobs, newest first; of this owner's, and of at most so many, where they are given.

        after: only those that stand behind this one, which itself need no longer be there.
        """
        *_, key = _lists(self._prefix, owner)
        at, last = (after.submitted, after.id) if after else (math.inf, "")
        with self._broker.talk() as pipe:
            pipe.zrange(key, at, at, desc=True, byscore=True)
            pipe.zrange(key, f"({at!r}", "-inf", desc=True, byscore=True, offset=0, num=most or -1)
            together, before = pipe.execute()
        found = [*(job for job in map(str, together) if job < last), *map(str, before)]
        return self.statuses(*found[: most or None])

    def statuses(self, *jobs: str) -> list[JobStatus]:
        """Give the status of these jobs, without unknown ones, in one round trip."""
        with self._broker.talk() as pipe:
            for job in jobs:
                pipe.hgetall(self._key(job))
                pipe.scard(f"{self._key(job)}:done")
                pipe.scard(f"{self._key(job)}:dead")
            found = pipe.execute()
        rows = zip(jobs, found[::3], found[1::3], found[2::3], strict=True)
        known = [_status(job, record, done, dead) for job, record, done, dead in rows if record]
        return _with_waiting(known, self.queues)

    def status(self, job: str) -> JobStatus:
        """Give the status of one job; `UnknownJob` where the broker has none of this id."""
        if not (found := self.statuses(job)):
            raise UnknownJob(f"the broker at {self._broker.where} knows no job {job}; `ocrfarm jobs` lists them")
        return found[0]

    def _key(self, job: str) -> str:
        return f"{self._prefix}job:{job}"


def _lists(prefix: str, owner: str) -> list[str]:
    """Name the lists that hold an owner's jobs, his own last."""
    return [f"{prefix}jobs", *([f"{prefix}jobs:{owner}"] if owner else [])]


def _with_waiting(found: list[JobStatus], queues: Queues) -> list[JobStatus]:
    """Say of each job whether its recognizer's queue is read by nobody."""
    unread = queues.unread(status.model for status in found if status.state in _BEFORE_STITCHING)
    return [
        replace(status, waiting=f"no worker reads {wire.recognize_queue(status.model)}")
        if status.model in unread and not status.ended
        else status
        for status in found
    ]


def _keep(pipe: Pipeline, key: str, *, seconds: int) -> None:
    """Put off the day when the job is forgotten."""
    for part in ("", ":done", ":dead", ":attempts", ":troubles", ":peaks"):
        pipe.expire(f"{key}{part}", seconds)


def _status(job: str, record: dict[str, str], done: int, dead: int) -> JobStatus:
    return JobStatus(
        id=job,
        state=_state(record["state"]),
        name=record.get("name", ""),
        owner=record.get("owner", ""),
        webhook=_told(record.get("webhook", "")),
        tiles=int(record.get("tiles", 0)),
        blank=int(record.get("blank", 0)),
        done=max(done, int(record.get("done", 0))),
        failed=max(dead, int(record.get("failed", 0))),
        error=record.get("error", ""),
        error_kind=record.get("error_kind", ""),
        model=record.get("model", ""),
        submitted=float(record.get("submitted", 0)),
        started=float(record.get("started", 0)),
        finished=float(record.get("finished", 0)),
        pixels=int(record.get("pixels", 0)),
    )


def _told(text: str) -> Told:
    return next(each for each in get_args(Told) if each == text)


def _state(text: str) -> State:
    return next(state for state in get_args(State) if state == text)
