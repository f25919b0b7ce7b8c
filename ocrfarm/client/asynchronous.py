"""AsyncClient and AsyncJob: the methods of `Client` and `Job` as coroutines.

Short calls run in threads; waiting for a job does not, so thousands of jobs can be awaited at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

from ocrfarm.client.batch import JobOutcome, SubmitOptions, check_max_concurrent
from ocrfarm.client.client import Client
from ocrfarm.client.job import Job, fetch_result, load_stored_result
from ocrfarm.client.progress import Backoff, Poller, open_progress_bar
from ocrfarm.client.sources import ImageInput
from ocrfarm.document import Document, Page
from ocrfarm.errors import ObjectNotFound, OcrfarmError
from ocrfarm.result.json import document_from_json, pages_from_json
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus

_T = TypeVar("_T")

_MAX_CALL_THREADS = 16
"""Threads for calls that take milliseconds, most of which they wait for the network."""

_MAX_TRANSFER_THREADS = 8
"""Threads for uploads and downloads; more would not fill the network any better."""


class AsyncClient:
    """A client of one farm for `asyncio`.

    ```python
    async with AsyncClient() as client:
        job = await client.submit("sheet.png", profile="accurate")
        print((await job.result()).text)
    ```

    A client that was only created has contacted nothing:

    >>> AsyncClient("redis://localhost", "/tmp/store").job("01JD9YQ1Z7K3V5N8T2W4X6B0CA")
    AsyncJob(id='01JD9YQ1Z7K3V5N8T2W4X6B0CA')
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
        self._client = Client(broker, store, settings=settings)
        self._call_threads = ThreadPoolExecutor(_MAX_CALL_THREADS, "ocrfarm-client")
        self._transfer_threads = ThreadPoolExecutor(_MAX_TRANSFER_THREADS, "ocrfarm-transfer")

    async def __aenter__(self) -> Self:
        """Return the client; the connections are closed at the end of the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections and end the threads."""
        await self._run_in_thread(self._client.close)
        for threads in (self._call_threads, self._transfer_threads):
            threads.shutdown(wait=False)

    async def submit(self, source: ImageInput, **options: Unpack[SubmitOptions]) -> "AsyncJob":
        """Submit an image for recognition.

        Args:
            source: A path, the bytes of the file, or a URL.
            **options: Keyword arguments of `Client.submit`.

        Returns:
            A handle to the job. The image has been uploaded when it is returned.

        Raises:
            ImageNotFound, UnidentifiedImage, FarmBusy, StoreError, BrokerError: As `Client.submit`.

        """
        job = await self.transfer(partial(self._client.submit, source, **options))
        return AsyncJob(job.id, job, self)

    async def submit_many(
        self, sources: Iterable[ImageInput], *, max_concurrent: int = 16, **options: Unpack[SubmitOptions]
    ) -> "AsyncIterator[JobOutcome[AsyncJob]]":
        """Submit many images and yield each outcome when its job has ended, as `Client.submit_many` does.

        Args:
            sources: Images, drawn one by one when there is room; the iterator may be endless.
            max_concurrent: Largest number of unfinished jobs.
            **options: Keyword arguments of `Client.submit`.

        Raises:
            SettingsError: `max_concurrent` is less than 1.

        """
        remaining, limit = iter(sources), check_max_concurrent(max_concurrent)
        pending: set[asyncio.Task[JobOutcome[AsyncJob]]] = set()
        try:
            while pending := pending | {
                asyncio.create_task(self._submit_and_wait(source, options))
                for source in islice(remaining, limit - len(pending))
            }:
                ended, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for each in ended:
                    yield each.result()
        finally:
            for each in pending:
                each.cancel()

    def job(self, job_id: str) -> "AsyncJob":
        """Return a handle to the job with this id, without asking the farm; `UnknownJob` if it is not a job id."""
        return AsyncJob(job_id, self._client.job(job_id), self)

    async def jobs(self, owner: str = "", max_jobs: int = 0, *, after: "JobStatus | None" = None) -> "list[JobStatus]":
        """Return the status of the jobs that the broker remembers, newest first.

        Args:
            owner: Return only the jobs of this owner. Defaults to all jobs.
            max_jobs: Return at most this many. Defaults to all (0).
            after: Return only jobs that follow this one in the list; pass the last status of the previous page.

        """
        return await self._run_in_thread(partial(self._client.jobs, owner, max_jobs, after=after))

    async def count_active(self, owner: str = "") -> int:
        """Return the number of jobs that have not ended, of one owner or of all."""
        return await self._run_in_thread(partial(self._client.count_active, owner))

    async def _run_in_thread(self, work: Callable[[], _T]) -> _T:
        """Run a call that blocks for milliseconds in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._call_threads, work)

    async def transfer(self, work: Callable[[], _T]) -> _T:
        """Run an upload or a download in a thread; short calls have threads of their own and never wait for it."""
        return await asyncio.get_running_loop().run_in_executor(self._transfer_threads, work)

    async def _submit_and_wait(self, source: ImageInput, options: SubmitOptions) -> "JobOutcome[AsyncJob]":
        job = None
        try:
            job = await _call_with_retries(partial(self.submit, source, **options))
            poller = Poller(None)
            while not (status := await _call_with_retries(job.status)).has_ended:
                await asyncio.sleep(poller.next_delay(status))
            return JobOutcome.of(source, job, status=status)
        except OcrfarmError as error:
            return JobOutcome(source, job, error=error)


async def _call_with_retries(call: Callable[[], Awaitable[_T]]) -> _T:
    backoff = Backoff()
    while True:
        try:
            return await call()
        except OcrfarmError as error:
            await asyncio.sleep(backoff.next_delay(error))


@dataclass(frozen=True, slots=True)
class AsyncJobControl:
    """What stops a job, continues it or deletes it.

    Attributes:
        id: Identifies the job.
        blocking: The same job for code that runs in a thread.

    """

    id: str
    blocking: Job = field(repr=False)
    _client: AsyncClient = field(repr=False)

    async def cancel(self) -> bool:
        """Cancel the job: queued tiles are skipped, running ones are finished. False if it had already ended."""
        return await self._client._run_in_thread(self.blocking.cancel)

    async def delete(self) -> None:
        """Delete the job: its image, its tiles and its results. A running job is cancelled first."""
        await self._client.transfer(self.blocking.delete)

    async def resume(self) -> None:
        """Continue a job that stopped, failed or was cancelled, and retry the tiles that could not be read."""
        await self._client._run_in_thread(self.blocking.resume)


@dataclass(frozen=True, slots=True)
class AsyncJob(AsyncJobControl):
    """A handle to one submitted image; `AsyncClient.submit` and `AsyncClient.job` return it.

    Attributes:
        id: Identifies the job; keep it to find the job again.
        blocking: The same job for code that runs in a thread.

    """

    async def status(self) -> "JobStatus":
        """Return the job's current status; `UnknownJob` if neither the broker nor the store knows it."""
        return await self._client._run_in_thread(self.blocking.status)

    async def progress(self, timeout: float | None = None, *, heartbeat: bool = False) -> AsyncIterator["JobStatus"]:
        """Yield the status whenever it has changed, and the final one last.

        Args:
            timeout: Seconds to follow the job. Defaults to no limit.
            heartbeat: Yield the status after every poll, whether it has changed or not.

        Raises:
            WaitTimeout: The job has not ended after `timeout` seconds; it continues.

        """
        poller = Poller(timeout, heartbeat=heartbeat)
        while True:
            status = await self.status()
            if poller.has_changed(status):
                yield status
            if status.has_ended:
                return
            await asyncio.sleep(poller.next_delay(status))

    async def wait(self, timeout: float | None = None) -> "JobStatus":
        """Wait until the job has ended and return its final status, even if it failed.

        `WaitTimeout` after `timeout` seconds; the job continues.
        """
        return [status async for status in self.progress(timeout)][-1]

    async def show_progress(self, timeout: float | None = None) -> "JobStatus":
        """Wait as `wait` does, with a progress bar in the terminal or notebook."""
        with open_progress_bar() as show:
            async for status in self.progress(timeout):
                show(status)
        return status

    async def result(self, timeout: float | None = None) -> Document:
        """Wait until the job has ended and return what was read, complete or partial.

        `WaitTimeout` after `timeout` seconds; the job continues. A job that failed or was cancelled raises the error
        that ended it, as `Job.result` does.
        """
        content = await _fetch_result(self, timeout)
        return await self._client.transfer(partial(document_from_json, content))

    async def pages(self, timeout: float | None = None) -> AsyncIterator[Page]:
        """Wait as `result` does, then yield one page after the other; only one of them is in memory at a time."""
        pages = pages_from_json(await _fetch_result(self, timeout))
        while page := await self._client.transfer(partial(next, pages, None)):
            yield page

    async def overview(self, page: int = 0) -> bytes:
        """Return the page (0 is the first), downscaled to at most 2048 pixels a side, as a PNG file."""
        return await self._client._run_in_thread(partial(self.blocking.overview, page))

    async def save_image(self, path: Path) -> None:
        """Write the image, as it was submitted, to a file."""
        await self._client.transfer(partial(self.blocking.save_image, path))


async def _fetch_result(job: AsyncJob, timeout: float | None) -> bytes:
    with suppress(ObjectNotFound):
        return await job._client.transfer(partial(load_stored_result, job.blocking))
    await job.wait(timeout)
    return await job._client.transfer(partial(fetch_result, job.blocking))
