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

from ocrfarm.client.bar import job_bar
from ocrfarm.client.client import Client
from ocrfarm.client.job import Job, content_of, stored
from ocrfarm.client.many import Options, Outcome, checked_count
from ocrfarm.client.sources import Source
from ocrfarm.client.watch import Patience, Watch
from ocrfarm.document import Document, Page
from ocrfarm.errors import ObjectNotFound, OcrfarmError
from ocrfarm.result.json import document_from_json, pages_from_json
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.progress import JobStatus

_T = TypeVar("_T")

_QUICK_THREADS = 16
"""Calls at the same time; each waits for the network, most of them for a millisecond."""

_SLOW_THREADS = 8
"""Pictures and results that are on their way at the same time: as many as fill the network."""


class AsyncClient:
    """A farm's client; the broker and the store come from OCRFARM_BROKER and OCRFARM_STORE unless they are given.

    >>> async with AsyncClient() as client:
    ...     job = await client.submit("sheet.png", profile="accurate")
    ...     print((await job.result()).text)
    """

    def __init__(self, broker: str = "", store: str = "", *, settings: Settings | None = None) -> None:
        """Contact nothing yet; `SettingsError` where the broker or the store is not known."""
        self._client = Client(broker, store, settings=settings)
        self._quick = ThreadPoolExecutor(_QUICK_THREADS, "ocrfarm-client")
        self._slow = ThreadPoolExecutor(_SLOW_THREADS, "ocrfarm-carrier")

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
        await self.call(self._client.close)
        for threads in (self._quick, self._slow):
            threads.shutdown(wait=False)

    async def submit(self, source: Source, **options: Unpack[Options]) -> "AsyncJob":
        """Hand in a picture, as `Client.submit` does."""
        job = await self.carry(partial(self._client.submit, source, **options))
        return AsyncJob(job.id, job, self)

    async def submit_many(
        self, sources: Iterable[Source], *, at_once: int = 16, **options: Unpack[Options]
    ) -> "AsyncIterator[Outcome[AsyncJob]]":
        """Hand in many pictures, as `Client.submit_many` does, and give each outcome when it is there."""
        coming, most = iter(sources), checked_count(at_once)
        waiting: set[asyncio.Task[Outcome[AsyncJob]]] = set()
        try:
            while waiting := waiting | {
                asyncio.create_task(self._see_through(source, options))
                for source in islice(coming, most - len(waiting))
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

    async def jobs(self, owner: str = "", most: int = 0, *, after: "JobStatus | None" = None) -> "list[JobStatus]":
        """Give the state of every job that the broker remembers, newest first, as `Client.jobs` does."""
        return await self.call(partial(self._client.jobs, owner, most, after=after))

    async def unfinished(self, owner: str = "") -> int:
        """Say how many jobs have not ended; with an owner: how many of his."""
        return await self.call(self._client.unfinished, owner)

    async def call(self, work: Callable[..., _T], *arguments: Any) -> _T:  # noqa: ANN401 - the work's own
        """Do what blocks for a moment in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._quick, partial(work, *arguments))

    async def carry(self, work: Callable[[], _T]) -> _T:
        """Do what moves a picture or a result in a thread: however many do, the others answer at once."""
        return await asyncio.get_running_loop().run_in_executor(self._slow, work)

    async def _see_through(self, source: Source, options: Options) -> "Outcome[AsyncJob]":
        job = None
        try:
            job = await _patiently(partial(self.submit, source, **options))
            watch = Watch(None)
            while not (status := await _patiently(job.status)).ended:
                await asyncio.sleep(watch.pause(status))
            return Outcome.of(source, job, status=status)
        except OcrfarmError as error:
            return Outcome(source, job, error=error)


async def _patiently(call: Callable[[], Awaitable[_T]]) -> _T:
    patience = Patience()
    while True:
        try:
            return await call()
        except OcrfarmError as error:
            await asyncio.sleep(patience.pause(error))


@dataclass(frozen=True, slots=True)
class AsyncJob:
    """One picture that was handed in; each method does what the one of `Job` does.

    `blocking` is the same job for code that runs in a thread.
    """

    id: str
    blocking: Job
    _client: AsyncClient

    async def status(self) -> "JobStatus":
        """Say how far the job is; `UnknownJob` where nobody knows."""
        return await self._client.call(self.blocking.status)

    async def progress(self, timeout: float | None = None, *, heartbeat: bool = False) -> AsyncIterator["JobStatus"]:
        """Give the status whenever it has changed, the final one last; `TimeoutReached` after `timeout` seconds."""
        watch = Watch(timeout, heartbeat=heartbeat)
        while True:
            status = await self.status()
            if watch.is_news(status):
                yield status
            if status.ended:
                return
            await asyncio.sleep(watch.pause(status))

    async def wait(self, timeout: float | None = None) -> "JobStatus":
        """Wait for the end, at most `timeout` seconds (`TimeoutReached`); a job that failed is no error here."""
        return [status async for status in self.progress(timeout)][-1]

    async def bar(self, timeout: float | None = None) -> "JobStatus":
        """Wait as `wait` does, and show a bar in a terminal or a notebook."""
        with job_bar() as show:
            async for status in self.progress(timeout):
                show(status)
        return status

    async def result(self, timeout: float | None = None) -> Document:
        """Wait for the end and give what was read, or raise the error that ended the job."""
        content = await _content(self, timeout)
        return await self._client.carry(partial(document_from_json, content))

    async def pages(self, timeout: float | None = None) -> AsyncIterator[Page]:
        """Wait as `result` does, then give page after page."""
        pages = pages_from_json(await _content(self, timeout))
        while page := await self._client.carry(partial(next, pages, None)):
            yield page

    async def overview(self, page: int = 0) -> bytes:
        """Give the page (0 = first) shrunk to at most 2048 pixels a side, as PNG."""
        return await self._client.call(self.blocking.overview, page)

    async def picture(self, path: Path) -> None:
        """Write the picture, as it was handed in, to a file."""
        await self._client.carry(partial(self.blocking.picture, path))

    async def cancel(self) -> bool:
        """Stop the job: queued tiles are skipped, running ones end; False where it had ended before."""
        return await self._client.call(self.blocking.cancel)

    async def resume(self) -> None:
        """Take the job up again where it stands, even if it ended; what could not be read is tried again."""
        await self._client.call(self.blocking.resume)


async def _content(job: AsyncJob, timeout: float | None) -> bytes:
    with suppress(ObjectNotFound):
        return await job._client.carry(partial(stored, job.blocking))
    await job.wait(timeout)
    return await job._client.carry(partial(content_of, job.blocking))
