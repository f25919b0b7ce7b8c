"""What goes on in the farm at one moment: its unfinished jobs, queues, workers, and what it has done so far."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from ocrfarm.farm import protocol
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.context import open_job_store, open_recovery_state
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.queues import QueueDepth, QueueDepths
from ocrfarm.farm.worker_registry import WorkerInfo, WorkerRegistry
from ocrfarm.settings import Settings

_RECENT_JOBS = 10
"""Jobs that are looked at even if they have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmSnapshot:
    """One look at the farm.

    active_jobs: the unfinished ones, newest first. ended_jobs: those of the newest ten that have ended.
    unacked: messages that workers have in hand, by their group. counters: see `metrics`.
    broker_memory, broker_memory_limit: bytes that the broker uses and may use (0: as many as there are).
    """

    active_jobs: tuple[JobStatus, ...]
    ended_jobs: tuple[JobStatus, ...]
    queues: tuple[QueueDepth, ...]
    unacked: dict[str, int]
    workers: tuple[WorkerInfo, ...]
    counters: dict[str, int]
    broker_memory: int
    broker_memory_limit: int
    taken_at: float

    @property
    def tiles_pending(self) -> int:
        """Tiles of unfinished jobs that nobody has read yet, as far as their images have been cut."""
        return sum(job.tiles - job.blank - job.done - job.failed for job in self.active_jobs)


def make_snapshot_reader(settings: Settings) -> Callable[[], FarmSnapshot]:
    """Give what takes a snapshot; each raises `BrokerUnreachable` or `BrokerError`."""
    jobs_store, recovery = open_job_store(settings), open_recovery_state(settings)
    broker, prefix = Broker(settings.endpoints.broker), settings.endpoints.key_prefix
    registry, depths = WorkerRegistry(broker, prefix=prefix), QueueDepths(broker, prefix=prefix)
    models: set[str] = set()  # those seen so far: a queue that is empty now stays in the snapshot

    def take() -> FarmSnapshot:
        workers = registry.list_workers()
        with broker.translate_errors():
            newest = broker.redis.zrevrange(f"{prefix}jobs", 0, _RECENT_JOBS - 1)
        known = dict.fromkeys([*recovery.list_active(), *map(str, newest)])
        jobs = sorted(jobs_store.get_statuses(*known) if known else [], key=lambda job: -job.submitted)
        models.update(job.model for job in jobs if job.model and not job.has_ended)
        models.update(model for worker in workers for model in worker.models)
        with broker.translate_errors():
            info = broker.redis.info("memory")
        return FarmSnapshot(
            active_jobs=tuple(job for job in jobs if not job.has_ended),
            ended_jobs=tuple(job for job in jobs if job.has_ended),
            queues=tuple(depths.read_depths(models)),
            unacked=depths.count_unacked([protocol.worker_group(), *map(protocol.worker_group, sorted(models))]),
            workers=tuple(workers),
            counters=jobs_store.metrics.read_all(),
            broker_memory=int(info["used_memory"]),
            broker_memory_limit=int(info.get("maxmemory", 0)),
            taken_at=time.time(),
        )

    return take
