"""Job: one image that was submitted; its status, its result and its image."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ocrfarm.client.connections import Connections
from ocrfarm.client.progress import Poller, open_progress_bar
from ocrfarm.document import Document, Page
from ocrfarm.errors import ObjectNotFound, UnknownJob
from ocrfarm.printable import printable
from ocrfarm.result import SourceInfo
from ocrfarm.result.json import document_from_json, pages_from_json
from ocrfarm.storage import layout
from ocrfarm.storage.objects import load_object

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus

_SUFFIX = re.compile(r"\.\w{1,10}", re.ASCII)
"""A file name's suffix that is safe to use for a file on this machine."""


@dataclass(frozen=True, slots=True)
class JobControl:
    """What stops a job, continues it or deletes it.

    Attributes:
        id: Identifies the job.

    """

    id: str
    _connections: Connections = field(repr=False)

    def cancel(self) -> bool:
        """Cancel the job: queued tiles are skipped, running ones are finished.

        Returns:
            False if the job had already ended.

        """
        from ocrfarm.farm.submit import cancel

        return cancel(self._connections.submitter, self.id)

    def delete(self) -> None:
        """Delete the job: its image, its tiles and its results. A running job is cancelled first.

        This cannot be undone. `UnknownJob` if nothing of the job is left.
        """
        from ocrfarm.farm.submit import delete

        delete(self._connections.submitter, self.id)

    def resume(self) -> None:
        """Continue a job that stopped, failed or was cancelled, and retry the tiles that could not be read.

        A complete job stays as it is. `UnknownJob` if nothing of the job is left.
        """
        from ocrfarm.farm.submit import resume

        resume(self._connections.submitter, self.id)


@dataclass(frozen=True, slots=True)
class Job(JobControl):
    """A handle to one submitted image; `Client.submit` and `Client.job` return it.

    Only the id is kept here. Every method asks the farm, so a job can be followed from another process or later:

    ```python
    job = client.job("01JD9YQ1Z7K3V5N8T2W4X6B0CA")
    print(job.status().state)
    ```

    Attributes:
        id: Identifies the job; keep it to find the job again.

    """

    def status(self) -> "JobStatus":
        """Return the job's current status; `UnknownJob` if neither the broker nor the store knows it."""
        try:
            return self._connections.job_store.get_status(self.id)
        except UnknownJob:
            from ocrfarm.farm.manifest import restore_status

            return restore_status(self._connections.store, self.id)

    def progress(self, timeout: float | None = None, *, heartbeat: bool = False) -> Iterator["JobStatus"]:
        """Yield the status whenever it has changed, and the final one last.

        ```python
        for status in job.progress():
            print(status.state, status.done, "of", status.tiles)
        ```

        Args:
            timeout: Seconds to follow the job. Defaults to no limit.
            heartbeat: Yield the status after every poll, whether it has changed or not.

        Raises:
            WaitTimeout: The job has not ended after `timeout` seconds; it continues.

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
        """Wait until the job has ended and return its final status, even if it failed.

        `WaitTimeout` after `timeout` seconds; the job continues.
        """
        *_, status = self.progress(timeout)
        return status

    def show_progress(self, timeout: float | None = None) -> "JobStatus":
        """Wait as `wait` does, with a progress bar in the terminal or notebook."""
        with open_progress_bar() as show:
            for status in self.progress(timeout):
                show(status)
        return status

    def result(self, timeout: float | None = None) -> Document:
        """Wait until the job has ended and return what was read, complete or partial.

        ```python
        document = job.result(timeout=600)
        print(document.text)
        ```

        Args:
            timeout: Seconds to wait. Defaults to no limit.

        Returns:
            The document: its pages, lines and words with their places, and which parts could not be read.

        Raises:
            WaitTimeout: The job has not ended after `timeout` seconds; it continues.
            JobCancelled: The job was cancelled.
            InputError, JobFailed: The job failed; the error is the one that ended it.

        """
        return document_from_json(fetch_result(self, timeout))

    def pages(self, timeout: float | None = None) -> Iterator[Page]:
        """Wait as `result` does, then yield one page after the other; only one of them is in memory at a time."""
        return pages_from_json(fetch_result(self, timeout))

    def overview(self, page: int = 0) -> bytes:
        """Return the page (0 is the first), downscaled to at most 2048 pixels a side, as a PNG file."""
        return self._connections.store.get(layout.overview(self.id, page))

    def save_image(self, path: Path) -> None:
        """Write the image, as it was submitted, to a file."""
        self._connections.store.get_file(layout.source(self.id), path)


def fetch_result(job: Job, timeout: float | None = None) -> bytes:
    """Return the result as the JSON that is in the store (format `ocrfarm/1`).

    Args:
        job: The job; it is awaited if it has no result yet.
        timeout: Seconds to wait. Defaults to no limit.

    Raises:
        WaitTimeout, JobCancelled, InputError, JobFailed: As `Job.result`.
        DamagedObject: What the store returns is no result.

    """
    try:
        return load_stored_result(job)
    except ObjectNotFound:
        status = job.wait(timeout)
    if status.state in ("failed", "cancelled"):
        raise status.make_error()
    return load_stored_result(job)


def load_stored_result(job: Job) -> bytes:
    """Return the result in the store; raises `ObjectNotFound` if there is none, `DamagedObject` if it is no result."""
    return load_object(job._connections.store, layout.result(job.id), parse=_check_result)


def _check_result(data: bytes) -> bytes:
    """Return a result, or raise ValueError if it is another's answer or a part of it; it may be too large to parse."""
    if not data.startswith(b"{") or not data.rstrip().endswith(b"}"):
        raise ValueError("it is no JSON object")
    return data


def make_source_info(
    job: Job, document: Document, *, folder: Path, limits: Mapping[str, int], base: str = "", stem: str = ""
) -> SourceInfo:
    """Return what the writers of result formats need to know about the job's image.

    Args:
        job: The job.
        document: Its result.
        folder: Folder into which the image is downloaded when a format needs it.
        limits: Limits of `ocrfarm.image.Limits` for decoding the image.
        base: URL of the folder in which the results will be published, with a slash at its end.
        stem: First part of the results' names. Defaults to the job's id.

    """
    from ocrfarm.pdf_image_tiles import ImageTileCutter

    name = printable(PurePath(job.status().name).name)  # of a URL, the last part
    get_image = cache(partial(_download_image, job, folder / f"source{safe_suffix(name)}"))
    cut_tiles = ImageTileCutter(get_image, limits=limits)
    overviews = {number: partial(job.overview, place) for place, number in enumerate(document.page_numbers)}
    return SourceInfo(
        name, get_image, lambda number: overviews[number](), cut_tiles, base_url=base, stem=stem or job.id
    )


def safe_suffix(name: str) -> str:
    """Return the suffix of a name that a stranger may have chosen, or "" if no file of this machine should have it.

    >>> safe_suffix("sheet.tif"), safe_suffix("sheet.t f")
    ('.tif', '')
    """
    found = _SUFFIX.fullmatch(PurePath(name).suffix)
    return found.group() if found else ""


def _download_image(job: Job, path: Path) -> Path:
    job.save_image(path)
    return path
