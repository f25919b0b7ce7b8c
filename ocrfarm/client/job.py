"""Job: one image that was handed in."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocrfarm.client.connections import Connections
from ocrfarm.client.polling import Poller
from ocrfarm.client.progress_bar import open_progress_bar
from ocrfarm.document import Document, Page
from ocrfarm.errors import ObjectNotFound, UnknownJob
from ocrfarm.result.json import document_from_json, pages_from_json
from ocrfarm.storage import layout

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus


@dataclass(frozen=True, slots=True)
class Job:
    """One image that was handed in."""

    id: str
    _connections: Connections

    def status(self) -> "JobStatus":
        """Say how far the job is, from the store where the broker has forgotten it; `UnknownJob` where nobody knows."""
        try:
            return self._connections.job_store.get_status(self.id)
        except UnknownJob:
            from ocrfarm.farm.manifest import restore_status

            return restore_status(self._connections.store, self.id)

    def progress(self, timeout: float | None = None, *, heartbeat: bool = False) -> Iterator["JobStatus"]:
        """Give the status whenever it has changed, the final one last; `WaitTimeout` after `timeout` seconds.

        With `heartbeat`, give it at every look, changed or not.
        """
        poller = Poller(timeout, heartbeat=heartbeat)
        while True:
            status = self.status()
            if poller.has_changed(status):
                yield status
            if status.has_ended:
                return
            time.sleep(poller.next_delay(status))

    def wait(self, timeout: float | None = None) -> "JobStatus":
        """Wait for the end, at most `timeout` seconds (`WaitTimeout`); a job that failed is no error here."""
        *_, status = self.progress(timeout)
        return status

    def show_progress(self, timeout: float | None = None) -> "JobStatus":
        """Wait as `wait` does, and show a bar in a terminal or a notebook."""
        with open_progress_bar() as show:
            for status in self.progress(timeout):
                show(status)
        return status

    def result(self, timeout: float | None = None) -> Document:
        """Wait for the end and give what was read, complete or partial.

        Raises the error that ended a failed job (`UnidentifiedImage`, `JobFailed`, ...), or `JobCancelled`.
        """
        return document_from_json(fetch_result(self, timeout))

    def pages(self, timeout: float | None = None) -> Iterator[Page]:
        """Wait as `result` does, then give page after page: of an archive of 2,000, one is made at a time."""
        return pages_from_json(fetch_result(self, timeout))

    def overview(self, page: int = 0) -> bytes:
        """Give the page (0 = first) shrunk to at most 2048 pixels a side, as PNG."""
        return self._connections.store.get(layout.overview(self.id, page))

    def save_image(self, path: Path) -> None:
        """Write the image, as it was handed in, to a file."""
        self._connections.store.get_file(layout.source(self.id), path)

    def cancel(self) -> bool:
        """Stop the job: queued tiles are skipped, running ones end; False where it had ended before."""
        from ocrfarm.farm.submit import cancel

        return cancel(self._connections.submitter, self.id)

    def resume(self) -> None:
        """Take the job up again where it stands, even if it ended; what could not be read is tried again.

        A job that is complete stays so. `UnknownJob` where nothing of it is left.
        """
        from ocrfarm.farm.submit import resume

        resume(self._connections.submitter, self.id)


def fetch_result(job: Job, timeout: float | None = None) -> bytes:
    """Give the result as it is in the store, in the format ocrfarm/1; waits and raises as `Job.result`."""
    try:
        return load_stored_result(job)
    except ObjectNotFound:
        status = job.wait(timeout)
    if status.state in ("failed", "cancelled"):
        raise status.make_error()
    return load_stored_result(job)


def load_stored_result(job: Job) -> bytes:
    """Give the result as it is in the store now; `ObjectNotFound` where there is none."""
    return job._connections.store.get(layout.result(job.id))
