"""Job: one picture that was handed in."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocrfarm.client.bar import job_bar
from ocrfarm.client.connections import Connections, part
from ocrfarm.client.watch import Watch
from ocrfarm.document import Document, Page
from ocrfarm.errors import ObjectNotFound, UnknownJob
from ocrfarm.result.json import document_from_json, pages_from_json
from ocrfarm.storage import keys

if TYPE_CHECKING:
    from ocrfarm.farm.progress import JobStatus


@dataclass(frozen=True, slots=True)
class Job:
    """One picture that was handed in."""

    id: str
    _farm: Connections

    def status(self) -> "JobStatus":
        """Say how far the job is, from the store where the broker has forgotten it; `UnknownJob` where nobody knows."""
        try:
            return self._farm.progress.status(self.id)
        except UnknownJob:
            status: JobStatus = part("remember").remembered(self._farm.store, self.id)
            return status

    def progress(self, timeout: float | None = None, *, heartbeat: bool = False) -> Iterator["JobStatus"]:
        """Give the status whenever it has changed, the final one last; `TimeoutReached` after `timeout` seconds.

        With `heartbeat`, give it at every look, changed or not.
        """
        watch = Watch(timeout, heartbeat=heartbeat)
        while True:
            status = self.status()
            if watch.is_news(status):
                yield status
            if status.ended:
                return
            time.sleep(watch.pause(status))

    def wait(self, timeout: float | None = None) -> "JobStatus":
        """Wait for the end, at most `timeout` seconds (`TimeoutReached`); a job that failed is no error here."""
        *_, status = self.progress(timeout)
        return status

    def bar(self, timeout: float | None = None) -> "JobStatus":
        """Wait as `wait` does, and show a bar in a terminal or a notebook."""
        with job_bar() as show:
            for status in self.progress(timeout):
                show(status)
        return status

    def result(self, timeout: float | None = None) -> Document:
        """Wait for the end and give what was read, complete or partial.

        Raises the error that ended a failed job (`NotAnImage`, `JobFailed`, ...), or `JobCancelled`.
        """
        return document_from_json(content_of(self, timeout))

    def pages(self, timeout: float | None = None) -> Iterator[Page]:
        """Wait as `result` does, then give page after page: of an archive of 2,000, one is made at a time."""
        return pages_from_json(content_of(self, timeout))

    def overview(self, page: int = 0) -> bytes:
        """Give the page (0 = first) shrunk to at most 2048 pixels a side, as PNG."""
        return self._farm.store.get(keys.overview(self.id, page))

    def picture(self, path: Path) -> None:
        """Write the picture, as it was handed in, to a file."""
        self._farm.store.get_file(keys.source(self.id), path)

    def cancel(self) -> bool:
        """Stop the job: queued tiles are skipped, running ones end; False where it had ended before."""
        cancelled: bool = part("submit").cancel(self._farm.counter, self.id)
        return cancelled

    def resume(self) -> None:
        """Take the job up again where it stands, even if it ended; what could not be read is tried again.

        A job that is complete stays so. `UnknownJob` where nothing of it is left.
        """
        part("submit").resume(self._farm.counter, self.id)


def content_of(job: Job, timeout: float | None = None) -> bytes:
    """Give the result as it is in the store, in the format ocrfarm/1; waits and raises as `Job.result`."""
    try:
        return stored(job)
    except ObjectNotFound:
        status = job.wait(timeout)
    if status.state in ("failed", "cancelled"):
        raise status.failure()
    return stored(job)


def stored(job: Job) -> bytes:
    """Give the result as it is in the store now; `ObjectNotFound` where there is none."""
    return job._farm.store.get(keys.result(job.id))
