"""Client: hands images to a farm."""

import time
from collections.abc import Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from ocrfarm.client.batch import JobOutcome, SubmitOptions, submit_many
from ocrfarm.client.connections import connect
from ocrfarm.client.job import Job
from ocrfarm.client.sources import NO_METADATA, ImageInput, JobMetadata, open_content
from ocrfarm.farm.protocol import validate_job_id
from ocrfarm.recognize.profiles import Profile, find_profile
from ocrfarm.selection import SELECT_ALL, Selection
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus


class Client:
    """A farm's client; the broker and the store come from OCRFARM_BROKER and OCRFARM_STORE unless they are given.

    >>> with Client() as client:  # doctest: +SKIP
    ...     job = client.submit("sheet.png", profile="accurate")
    ...     for line in job.result().lines:
    ...         print(line.text, line.quad)

    Threads may share it.
    """

    def __init__(self, broker: str = "", store: str = "", *, settings: Settings | None = None) -> None:
        """Contact nothing yet; `SettingsError` where the broker or the store is not known."""
        self._connections = connect(broker, store, settings=settings)

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
        self._connections.close()

    def submit(
        self,
        source: ImageInput,
        *,
        profile: str | Profile = "fast",
        priority: int | None = None,
        name: str = "",
        selection: Selection = SELECT_ALL,
        metadata: JobMetadata = NO_METADATA,
    ) -> Job:
        """Hand in an image: a path, its bytes, or the s3:// URL of an object that the farm's credentials can read.

        An https:// address is taken where the settings allow it.
        priority: 0 (first), 5 or 9; by the image's size unless given. name: what the farm calls the image.
        selection: which pages and parts of them are read, and the dpi of a PDF; everything unless given.
        metadata: for services: the job's id, made before, whose it is, and who is told of its end.
        `UnidentifiedImage` where there is no such file; `StoreError`, `BrokerError` where the farm cannot take it;
        `FarmBusy` where it has enough to do: come back after the error's `retry_after` seconds.
        """
        from ocrfarm.farm.manifest import Request
        from ocrfarm.farm.submit import submit

        chosen = find_profile(profile) if isinstance(profile, str) else profile
        with open_content(source, self._connections.settings) as content:
            name = name or content.name
            request = Request(
                name, chosen, time.time(), priority, selection, owner=metadata.owner, webhook=metadata.webhook
            )
            job = validate_job_id(metadata.id) if metadata.id else ""
            job = submit(self._connections.submitter, request, source=content.data, job=job)
            return Job(job, self._connections)

    def submit_many(
        self, sources: Iterable[ImageInput], *, max_concurrent: int = 16, **options: Unpack[SubmitOptions]
    ) -> Iterator[JobOutcome[Job]]:
        """Hand in many images, at most `max_concurrent` of them at a time, and give each outcome when it is there.

        Options are those of `submit`. Sources may be an endless iterator: each is taken when its turn comes. A farm
        that is busy is waited for, and so is one that is away, for two minutes. `SettingsError` where `max_concurrent`
        is 0.
        """
        return submit_many(partial(self.submit, **options), sources, max_concurrent=max_concurrent)

    def job(self, job_id: str) -> Job:
        """Give the job of this id; `UnknownJob` for what cannot be one."""
        return Job(validate_job_id(job_id), self._connections)

    def jobs(self, owner: str = "", max_jobs: int = 0, *, after: "JobStatus | None" = None) -> "list[JobStatus]":
        """Give the state of every job that the broker remembers, newest first.

        With an owner: of his jobs alone. max_jobs: at most so many; 0: all. after: those that stand behind this one.
        """
        return self._connections.job_store.list_recent(owner, max_jobs, after=after)

    def count_active(self, owner: str = "") -> int:
        """Say how many jobs have not ended; with an owner: how many of his."""
        return len(self._connections.submitter.jobs.list_active(owner))
