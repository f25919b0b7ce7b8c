"""AsyncClient and AsyncJob: the same names, to be awaited; calls run in threads, and no thread waits for a job."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from ocrfarm.client.batch import JobOutcome, SubmitOptions, check_max_concurrent
from ocrfarm.client.client import Client
from ocrfarm.client.job import Job, fetch_result, load_stored_result
from ocrfarm.client.polling import Backoff, Poller
from ocrfarm.client.progress_bar import open_progress_bar
from ocrfarm.client.sources import ImageInput
from ocrfarm.document import Document, Page
from ocrfarm.errors import ObjectNotFound, OcrfarmError
from ocrfarm.result.json import document_from_json, pages_from_json
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus

_T = TypeVar("_T")

_MAX_CALL_THREADS = 16
"""Calls at the same time; each waits for the network, most of them for a millisecond."""

_MAX_TRANSFER_THREADS = 8
"""Images and results that are on their way at the same time: as many as fill the network."""


class AsyncClient:
    """A farm's client; the broker and the store come from OCRFARM_BROKER and OCRFARM_STORE unless they are given.

    >>> async with AsyncClient() as client:  # doctest: +SKIP
    ...     job = await client.submit("sheet.png", profile="accurate")
    ...     print((await job.result()).text)
    """

    def __init__(self, broker: str = "", store: str = "", *, settings: Settings | None = None) -> None:
        """Contact nothing yet; `SettingsError` where the broker or the store is not known."""
        self._client = Client(broker, store, settings=settings)
        self._call_threads = ThreadPoolExecutor(_MAX_CALL_THREADS, "ocrfarm-client")
        self._transfer_threads = ThreadPoolExecutor(_MAX_TRANSFER_THREADS, "ocrfarm-carrier")

    async def __aenter__(self) -> Self:
        """Close the connections at the end of the block."""
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
        """Hand in an image, as `Client.submit` does."""
        job = await self.transfer(partial(self._client.submit, source, **options))
        return AsyncJob(job.id, job, self)

    async def submit_many(
        self, sources: Iterable[ImageInput], *, max_concurrent: int = 16, **options: Unpack[SubmitOptions]
    ) -> "AsyncIterator[JobOutcome[AsyncJob]]":
        """Hand in many images, as `Client.submit_many` does, and give each outcome when it is there."""
        coming, limit = iter(sources), check_max_concurrent(max_concurrent)
        waiting: set[asyncio.Task[JobOutcome[AsyncJob]]] = set()
        try:
            while waiting := waiting | {
                asyncio.create_task(self._submit_and_wait(source, options))
                for source in islice(coming, limit - len(waiting))
            }:
                ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for each in ended:
                    yield each.result()
        finally:
            for each in waiting:
                each.cancel()

    def job(self, job_id: str) -> "AsyncJob":
        """Give the job of this id; `UnknownJob` for what cannot be one."""
        return AsyncJob(job_id, self._client.job(job_id), self)

    async def jobs(self, owner: str = "", max_jobs: int = 0, *, after: "JobStatus | None" = None) -> "list[JobStatus]":
        """Give the state of every job that the broker remembers, newest first, as `Client.jobs` does."""
        return await self._run_in_thread(partial(self._client.jobs, owner, max_jobs, after=after))

    async def count_active(self, owner: str = "") -> int:
        """Say how many jobs have not ended; with an owner: how many of his."""
        return await self._run_in_thread(self._client.count_active, owner)

    async def _run_in_thread(self, work: Callable[..., _T], *arguments: Any) -> _T:  # noqa: ANN401 - the work's own
        """Do what blocks for a moment in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._call_threads, partial(work, *arguments))

    async def transfer(self, work: Callable[[], _T]) -> _T:
        """Do what moves an image or a result in a thread: however many do, the others answer at once."""
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
class AsyncJob:
    """One image that was handed in; each method does what the one of `Job` does.

    `blocking` is the same job for code that runs in a thread.
    """

    id: str
    blocking: Job
    _client: AsyncClient

    async def status(self) -> "JobStatus":
        """Say how far the job is; `UnknownJob` where nobody knows."""
        return await self._client._run_in_thread(self.blocking.status)

    async def progress(self, timeout: float | None = None, *, heartbeat: bool = False) -> AsyncIterator["JobStatus"]:
        """Give the status whenever it has changed, the final one last; `WaitTimeout` after `timeout` seconds."""
        poller = Poller(timeout, heartbeat=heartbeat)
        while True:
            status = await self.status()
            if poller.has_changed(status):
                yield status
            if status.has_ended:
                return
            await asyncio.sleep(poller.next_delay(status))

    async def wait(self, timeout: float | None = None) -> "JobStatus":
        """Wait for the end, at most `timeout` seconds (`WaitTimeout`); a job that failed is no error here."""
        return [status async for status in self.progress(timeout)][-1]

    async def show_progress(self, timeout: float | None = None) -> "JobStatus":
        """Wait as `wait` does, and show a bar in a terminal or a notebook."""
        with open_progress_bar() as show:
            async for status in self.progress(timeout):
                show(status)
        return status

    async def result(self, timeout: float | None = None) -> Document:
        """Wait for the end and give what was read, or raise the error that ended the job."""
        content = await _fetch_result(self, timeout)
        return await self._client.transfer(partial(document_from_json, content))

    async def pages(self, timeout: float | None = None) -> AsyncIterator[Page]:
        """Wait as `result` does, then give page after page."""
        pages = pages_from_json(await _fetch_result(self, timeout))
        while page := await self._client.transfer(partial(next, pages, None)):
            yield page

    async def overview(self, page: int = 0) -> bytes:
        """Give the page (0 = first) shrunk to at most 2048 pixels a side, as PNG."""
        return await self._client._run_in_thread(self.blocking.overview, page)

    async def save_image(self, path: Path) -> None:
        """Write the image, as it was handed in, to a file."""
        await self._client.transfer(partial(self.blocking.save_image, path))

    async def cancel(self) -> bool:
        """Stop the job: queued tiles are skipped, running ones end; False where it had ended before."""
        return await self._client._run_in_thread(self.blocking.cancel)

    async def resume(self) -> None:
        """Take the job up again where it stands, even if it ended; what could not be read is tried again."""
        await self._client._run_in_thread(self.blocking.resume)


async def _fetch_result(job: AsyncJob, timeout: float | None) -> bytes:
    with suppress(ObjectNotFound):
        return await job._client.transfer(partial(load_stored_result, job.blocking))
    await job.wait(timeout)
    return await job._client.transfer(partial(fetch_result, job.blocking))
