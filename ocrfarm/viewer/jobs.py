"""The jobs page of `ocrfarm up`: the jobs of the farm, and their results in the viewer and in every format.

/                        the page, which polls /jobs.json
/jobs.json               every job that the broker has, newest first
/jobs/JOB/files/FORMAT   the result in a format
/jobs/JOB/view/...       the result in the viewer, which is written at the first request
"""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ocrfarm.client import Client, Job
from ocrfarm.client.job import make_source_info, safe_suffix
from ocrfarm.errors import OcrfarmError, UnknownFormat
from ocrfarm.export import Target, export
from ocrfarm.farm.embedded.processes import scratch_dir
from ocrfarm.printable import printable
from ocrfarm.result.formats import FORMATS, find_formats
from ocrfarm.viewer.binary_lines import to_json
from ocrfarm.viewer.bundle import STATIC_DIR, ViewerItem, write_viewer
from ocrfarm.viewer.server import PathHandler, Reply, reply_with_error, reply_with_file

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus

_STATIC_PATHS = {"/": "jobs.html", "/jobs.css": "jobs.css", "/theme.css": "theme.css", "/jobs.js": "jobs.js"}
_SCRIPTS_PATH = "/js/"

_MAX_VIEWERS = 20
"""Number of viewers that are kept; for a page of 16384 x 16384 pixels, one takes 35 to 50 MB."""

_MAX_NAME_LENGTH = 200
"""Characters of a job's name that the name of a downloaded file has."""

_RESULT_TIMEOUT = 0
"""Seconds to wait for a result: none, since the page links to the results of finished jobs only."""

_DOWNLOAD_FORMATS = [
    form.name
    for form in FORMATS.values()
    if not form.is_per_page and (not form.required_package or find_spec(form.required_package))
]
"""Formats that write one file for any number of pages."""


@dataclass(frozen=True, slots=True)
class JobsPageConfig:
    """Configuration of the page.

    Attributes:
        client: Client of the farm.
        limits: Limits of the images, by the names of `ocrfarm.image.Limits`.
        flower: Returns the URL of a job's messages in Flower, if it runs.
    """

    client: Client
    limits: Mapping[str, int]
    flower: Callable[[str], str] | None = None


@contextmanager
def open_jobs_page(config: JobsPageConfig, folder: Path) -> Iterator[PathHandler]:
    """Return the handler of the page's paths, for `server.serve`.

    Args:
        config: Configuration of the page.
        folder: Folder for viewers and files; what is written there is removed when the block ends.
    """
    with (
        scratch_dir("shown", folder) as shown,
        ThreadPoolExecutor(1, "ocrfarm-views") as workers,
    ):
        try:
            yield _JobsPage(config, shown, workers).handle_path
        finally:
            workers.shutdown(cancel_futures=True)  # their viewers will not be opened


class _JobsPage:
    """Handles the paths of the page; safe for threads."""

    def __init__(self, config: JobsPageConfig, folder: Path, executor: ThreadPoolExecutor) -> None:
        self._config, self._folder, self._executor = config, folder, executor
        self._viewers: dict[str, Future[None]] = {}
        self._lock = threading.Lock()

    def handle_path(self, path: str) -> Reply | None:
        """Return the reply to a path, or None if it does not exist."""
        if path in _STATIC_PATHS:
            return Reply(STATIC_DIR / _STATIC_PATHS[path])
        if path.startswith(_SCRIPTS_PATH):
            return reply_with_file(STATIC_DIR, path)
        if path == "/jobs.json":
            return Reply(to_json(self._job_rows()), "application/json")
        _, top, job, kind, rest = (*path.split("/", 4), "", "", "", "")[:5]
        if top != "jobs" or kind not in ("files", "view") or not job:
            return None
        found = self._config.client.job(job)
        try:
            return self._format_reply(found, rest) if kind == "files" else self._viewer_reply(found, rest)
        except OcrfarmError as error:
            return reply_with_error(error, hidden=self._folder)

    def _job_rows(self) -> dict[str, object]:
        flower = self._config.flower
        jobs = [
            {**_printable_fields(status), "ended": status.has_ended, "flower": flower(status.id) if flower else ""}
            for status in self._config.client.jobs()
        ]
        return {"now": time.time(), "formats": _DOWNLOAD_FORMATS, "jobs": jobs}

    def _viewer_reply(self, job: Job, path: str) -> Reply | None:
        made = self._get_or_start_viewer(job)
        if not made.done():
            return Reply(STATIC_DIR / "wait.html", status=HTTPStatus.ACCEPTED)
        if made.exception():
            with self._lock:
                self._viewers.pop(job.id, None)  # the next request tries again
        made.result()
        return reply_with_file(self._folder / job.id / "view", path)

    def _get_or_start_viewer(self, job: Job) -> Future[None]:
        with self._lock:
            if job.id not in self._viewers:
                self._viewers[job.id] = self._executor.submit(self._build_viewer, job)
                for old in list(self._viewers)[:-_MAX_VIEWERS]:
                    self._viewers.pop(old).add_done_callback(partial(self._remove_viewer, old))
            return self._viewers[job.id]

    def _build_viewer(self, job: Job) -> None:
        document, name = job.result(_RESULT_TIMEOUT), printable(PurePath(job.status().name).name)
        with _download_image(job, self._folder) as image:
            write_viewer(
                [ViewerItem(name, document, image)], self._folder / job.id / "view", limits=self._config.limits
            )

    def _remove_viewer(self, job: str, _: object) -> None:
        shutil.rmtree(self._folder / job, ignore_errors=True)

    def _format_reply(self, job: Job, format_name: str) -> Reply:
        """Write the result in a format, and return the bytes of the file."""
        form, *others = find_formats(format_name)
        if others:
            raise UnknownFormat(f"{format_name}: only one format at a time can be downloaded")
        document, name = job.result(_RESULT_TIMEOUT), printable(PurePath(job.status().name).stem)[:_MAX_NAME_LENGTH]
        with tempfile.TemporaryDirectory(prefix="image-", dir=self._folder) as place:
            folder = Path(place)
            source = make_source_info(job, document, folder=folder, limits=self._config.limits)
            target = Target(folder / "files", (form,))
            export(document, target, source=source)
            return Reply((target.folder / form.file_name(job.id)).read_bytes(), save_as=form.file_name(name or job.id))


def _printable_fields(status: "JobStatus") -> dict[str, object]:
    """Return the fields of a status; a stranger may have named the job."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in asdict(status).items()}


@contextmanager
def _download_image(job: Job, folder: Path) -> Iterator[Path]:
    """Download the image of a job into a folder that is removed when the block ends."""
    with tempfile.TemporaryDirectory(prefix="image-", dir=folder) as place:
        path = Path(place) / f"source{safe_suffix(job.status().name)}"
        job.save_image(path)
        yield path
