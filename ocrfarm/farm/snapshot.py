"""What goes on in the farm at one moment: its unfinished jobs, queues, workers, and what it has done so far."""

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
