"""Client and Job: hand pictures to a farm, follow them, fetch what was read. Needs no engine and no image library."""

import importlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocrfarm.document import Document
from ocrfarm.errors import NotAnImage, ObjectNotFound, SettingsError, TimeoutReached, UnknownJob
from ocrfarm.recognize.profiles import Profile, find_profile
from ocrfarm.result.json import document_from_json
from ocrfarm.scope import ALL, Scope
from ocrfarm.settings import Settings
from ocrfarm.storage import keys, open_store
from ocrfarm.storage.store import Store

if TYPE_CHECKING:  # celery and redis take 0.4 s to import: only a client that talks to a farm pays for them
    from ocrfarm.farm.progress import JobStatus, Progress
    from ocrfarm.farm.submit import Counter

_POLL_SECONDS = (0.05, 1.0)
"""First and longest pause between two looks at a job; each is a quarter longer than the one before."""


class Client:
    """A farm's client; the broker and the store come from OCRFARM_BROKER and OCRFARM_STORE unless they are given.

    >>> client = Client()
    >>> job = client.submit("sheet.png", profile="accurate")
    >>> for line in job.result().lines:
    ...     print(line.text, line.quad)
    """

    def __init__(self, broker: str = "", store: str = "", *, settings: Settings | None = None) -> None:
        """Contact nothing yet; `SettingsError` where the broker or the store is not known."""
        settings = settings or Settings.from_env(os.environ)
        places = settings.places
        places = replace(places, broker=broker or places.broker, store=store or places.store)
        if not places.broker or not places.store:
            raise SettingsError("which farm? Set OCRFARM_BROKER and OCRFARM_STORE, or give broker= and store=")
        self._settings = replace(settings, places=places)

    def submit(
        self,
        source: str | Path | bytes,
        *,
        profile: str | Profile = "fast",
        priority: int | None = None,
        name: str = "",
        scope: Scope = ALL,
        job_id: str = "",
    ) -> "Job":
        """Hand in a picture: a path, its bytes, or the s3:// URL of an object that the farm's credentials can read.

        An https:// address is taken where the settings allow it.
        priority: 0 (first), 5 or 9; by the picture's size unless given. name: what the farm calls the picture.
        scope: which pages and parts of them are read, and the dpi of a PDF; everything unless given.
        job_id: made by `new_job_id` before; who does not know whether a picture was handed in may do so again under
        the same id, and it is read once.
        `NotAnImage` where there is no such file; `StoreError`, `BrokerError` where the farm cannot take it; `FarmBusy`
        where it has enough to do: come back after the error's `retry_after` seconds.
        """
        wanted = find_profile(profile) if isinstance(profile, str) else profile
        with tempfile.TemporaryDirectory(prefix="ocrfarm-") as folder:
            if isinstance(source, str) and source.startswith(("s3://", "https://", "http://")):
                name, source = name or source.partition("?")[0], self._fetched(source, Path(folder) / "source")
            content = source if isinstance(source, bytes) else checked_file(Path(source))
            name = name or ("bytes" if isinstance(content, bytes) else content.name)
            manifest, submit = _part("manifest"), _part("submit")
            request = manifest.Request(name, wanted, time.time(), priority, scope)
            job = _part("wire").checked_job_id(job_id) if job_id else ""
            return Job(submit.submit(self._counter, request, source=content, job=job), self)

    def job(self, job_id: str) -> "Job":
        """Give the job of this id; `UnknownJob` for what cannot be one."""
        _part("wire").checked_job_id(job_id)
        return Job(job_id, self)

    def jobs(self) -> "list[JobStatus]":
        """Give the state of every job that the broker remembers, newest first."""
        return self._progress.statuses()

    @cached_property
    def _store(self) -> Store:
        return open_store(self._settings.places.store)

    @cached_property
    def _progress(self) -> "Progress":
        progress: Progress = _part("services").open_progress(self._settings)
        return progress

    @cached_property
    def _counter(self) -> "Counter":
        app = _part("app").make_app(self._settings)
        _part("traces").start(self._settings, "client")
        counter: Counter = _part("submit").open_counter(self._settings, app, store=self._store)
        return counter

    def _fetched(self, url: str, path: Path) -> Path:
        if not url.startswith("s3://"):
            _part("fetch").fetch(url, path, access=self._settings.access)
            return path
        bucket, _, key = url.removeprefix("s3://").partition("/")
        _, _, options = self._settings.places.store.partition("?")
        open_store(f"s3://{bucket}{'?' + options if options else ''}").get_file(key, path)
        return path


@dataclass(frozen=True, slots=True)
class Job:
    """One picture that was handed in."""

    id: str
    _client: Client

    def status(self) -> "JobStatus":
        """Say how far the job is, from the store where the broker has forgotten it; `UnknownJob` where nobody knows."""
        try:
            return self._client._progress.status(self.id)
        except UnknownJob:
            status: JobStatus = _part("remember").remembered(self._client._store, self.id)
            return status

    def progress(self, timeout: float | None = None, *, heartbeat: bool = False) -> Iterator["JobStatus"]:
        """Give the status whenever it has changed, the final one last; `TimeoutReached` after `timeout` seconds.

        With `heartbeat`, give it at every look, changed or not.
        """
        deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        pause, longest = _POLL_SECONDS
        last = None
        while True:
            status = self.status()
            if heartbeat or status != last:
                yield status
            if status.ended:
                return
            if time.monotonic() >= deadline:
                raise TimeoutReached(f"job {self.id} is still {status.state} after {timeout:g} s; it goes on")
            time.sleep(min(pause, max(deadline - time.monotonic(), 0)))
            pause, last = min(pause * 1.25, longest), status

    def wait(self, timeout: float | None = None) -> "JobStatus":
        """Wait for the end, at most `timeout` seconds (`TimeoutReached`); a job that failed is no error here."""
        *_, status = self.progress(timeout)
        return status

    def result(self, timeout: float | None = None) -> Document:
        """Wait for the end and give what was read, complete or partial.

        Raises the error that ended a failed job (`NotAnImage`, `JobFailed`, ...), or `JobCancelled`.
        """
        try:
            return self._document()
        except ObjectNotFound:
            status = self.wait(timeout)
        if status.state in ("failed", "cancelled"):
            raise status.failure()
        return self._document()

    def overview(self, page: int = 0) -> bytes:
        """Give the page shrunk to at most 2048 pixels a side, as PNG."""
        return self._client._store.get(keys.overview(self.id, page))

    def picture(self, path: Path) -> None:
        """Write the picture, as it was handed in, to a file."""
        self._client._store.get_file(keys.source(self.id), path)

    def cancel(self) -> bool:
        """Stop the job: queued tiles are skipped, running ones end; False where it had ended before."""
        cancelled: bool = _part("submit").cancel(self._client._counter, self.id)
        return cancelled

    def resume(self) -> None:
        """Take the job up again where it stands, even if it ended; what could not be read is tried again.

        A job that is complete stays so. `UnknownJob` where nothing of it is left.
        """
        _part("submit").resume(self._client._counter, self.id)

    def _document(self) -> Document:
        return document_from_json(self._client._store.get(keys.result(self.id)))


def _part(name: str) -> Any:  # noqa: ANN401 - a module
    """Give a module of the farm, which is imported when it is needed."""
    return importlib.import_module(f"ocrfarm.farm.{name}")


def checked_file(path: Path) -> Path:
    """Give the path back; `NotAnImage` where no file with something in it is there."""
    if path.is_dir():
        raise NotAnImage(f"{path}: is a folder; name the files in it")
    if not path.is_file():
        raise NotAnImage(f"{path}: there is no such file")
    if not path.stat().st_size:
        raise NotAnImage(f"{path}: is empty")
    return path
