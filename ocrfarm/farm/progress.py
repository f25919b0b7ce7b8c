"""The state of every job in Redis; a convenience, for the truth of a job is in the store.

{prefix}jobs                sorted set: job ids by the time they were submitted
{prefix}active              set: ids of the jobs that have not ended
{prefix}job:{id}            hash: the fields of `JobStatus`, and how long each stage took
{prefix}job:{id}:done       set: tiles whose fragments are in the store
{prefix}job:{id}:dead       set: tiles that were given up; the store says why
{prefix}job:{id}:attempts   see `attempts`, and `:troubles` likewise
{prefix}job:{id}:peaks      hash: "stage host pid" -> most memory that this process ever had, MB

Every key of a job is forgotten `keep_seconds` after the job's last change.
"""

import time
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from redis.client import Pipeline

from ocrfarm import errors
from ocrfarm.errors import JobCancelled, JobFailed, OcrfarmError, UnknownJob
from ocrfarm.farm import wire
from ocrfarm.farm.attempts import ENDED, Attempts
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.meters import Meters
from ocrfarm.farm.queues import Queues

State = Literal["queued", "splitting", "recognizing", "stitching", "complete", "partial", "failed", "cancelled"]

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
end
return 1
"""
"""An end is final: whoever comes second changes nothing, and counts nothing. Clients cancel, and may not HINCRBY."""

_SETTLE = """
if redis.call('SADD', KEYS[1], ARGV[1]) == 1 then
  redis.call('HINCRBY', KEYS[3], ARGV[2], 1)
end
redis.call('HDEL', KEYS[2], ARGV[1])
"""
"""A tile that is settled twice, as after the death of a worker, counts once."""


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
    """How far a job is; `tiles` is how many there are, of which some are `blank`, `done` or `failed`."""

    id: str
    state: State
    name: str = ""
    tiles: int = 0
    blank: int = 0
    done: int = 0
    failed: int = 0

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
        self.attempts = Attempts(broker, prefix=prefix, keep_seconds=keep_seconds)
        self.queues = Queues(broker, prefix=prefix)

    def create(self, status: JobStatus) -> None:
        """Write down a job, a new one or one that the broker has forgotten."""
        known: dict[Any, Any] = {name: value for name, value in asdict(status).items() if value and name != "id"}
        with self._broker.talk() as pipe:
            pipe.hset(self._key(status.id), mapping=known)
            pipe.zadd(f"{self._prefix}jobs", {status.id: status.submitted})
            if not status.ended:
                pipe.sadd(f"{self._prefix}active", status.id)
            pipe.zremrangebyscore(f"{self._prefix}jobs", 0, time.time() - self._keep)
            _keep(pipe, self._key(status.id), seconds=self._keep)

    def change(self, job: str, **fields: str | float) -> bool:
        """Set fields of the job's hash, `state` among them; False, and nothing set, where it ended or is unknown."""
        flat = [item for pair in fields.items() for item in pair]
        with self._broker.translated():
            keys = [self._key(job), f"{self._prefix}active", self.meters.key]
            return bool(self._change(keys=keys, args=[job, *flat]))

    def ended(self, job: str) -> bool:
        """Say whether nothing more will happen to the job."""
        with self._broker.translated():
            return self._broker.redis.hget(self._key(job), "state") in ENDED

    def settle(self, job: str, tile: str, *, dead: bool = False) -> None:
        """Count a tile as read, or as given up; called when the store has it."""
        key, outcome = self._key(job), "dead" if dead else "read"
        keys = [f"{key}:dead" if dead else f"{key}:done", f"{key}:attempts", self.meters.key]
        with self._broker.translated():
            self._settle(keys=keys, args=[tile, f"tiles {outcome}"])

    def note_peak(self, job: str, process: str, *, megabytes: float) -> None:
        """Remember how much memory a process has had at most; `process` begins with its stage."""
        with self._broker.talk() as pipe:
            pipe.hset(f"{self._key(job)}:peaks", process, round(megabytes, 1))

    def details(self, job: str) -> tuple[dict[str, str], dict[str, float]]:
        """Give the job's hash as it is, and the peaks by process."""
        with self._broker.talk() as pipe:
            pipe.hgetall(self._key(job))
            pipe.hgetall(f"{self._key(job)}:peaks")
            record, peaks = pipe.execute()
        return record, {process: float(megabytes) for process, megabytes in peaks.items()}

    def statuses(self, *jobs: str) -> list[JobStatus]:
        """Give the status of these jobs, without unknown ones, in one round trip; given none, of all, newest first."""
        with self._broker.translated():
            chosen = jobs or tuple(str(job) for job in self._broker.redis.zrevrange(f"{self._prefix}jobs", 0, -1))
        with self._broker.talk() as pipe:
            for job in chosen:
                pipe.hgetall(self._key(job))
                pipe.scard(f"{self._key(job)}:done")
                pipe.scard(f"{self._key(job)}:dead")
            found = pipe.execute()
        rows = zip(chosen, found[::3], found[1::3], found[2::3], strict=True)
        return self._with_waiting([_status(job, record, done, dead) for job, record, done, dead in rows if record])

    def status(self, job: str) -> JobStatus:
        """Give the status of one job; `UnknownJob` where the broker has none of this id."""
        if not (found := self.statuses(job)):
            raise UnknownJob(f"the broker at {self._broker.where} knows no job {job}; `ocrfarm jobs` lists them")
        return found[0]

    def _with_waiting(self, found: list[JobStatus]) -> list[JobStatus]:
        unread = self.queues.unread(status.model for status in found if status.state in _BEFORE_STITCHING)
        return [
            replace(status, waiting=f"no worker reads {wire.recognize_queue(status.model)}")
            if status.model in unread and not status.ended
            else status
            for status in found
        ]

    def _key(self, job: str) -> str:
        return f"{self._prefix}job:{job}"


def _keep(pipe: Pipeline, key: str, *, seconds: int) -> None:
    """Put off the day when the job is forgotten."""
    for part in ("", ":done", ":dead", ":attempts", ":troubles", ":peaks"):
        pipe.expire(f"{key}{part}", seconds)


def _status(job: str, record: dict[str, str], done: int, dead: int) -> JobStatus:
    return JobStatus(
        id=job,
        state=_state(record["state"]),
        name=record.get("name", ""),
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


def _state(text: str) -> State:
    return next(state for state in get_args(State) if state == text)
