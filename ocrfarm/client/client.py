"""Client: hands pictures to a farm."""

import time
from collections.abc import Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from ocrfarm.client.connections import connect, part
from ocrfarm.client.job import Job
from ocrfarm.client.many import Options, Outcome, submit_many
from ocrfarm.client.sources import NO_TICKET, Source, Ticket, content
from ocrfarm.recognize.profiles import Profile, find_profile
from ocrfarm.scope import ALL, Scope
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.progress import JobStatus


class Client:
    """A farm's client; the broker and the store come from OCRFARM_BROKER and OCRFARM_STORE unless they are given.

    >>> with Client() as client:
    ...     job = client.submit("sheet.png", profile="accurate")
    ...     for line in job.result().lines:
    ...         print(line.text, line.quad)

    Threads may share it.
    """

    def __init__(self, broker: str = "", store: str = "", *, settings: Settings | None = None) -> None:
        """Contact nothing yet; `SettingsError` where the broker or the store is not known."""
        self._farm = connect(broker, store, settings=settings)

    def __enter__(self) -> Self:
        """Close the connections at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; a later call opens them again."""
        self._farm.close()

    def submit(
        self,
        source: Source,
        *,
        profile: str | Profile = "fast",
        priority: int | None = None,
        name: str = "",
        scope: Scope = ALL,
        ticket: Ticket = NO_TICKET,
    ) -> Job:
        """Hand in a picture: a path, its bytes, or the s3:// URL of an object that the farm's credentials can read.

        An https:// address is taken where the settings allow it.
        priority: 0 (first), 5 or 9; by the picture's size unless given. name: what the farm calls the picture.
        scope: which pages and parts of them are read, and the dpi of a PDF; everything unless given.
        ticket: for services: the job's id, made before, whose it is, and who is told of its end.
        `NotAnImage` where there is no such file; `StoreError`, `BrokerError` where the farm cannot take it; `FarmBusy`
        where it has enough to do: come back after the error's `retry_after` seconds.
        """
        wanted = find_profile(profile) if isinstance(profile, str) else profile
        with content(source, self._farm.settings) as found:
            name = name or found.name
            request = part("manifest").Request(
                name, wanted, time.time(), priority, scope, owner=ticket.owner, webhook=ticket.webhook
            )
            job = part("wire").checked_job_id(ticket.id) if ticket.id else ""
            return Job(part("submit").submit(self._farm.counter, request, source=found.data, job=job), self._farm)

    def submit_many(
        self, sources: Iterable[Source], *, at_once: int = 16, **options: Unpack[Options]
    ) -> Iterator[Outcome[Job]]:
        """Hand in many pictures, at most `at_once` of them at a time, and give each outcome when it is there.

        Options are those of `submit`. Sources may be an endless iterator: each is taken when its turn comes. A farm
        that is busy is waited for, and so is one that is away, for two minutes. `SettingsError` where `at_once` is 0.
        """
        return submit_many(partial(self.submit, **options), sources, at_once=at_once)

    def job(self, job_id: str) -> Job:
        """Give the job of this id; `UnknownJob` for what cannot be one."""
        return Job(part("wire").checked_job_id(job_id), self._farm)

    def jobs(self, owner: str = "", most: int = 0, *, after: "JobStatus | None" = None) -> "list[JobStatus]":
        """Give the state of every job that the broker remembers, newest first.

        With an owner: of his jobs alone. most: at most so many; 0: all. after: those that stand behind this one.
        """
        return self._farm.progress.newest(owner, most, after=after)

    def unfinished(self, owner: str = "") -> int:
        """Say how many jobs have not ended; with an owner: how many of his."""
        return len(self._farm.counter.upkeep.active(owner))
