"""What goes on in the farm at one moment: its unfinished jobs, queues, workers, and what it has done so far."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from ocrfarm.farm import wire
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.depths import Depth, Depths
from ocrfarm.farm.progress import JobStatus
from ocrfarm.farm.roster import Roster, Worker
from ocrfarm.farm.services import open_progress, open_upkeep
from ocrfarm.settings import Settings

_NEWEST = 10
"""Jobs that are looked at even if they have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """One look at the farm.

    jobs: the unfinished ones, newest first. ended: those of the newest ten that have ended. in_hand: messages that
    workers have in hand, by lane. meters: see `meters`.
    memory, limit: bytes that the broker uses and may use (0: as many as there are).
    """

    jobs: tuple[JobStatus, ...]
    ended: tuple[JobStatus, ...]
    queues: tuple[Depth, ...]
    in_hand: dict[str, int]
    workers: tuple[Worker, ...]
    meters: dict[str, int]
    memory: int
    limit: int
    taken: float

    @property
    def tiles_left(self) -> int:
        """Tiles of unfinished jobs that nobody has read yet, as far as their pictures have been cut."""
        return sum(job.tiles - job.blank - job.done - job.failed for job in self.jobs)


def census_taker(settings: Settings) -> Callable[[], Census]:
    """Give what takes a census; each raises `BrokerUnreachable` or `BrokerError`."""
    progress, upkeep = open_progress(settings), open_upkeep(settings)
    broker, prefix = Broker(settings.places.broker), settings.places.prefix
    roster, depths = Roster(broker, prefix=prefix), Depths(broker, prefix=prefix)
    models: set[str] = set()  # those seen so far: a queue that is empty now stays in the picture

    def take() -> Census:
        workers = roster.workers()
        with broker.translated():
            newest = broker.redis.zrevrange(f"{prefix}jobs", 0, _NEWEST - 1)
        known = dict.fromkeys([*upkeep.active(), *map(str, newest)])
        jobs = sorted(progress.statuses(*known) if known else [], key=lambda job: -job.submitted)
        models.update(job.model for job in jobs if job.model and not job.ended)
        models.update(model for worker in workers for model in worker.models)
        with broker.translated():
            told = broker.redis.info("memory")
        return Census(
            jobs=tuple(job for job in jobs if not job.ended),
            ended=tuple(job for job in jobs if job.ended),
            queues=tuple(depths.waiting(models)),
            in_hand=depths.in_hand([wire.lane(), *map(wire.lane, sorted(models))]),
            workers=tuple(workers),
            meters=progress.meters.all(),
            memory=int(told["used_memory"]),
            limit=int(told.get("maxmemory", 0)),
            taken=time.time(),
        )

    return take
