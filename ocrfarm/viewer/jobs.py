"""The jobs page: what the farm has done and is doing, each result in the viewer and in every format.

/                        the page, which asks for /jobs.json again and again
/jobs.json               every job that the broker remembers, newest first
/jobs/JOB/files/FORMAT   the result in a format
/jobs/JOB/view/...       the result in the viewer, which is made when it is first asked for
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

from ocrfarm.client import Client, Job
from ocrfarm.client.origins import origin_of
from ocrfarm.export import Target, export
from ocrfarm.result.formats import FORMATS, find_formats
from ocrfarm.viewer.arrays import to_json
from ocrfarm.viewer.folder import STATIC, Sheet, write_viewer
from ocrfarm.viewer.site import Find, Reply, in_folder

_PAGE = {"/": "jobs.html", "/jobs.css": "jobs.css", "/theme.css": "theme.css", "/jobs.js": "jobs.js"}
_SCRIPTS = "/js/"

_KEPT = 20
"""Viewers that are kept: one of a page of 16384 x 16384 pixels takes 35 to 50 MB."""

_WAIT_SECONDS = 0
"""What a result may be waited for: nobody is sent here before the job has ended."""

_OFFERED = [form.name for form in FORMATS.values() if not form.each_page and (not form.needs or find_spec(form.needs))]
"""Formats of one file, whatever the number of pages."""


@dataclass(frozen=True, slots=True)
class Farm:
    """What the page shows: the farm's client, limits on pictures, and what leads to a job's messages in Flower."""

    client: Client
    limits: Mapping[str, int]
    flower: Callable[[str], str] | None = None


@contextmanager
def jobs_page(farm: Farm, folder: Path) -> Iterator[Find]:
    """Give what finds the pages; what is made for them lies in a folder inside `folder`, until the block ends."""
    with (
        tempfile.TemporaryDirectory(prefix="shown-", dir=folder, ignore_cleanup_errors=True) as shown,
        ThreadPoolExecutor(1, "ocrfarm-views") as workers,
    ):
        try:
            yield _Jobs(farm, Path(shown), workers).find
        finally:
            workers.shutdown(cancel_futures=True)  # nobody will look at them


class _Jobs:
    """Finds the pages; safe for threads."""

    def __init__(self, farm: Farm, folder: Path, workers: ThreadPoolExecutor) -> None:
        self._farm, self._folder, self._workers = farm, folder, workers
        self._views: dict[str, Future[None]] = {}
        self._lock = threading.Lock()

    def find(self, path: str) -> Reply | None:
        """Give what is at an address."""
        if path in _PAGE:
            return Reply(STATIC / _PAGE[path])
        if path.startswith(_SCRIPTS):
            return in_folder(STATIC, path)
        if path == "/jobs.json":
            return Reply(to_json(self._rows()), "application/json")
        _, top, job, kind, rest = (*path.split("/", 4), "", "", "", "")[:5]
        if top != "jobs" or kind not in ("files", "view") or not job:
            return None
        found = self._farm.client.job(job)
        return self._file(found, rest) if kind == "files" else self._view(found, rest)

    def _rows(self) -> dict[str, object]:
        flower = self._farm.flower
        jobs = [
            {**asdict(status), "ended": status.ended, "flower": flower(status.id) if flower else ""}
            for status in self._farm.client.jobs()
        ]
        return {"now": time.time(), "formats": _OFFERED, "jobs": jobs}

    def _view(self, job: Job, path: str) -> Reply | None:
        made = self._made(job)
        if not made.done():
            return Reply(STATIC / "wait.html", status=HTTPStatus.ACCEPTED)
        if made.exception():
            with self._lock:
                self._views.pop(job.id, None)  # whoever comes again tries again
        made.result()
        return in_folder(self._folder / job.id / "view", path)

    def _made(self, job: Job) -> Future[None]:
        with self._lock:
            if job.id not in self._views:
                self._views[job.id] = self._workers.submit(self._make, job)
                for old in list(self._views)[:-_KEPT]:
                    self._views.pop(old).add_done_callback(partial(self._forget, old))
            return self._views[job.id]

    def _make(self, job: Job) -> None:
        document, name = job.result(_WAIT_SECONDS), PurePath(job.status().name).name
        with _picture(job, self._folder) as picture:
            write_viewer([Sheet(name, document, picture)], self._folder / job.id / "view", limits=self._farm.limits)

    def _forget(self, job: str, _: object) -> None:
        shutil.rmtree(self._folder / job, ignore_errors=True)

    def _file(self, job: Job, format_name: str) -> Reply:
        """Write the result in a format, and give the file's bytes."""
        (form,) = find_formats(format_name)
        document, name = job.result(_WAIT_SECONDS), PurePath(job.status().name)
        with tempfile.TemporaryDirectory(prefix="picture-", dir=self._folder) as place:
            folder = Path(place)
            origin = origin_of(job, document, folder=folder, stem=name.stem, limits=self._farm.limits)
            target = Target(folder / "files", (form,))
            export(document, target, origin=origin)
            return Reply((target.folder / form.file_name(name.stem)).read_bytes(), save_as=form.file_name(name.stem))


@contextmanager
def _picture(job: Job, folder: Path) -> Iterator[Path]:
    """Give the picture as it was handed in, in a folder that is removed when the block ends."""
    with tempfile.TemporaryDirectory(prefix="picture-", dir=folder) as place:
        path = Path(place) / f"source{PurePath(job.status().name).suffix}"
        job.picture(path)
        yield path
