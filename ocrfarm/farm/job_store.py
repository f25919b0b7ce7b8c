"""The state of every job in Redis: a convenience, for the truth of a job is in the store.

`keys` describes what lies under which key. All keys of a job are forgotten `ttl_seconds` after its last batch.
"""

import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Literal, get_args

from redis.client import Pipeline

from ocrfarm.errors import BrokerError, JobCancelled, JobFailed, OcrfarmError, UnknownJob, find_error
from ocrfarm.farm import protocol
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.keys import JobKeys, Keys
from ocrfarm.farm.metrics import NO_COUNTS, MetricsStore, UsageStore, engine_milliseconds
from ocrfarm.farm.protocol import FINAL_STATES, JobState
from ocrfarm.farm.queues import QueueDepths, Queues, TakenMessages
from ocrfarm.farm.recovery_state import ComparisonState, Deletions, RecoveryState, WatchState
from ocrfarm.farm.retries import Attempts
from ocrfarm.farm.worker_registry import WorkerRegistry
from ocrfarm.printable import printable

_TEXTS = ("name", "owner", "webhook_error", "error", "error_kind", "profile", "waiting")
"""Fields that a client may have written, and that everything shows: what is not printable in them is escaped."""

_log = logging.getLogger(__name__)

WebhookState = Literal["", "pending", "delivered", "failed"]
"""Whether a job's webhook was delivered; "" if the job has none."""

NO_WORKER = "no worker reads"
"""How `JobStatus.waiting` says that no worker reads a queue."""

_CONTROL_QUEUES = (protocol.SPLIT_QUEUE, protocol.STITCH_QUEUE)

_BEFORE_STITCHING: tuple[JobState, ...] = ("queued", "splitting", "recognizing")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimes:
    """When what happened to a job, and which error ended it.

    Attributes:
        submitted: Seconds since 1970, as are `started` and `finished`; 0 means not yet.
        started: When a worker began to split the image.
        finished: When the job reached a final state.
        error: The message of the error that ended the job; "" if there was none.
        error_kind: The class of that error, as `ocrfarm.errors` names it.
        model: The recognizer that the job needs.
        profile: The name of its profile.
        waiting: What the job waits for although it may never come, such as a worker for its recognizer, one that is
            silent, or its image.
        pixels: Pixels of all its pages; 0 until the image was opened.
    """

    submitted: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    error: str = ""
    error_kind: str = ""
    model: str = ""
    profile: str = ""
    waiting: str = ""
    pixels: int = 0


@dataclass(frozen=True, slots=True)
class JobStatus(JobTimes):
    """How far a job is.

    >>> JobStatus(id="7", state="recognizing", name="sheet.png", tiles=81, done=40)
    JobStatus(id='7', state='recognizing', name='sheet.png', tiles=81, done=40)

    Attributes:
        id: The job's id, a ULID.
        state: A final state means that nothing more will happen.
        name: The file name that the client gave.
        tiles: Tiles of all pages; 0 until the image was opened.
        blank: Tiles on which there is nothing to read.
        done: Tiles that were read.
        failed: Tiles that were given up.
        owner: Whose job it is, in a farm with several owners.
        webhook: Whether the job's webhook was delivered.
        webhook_error: Why its last delivery failed.
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
    webhook_error: str = ""

    def __repr__(self) -> str:
        """Leave out what is zero or empty, so that a notebook shows a short line."""
        values = {"id": self.id, "state": self.state, "name": self.name} | asdict(self)
        return f"JobStatus({', '.join(f'{name}={value!r}' for name, value in values.items() if value)})"

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in FINAL_STATES

    @property
    def is_before_stitching(self) -> bool:
        """Whether a worker with the job's recognizer is needed before it can be stitched."""
        return self.state in _BEFORE_STITCHING

    @property
    def end_fields(self) -> dict[str, str | float]:
        """The fields that are set when the job ends."""
        names = ("state", "finished", "done", "failed", "error", "error_kind")
        return {name: value for name in names if (value := getattr(self, name))}

    @property
    def next_queue(self) -> str:
        """The queue of the stage that the job needs next, as far as its counts say; "" if its recognizer is unknown."""
        if self.state == "queued":
            return protocol.SPLIT_QUEUE
        if self.state == "stitching" or 0 < self.tiles <= self.done + self.failed + self.blank:
            return protocol.STITCH_QUEUE
        return protocol.recognize_queue(self.model) if self.model else ""

    def make_error(self) -> OcrfarmError:
        """Return the error that ended the job, of the class that it had in the worker."""
        if self.state == "cancelled":
            return JobCancelled(f"job {self.id} was cancelled")
        return find_error(self.error_kind, JobFailed)(self.error)


class JobStore:
    """Everything that the farm keeps in Redis. Safe for threads.

    Every method raises `BrokerUnreachable` or `BrokerError`. `read_time` returns the time by the broker's clock, in
    seconds since 1970, by which all times of jobs are measured.

    Attributes:
        attempts: Attempts and failures of each tile.
        recovery: What recovery remembers of each job.
        deletions: Jobs that clients have deleted.
        comparison: What was compared with the store.
        watch: Which jobs stand still, and why.
        metrics: Counters of the whole farm.
        usage: What each owner has used.
        queues: Messages in the queues, and who reads them.
        taken: Messages that workers have taken.
        depths: How much waits in the queues.
        workers: The workers and their heartbeats.
    """

    def __init__(self, broker: Broker, *, prefix: str, ttl_seconds: int) -> None:
        """Connect to nothing yet.

        Args:
            broker: The connection.
            prefix: The setting `key_prefix`.
            ttl_seconds: After this long without a batch, Redis forgets a job.
        """
        self._broker, self._keys, self._ttl_seconds = broker, Keys(prefix), ttl_seconds
        self._create, self._update = broker.load_script("create_job"), broker.load_script("update_job")
        self._mark_tile_done = broker.load_script("mark_tile_done")
        self.metrics, self.usage = MetricsStore(broker, self._keys), UsageStore(broker, self._keys)
        self.attempts = Attempts(broker, self._keys, metrics=self.metrics)
        self.recovery, self.comparison = RecoveryState(broker, self._keys), ComparisonState(broker, self._keys)
        self.watch = WatchState(broker, self._keys)
        self.deletions = Deletions(broker, self._keys)
        self.taken = TakenMessages(broker, self._keys)
        self.queues, self.depths = Queues(broker, self._keys), QueueDepths(broker, self._keys)
        self.workers = WorkerRegistry(broker, self._keys)
        self.close, self.read_time = broker.close, broker.read_time

    def create(self, status: JobStatus, *, replace_known: bool = False) -> bool:
        """Record a job: a new one, or one that the broker has forgotten.

        Args:
            status: The job. A job that was submitted in the future, by a wrong clock, counts as submitted now.
            replace_known: Replace the record of a job that the broker knows. By default nothing of it changes.

        Returns:
            Whether the record was written.
        """
        fields = {name: value for name, value in asdict(status).items() if value and name not in ("id", "submitted")}
        keys = self._keys.job(status.id)
        lists = [self._keys.jobs(owner) for owner in dict.fromkeys(("", status.owner))]
        flat = [str(item) for pair in fields.items() for item in pair]
        submitted = status.submitted or self.read_time()
        options: list[str | int] = [" ".join(FINAL_STATES), self._ttl_seconds, repr(submitted), int(replace_known)]
        with self._broker.translate_errors():
            return bool(
                self._create(
                    keys=[keys.record, self._keys.active, self._keys.webhooks, *lists],
                    args=[status.id, *options, *flat],
                )
            )

    def update(self, job: str, *, generation: str | float = "", **fields: str | float) -> bool:
        """Set fields of a job, perhaps its state.

        Args:
            job: The job's id.
            generation: Only if this is still the number of the job's chord, so that it was not reopened.
            fields: Names and values, as in `JobStatus`.

        Returns:
            False, and nothing is set, if the job has ended, is unknown, or has another chord.
        """
        flat = [item for pair in fields.items() for item in pair]
        keys = [self._keys.job(job).record, self._keys.active, self._keys.metrics, self._keys.webhooks]
        with self._broker.translate_errors():
            is_set = bool(self._update(keys=keys, args=[job, " ".join(FINAL_STATES), generation, *flat]))
        if is_set and fields.get("state") in FINAL_STATES:
            _log.info("job %s ended", job, extra={"job": job, "state": fields["state"]})
            with suppress(BrokerError):  # the job has ended; a counter is not worth an error
                self.usage.account_job(job)
        return is_set

    def has_ended(self, job: str) -> bool:
        """Return whether nothing more will happen to a job."""
        with self._broker.translate_errors():
            return self._broker.redis.hget(self._keys.job(job).record, "state") in FINAL_STATES

    def mark_tile_done(
        self, job: str, tile: str, *, has_failed: bool = False, counts: Mapping[str, int] = NO_COUNTS
    ) -> None:
        """Count a tile as read, or as given up; to be called when the store has its fragments or its dead letter.

        Args:
            job: The job's id.
            tile: The tile's name; "" counts what was read of a part of a tile or of a region, and marks nothing.
            has_failed: Whether the tile was given up.
            counts: Counters that are increased with it, as `metrics.count_results` names them.
        """
        keys, outcome = self._keys.job(job), "failed" if has_failed else "read"
        pairs = [item for pair in counts.items() for item in pair]
        with self._broker.translate_errors():
            self._mark_tile_done(
                keys=[keys.failed if has_failed else keys.done, keys.attempts, self._keys.metrics, keys.record],
                args=[tile, f"tiles {outcome}", engine_milliseconds(counts), *pairs],
            )

    def record_peak_memory(self, job: str, process: str, *, megabytes: float) -> None:
        """Record the peak memory of a process that worked on a job, and keep the job from being forgotten.

        Args:
            job: The job's id.
            process: The stage, the host and the process id, separated by spaces.
            megabytes: The most memory that the process ever had.
        """
        with self._broker.pipeline() as pipe:
            pipe.hset(self._keys.job(job).peaks, process, round(megabytes, 1))
            _extend_ttl(pipe, self._keys.job(job), self._ttl_seconds)

    def read_record(self, job: str) -> tuple[dict[str, str], dict[str, float]]:
        """Return a job's record as it is in Redis, and the peak memory in MB by process."""
        with self._broker.pipeline() as pipe:
            pipe.hgetall(self._keys.job(job).record)
            pipe.hgetall(self._keys.job(job).peaks)
            record, peaks = pipe.execute()
        return record, {process: float(megabytes) for process, megabytes in peaks.items()}

    def list_active(self, owner: str = "") -> list[str]:
        """Return the ids of the jobs that have not ended: all of them, or those of one owner."""
        with self._broker.translate_errors():
            active = sorted(map(str, self._broker.redis.smembers(self._keys.active)))
        if not owner:
            return active
        with self._broker.pipeline() as pipe:
            for job in active:
                pipe.hget(self._keys.job(job).record, "owner")
            owners = pipe.execute()
        return [job for job, its_owner in zip(active, owners, strict=True) if its_owner == owner]

    def list_recent(self, owner: str = "", limit: int = 0, *, after: JobStatus | None = None) -> list[JobStatus]:
        """Return the status of jobs, newest first.

        Args:
            owner: Only jobs of this owner; "" means all jobs.
            limit: At most so many; 0 means no limit.
            after: Only jobs that come after this one in the list; it need not exist any more.
        """
        key = self._keys.jobs(owner)
        at, last = (after.submitted, after.id) if after else (math.inf, "")
        with self._broker.pipeline() as pipe:
            pipe.zrange(key, at, at, desc=True, byscore=True)
            pipe.zrange(key, f"({at!r}", "-inf", desc=True, byscore=True, offset=0, num=limit or -1)
            at_once, before = pipe.execute()
        jobs = [*(job for job in map(str, at_once) if job < last), *map(str, before)]
        return self.get_statuses(*jobs[: limit or None])

    def get_statuses(self, *jobs: str) -> list[JobStatus]:
        """Return the status of each of these jobs that is known, in one round trip."""
        with self._broker.pipeline() as pipe:
            for keys in map(self._keys.job, jobs):
                pipe.hgetall(keys.record)
                pipe.scard(keys.done)
                pipe.scard(keys.failed)
            answers = pipe.execute()
        rows = zip(jobs, answers[::3], answers[1::3], answers[2::3], strict=True)
        parsed = (_parse_status(job, record, done, failed) for job, record, done, failed in rows)
        return _set_waiting([status for status in parsed if status], self.queues)

    def get_status(self, job: str) -> JobStatus:
        """Return the status of a job; raises `UnknownJob` if the broker does not know it."""
        if not (found := self.get_statuses(job)):
            raise UnknownJob(f"the broker at {self._broker.address} knows no job {job}; `ocrfarm jobs` lists them")
        return found[0]


def _set_waiting(found: list[JobStatus], queues: Queues) -> list[JobStatus]:
    """Return the statuses, and say in each what it waits for if no worker reads the queue that it needs."""
    active = [status for status in found if not status.has_ended]
    models = {status.model for status in active if status.is_before_stitching}
    unserved = queues.find_models_without_worker(models | set(_CONTROL_QUEUES)) if active else set()
    return [replace(status, waiting=_describe_waiting(status, unserved)) for status in found]


def _describe_waiting(status: JobStatus, unserved: set[str]) -> str:
    """Return what a job waits for although it may never come; "" if it waits for nothing or has ended."""
    if status.has_ended:
        return ""
    if status.state == "queued" and status.waiting:
        return status.waiting
    queue = status.next_queue
    if queue == protocol.STITCH_QUEUE in unserved:
        return f"all its tiles are read; {NO_WORKER} {queue}"
    if queue != protocol.STITCH_QUEUE and status.model in unserved:
        return f"{NO_WORKER} {protocol.recognize_queue(status.model)}"
    return f"{NO_WORKER} {queue}" if queue in unserved else status.waiting


def _parse_status(job: str, record: dict[str, str], done: int, failed: int) -> JobStatus | None:
    """Return the status; None without a record, or if it is deleted, half of one, or of a state of a newer version."""
    state = next((state for state in get_args(JobState) if state == record.get("state")), None)
    if not state or "deleted" in record:
        return None
    number, model = partial(_parse_number, record), record.get("model", "")
    texts = {name: printable(record.get(name, "")) for name in _TEXTS}
    return JobStatus(
        id=job,
        state=state,
        webhook=next((each for each in get_args(WebhookState) if each == record.get("webhook")), ""),
        tiles=int(number("tiles")),
        blank=int(number("blank")),
        done=max(done, int(number("done"))),
        failed=max(failed, int(number("failed"))),
        model=model if protocol.is_model_name(model) else "",
        submitted=number("submitted"),
        started=number("started"),
        finished=number("finished"),
        pixels=int(number("pixels")),
        **texts,
    )


def _parse_number(record: dict[str, str], name: str) -> float:
    """Return a number of a record; 0 if it is missing or is none.

    >>> _parse_number({"tiles": "81"}, "tiles"), _parse_number({"tiles": "?"}, "tiles")
    (81.0, 0.0)
    """
    try:
        number = float(record.get(name, 0))
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _extend_ttl(pipe: Pipeline, keys: JobKeys, ttl_seconds: int) -> None:
    for key in keys:
        pipe.expire(key, ttl_seconds)
