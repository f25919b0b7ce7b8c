"""Client: submits images to a farm and finds its jobs."""

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
    """A client of one farm. Threads may share it.

    ```python
    with Client() as client:
        job = client.submit("sheet.png", profile="accurate")
        for line in job.result().lines:
            print(line.text, line.quad)
    ```

    A client that was only created has contacted nothing; the first call opens the connections:

    >>> with Client("redis://localhost:6379/0", "s3://ocr?endpoint=http://localhost:8333") as client:
    ...     print(client.job("01JD9YQ1Z7K3V5N8T2W4X6B0CA"))
    Job(id='01JD9YQ1Z7K3V5N8T2W4X6B0CA')
    """

    def __init__(self, broker: str = "", store: str = "", *, settings: Settings | None = None) -> None:
        """Create a client without contacting the farm.

        Args:
            broker: URL of the farm's broker. Defaults to `OCRFARM_BROKER`.
            store: URL of the farm's store. Defaults to `OCRFARM_STORE`.
            settings: All other settings. Defaults to those of the environment.

        Raises:
            SettingsError: The broker or the store is neither passed nor set.

        """
        self._connections = connect(broker, store, settings=settings)

    def __enter__(self) -> Self:
        """Return the client; the connections are closed at the end of the block."""
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
        """Submit an image for recognition.

        ```python
        job = client.submit("sheet.png", profile="accurate")
        job = client.submit("archive.pdf", selection=Selection(parse_page_ranges("1-3,7")))
        ```

        Args:
            source: A path, the bytes of the file, or the `s3://` URL of an object that the credentials of this machine
                can read. `https://` URLs need `OCRFARM_ALLOW_URL_SOURCES=1`.
            profile: Name of a built-in profile, path of a `.toml` file, or a `Profile`.
            priority: 0 (first), 5 or 9 (last). Defaults to a value derived from the image's size.
            name: Display name. Defaults to the file name.
            selection: Pages and regions to read, and the resolution of PDF pages. Defaults to everything.
            metadata: Job id, owner and webhook; for services.

        Returns:
            A handle to the job. The image has been uploaded when it is returned.

        Raises:
            ImageNotFound: There is no file at the path.
            UnidentifiedImage: The source is a folder or an empty file.
            FarmBusy: The farm is at capacity. Retry after `error.retry_after` seconds.
            StoreError, BrokerError: The store or the broker rejected the job.

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
        """Submit many images and yield each outcome when its job has ended.

        ```python
        for outcome in client.submit_many(Path("scans").iterdir(), max_concurrent=8):
            print(outcome.source, outcome.error or outcome.job.result().text)
        ```

        An image that fails does not stop the others. If the farm is busy, it is retried until it accepts the image; if
        it is unreachable, for two minutes. If the caller stops iterating, submitted jobs continue on the farm.

        Args:
            sources: Images, drawn one by one when there is room; the iterator may be endless.
            max_concurrent: Largest number of unfinished jobs.
            **options: Keyword arguments of `submit`.

        Raises:
            SettingsError: `max_concurrent` is less than 1.

        """
        return submit_many(partial(self.submit, **options), sources, max_concurrent=max_concurrent)

    def job(self, job_id: str) -> Job:
        """Return a handle to the job with this id, without asking the farm; `UnknownJob` if it is not a job id.

        >>> client = Client("redis://localhost", "/tmp/store")
        >>> client.job("../etc/passwd")
        Traceback (most recent call last):
        ocrfarm.errors.UnknownJob: ...
        """
        return Job(validate_job_id(job_id), self._connections)

    def jobs(self, owner: str = "", max_jobs: int = 0, *, after: "JobStatus | None" = None) -> "list[JobStatus]":
        """Return the status of the jobs that the broker remembers, newest first.

        Args:
            owner: Return only the jobs of this owner. Defaults to all jobs.
            max_jobs: Return at most this many. Defaults to all (0).
            after: Return only jobs that follow this one in the list; pass the last status of the previous page.

        """
        return self._connections.job_store.list_recent(owner, max_jobs, after=after)

    def count_active(self, owner: str = "") -> int:
        """Return the number of jobs that have not ended, of one owner or of all."""
        return len(self._connections.submitter.jobs.list_active(owner))
