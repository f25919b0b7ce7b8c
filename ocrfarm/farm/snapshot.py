"""The farm at one moment: its active jobs, its queues and workers, and what it has done so far."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from ocrfarm.farm import protocol
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.context import make_job_store
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.queues import QueueDepth
from ocrfarm.farm.worker_registry import WorkerInfo
from ocrfarm.settings import Settings

_RECENT_JOBS = 10
"""The newest jobs, which are in a snapshot even if they have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmSnapshot:
    """The farm at one moment.

    Attributes:
        active_jobs: The jobs that have not ended, newest first.
        ended_jobs: Those of the newest ten that have ended.
        queues: How much is waiting, by queue and priority.
        unacked: Messages that workers have taken, by group of workers.
        workers: The workers with a heartbeat in the last minute.
        counters: All counters, as `MetricsStore.read_all` returns them.
        broker_memory: Bytes that the broker uses.
        broker_memory_limit: Bytes that it may use; 0 means no limit.
        taken_at: When the snapshot was taken, in seconds since 1970.
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
        """Tiles of active jobs that were not read yet, as far as their images have been split."""
        return sum(job.tiles - job.blank - job.done - job.failed for job in self.active_jobs)


def make_snapshot_reader(settings: Settings) -> Callable[[], FarmSnapshot]:
    """Return a function that takes a snapshot of the settings' farm; it raises `BrokerUnreachable` or `BrokerError`."""
    broker = Broker(settings.endpoints.broker)
    jobs = make_job_store(broker, settings)
    models: set[str] = set()  # those seen so far: a queue that is empty now stays in the snapshot

    def take() -> FarmSnapshot:
        workers, active = jobs.workers.list_workers(), jobs.list_active()
        by_id = {job.id: job for job in (*jobs.list_recent(limit=_RECENT_JOBS), *jobs.get_statuses(*active))}
        statuses = sorted(by_id.values(), key=lambda job: -job.submitted)
        models.update(job.model for job in statuses if job.model and not job.has_ended)
        models.update(model for worker in workers for model in worker.models)
        memory, memory_limit = broker.read_memory()
        return FarmSnapshot(
            active_jobs=tuple(job for job in statuses if not job.has_ended),
            ended_jobs=tuple(job for job in statuses if job.has_ended),
            queues=tuple(jobs.depths.read_depths(models)),
            unacked=jobs.depths.count_unacked([protocol.worker_group(), *map(protocol.worker_group, sorted(models))]),
            workers=tuple(workers),
            counters=jobs.metrics.read_all(),
            broker_memory=memory,
            broker_memory_limit=memory_limit,
            taken_at=time.time(),
        )

    return take
