"""Three ways to read an image: in this process, on the farm of the environment, or on a farm that is started for it."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

from ocrfarm.cli.main import echo
from ocrfarm.cli.options import ReadOptions
from ocrfarm.client import Client, Job, JobMetadata
from ocrfarm.document import Document
from ocrfarm.errors import FarmBusy, UnknownJob
from ocrfarm.farm import protocol
from ocrfarm.recognize import EnginePair, WeightsFolders, load_engine
from ocrfarm.settings import Settings
from ocrfarm.storage import layout, open_store

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus

_STAGE_OF_STATE = {"queued": "wait", "splitting": "split", "recognizing": "recognize", "stitching": "stitch"}
"""State of a job -> the stage that is shown."""

_NO_WORKER_DELAY = 10.0
"""Seconds without a worker before a warning; a worker that was started with the command is ready by then."""


class ProgressEvent(NamedTuple):
    """How far an image is.

    Attributes:
        stage: wait, split, recognize or stitch.
        done: Tiles that are done.
        tiles: All tiles; 0 if not yet known.
        pixels: Pixels of all pages; 0 if not yet known.
    """

    stage: str
    done: int = 0
    tiles: int = 0
    pixels: int = 0


@dataclass(frozen=True, slots=True)
class ProgressListener:
    """Receives the progress of one image, and can stop it.

    Attributes:
        on_progress: Called with each event.
        on_job: Called with the id of a new job before it is submitted.
        stop: Once it is set, reading ends with KeyboardInterrupt.
        previous_job: Job of the same image in a run that was interrupted.
    """

    on_progress: Callable[[ProgressEvent], None]
    on_job: Callable[[str], None]
    stop: Event
    previous_job: str = ""

    def report(self, event: ProgressEvent) -> None:
        """Pass an event on; KeyboardInterrupt if `stop` is set."""
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.on_progress(event)


class ReadResult(NamedTuple):
    """What was read, each page's overview as PNG, and the seconds that it took without waiting in a queue."""

    document: Document
    overviews: list[bytes]
    seconds: float


@dataclass(frozen=True, slots=True)
class Backend:
    """A way to read images.

    Attributes:
        read: Reads one image, or follows the job of an earlier run. Threads may call it.
        is_durable: Whether its jobs survive this process.
    """

    read: Callable[[Path, ProgressListener], ReadResult]
    is_durable: bool = False


@contextmanager
def open_backend(settings: Settings, options: ReadOptions, *, in_process: bool) -> Iterator[Backend]:
    """Yield a backend that works until the context ends.

    Args:
        settings: Settings; if they name a broker, its farm is used.
        options: Profile and selection.
        in_process: Read in this process, without a farm.
    """
    if in_process:
        yield Backend(_LocalBackend(options, settings).read)
    elif settings.endpoints.broker:
        client, warn = Client(settings=settings), make_no_worker_warning()
        yield Backend(_FarmBackend(client, options, check=warn, delete_objects=lambda job: None).read, is_durable=True)
    else:
        from ocrfarm.farm.embedded.farm import EmbeddedFarm

        with EmbeddedFarm(options.name, base_settings=settings) as farm:
            client, delete = Client(settings=farm.settings), partial(_delete_job_objects, farm.settings.endpoints.store)
            yield Backend(_FarmBackend(client, options, check=lambda status: farm.check(), delete_objects=delete).read)


def make_no_worker_warning() -> Callable[["JobStatus"], None]:
    """Return a function that takes statuses and warns, once, if a job waits for a recognizer that no worker has."""
    since: dict[str, float] = {}
    warned: set[str] = set()

    def warn(status: "JobStatus") -> None:
        what, now = status.waiting, time.monotonic()
        if what and what not in warned and now - since.setdefault(what, now) >= _NO_WORKER_DELAY:
            warned.add(what)
            echo(f"ocrfarm: {status.name} is waiting: {what}; start a worker with this profile", err=True)

    return warn


def _delete_job_objects(store: str, job: str) -> None:
    """Delete a job's objects, because the tiles of a long batch would fill the disk."""
    with closing(open_store(store)) as opened:
        opened.delete(list(opened.list(layout.job_prefix(job))))


class _LocalBackend:
    """Reads images in this process."""

    def __init__(self, options: ReadOptions, settings: Settings) -> None:
        """Load the models.

        Args:
            options: Profile and selection.
            settings: Folders of the weights, and limits on images.
        """
        folders, profile = WeightsFolders(settings.cache_path, settings.models_path), options.profile
        engine = load_engine(profile, folders)
        has_cascade = profile.cascade.recognizer
        self._engine = EnginePair(engine, load_engine(profile.second_pass_profile, folders)) if has_cascade else engine
        self._options, self._settings = options, settings

    def read(self, path: Path, listener: ProgressListener) -> ReadResult:
        """Read one image.

        Args:
            path: Path of the image.
            listener: Receives the progress.
        """
        from ocrfarm.farm.context import peak_memory_mb
        from ocrfarm.image import Limits, encode_tile, open_source
        from ocrfarm.pipeline import run_pipeline

        profile, selection = self._options.profile, self._options.selection
        limits = Limits(**self._settings.limits.overrides)
        pixels = sum(size.area for size in open_source(path, limits, selection=selection).page_sizes)

        def on_tile(done: int, tiles: int) -> None:
            listener.report(ProgressEvent("recognize", done, tiles, pixels))

        result = run_pipeline(path, self._engine, profile=profile, selection=selection, limits=limits, on_tile=on_tile)
        timing = {**result.document.timing, "peak_mb": peak_memory_mb()}
        document = replace(result.document, timing=timing)
        return ReadResult(document, [encode_tile(overview) for overview in result.overviews], timing["wall"])


class _FarmBackend:
    """Reads images on a farm. Threads may share it."""

    def __init__(
        self,
        client: Client,
        options: ReadOptions,
        *,
        check: Callable[["JobStatus"], None],
        delete_objects: Callable[[str], None],
    ) -> None:
        self._client, self._options, self._check, self._delete_objects = client, options, check, delete_objects

    def read(self, path: Path, listener: ProgressListener) -> ReadResult:
        """Read one image, or follow its job of an earlier run unless that failed or was cancelled.

        Args:
            path: Path of the image.
            listener: Receives the progress.
        """
        job = self._submit_or_follow(path, listener)
        try:
            for status in job.progress(heartbeat=True):
                self._check(status)
                listener.report(_progress_event(status))
            document = job.result()
            overviews = [job.overview(page) for page in range(len(document.pages))]
            return ReadResult(document, overviews, max(status.finished - (status.started or status.submitted), 0.0))
        except KeyboardInterrupt:
            job.cancel()
            raise
        finally:
            self._delete_objects(job.id)

    def _submit_or_follow(self, path: Path, listener: ProgressListener) -> Job:
        state = self._job_state(job := listener.previous_job)
        if state in ("", "failed", "cancelled"):
            job = protocol.new_job_id()
            listener.on_job(job)  # before it is submitted, so that a second run submits it under the same id
        elif state not in ("unknown", "queued"):
            return self._client.job(job)
        return self._submit(path, job, listener)

    def _job_state(self, job: str) -> str:
        try:
            return self._client.job(job).status().state if job else ""
        except UnknownJob:
            return "unknown"

    def _submit(self, path: Path, job: str, listener: ProgressListener) -> Job:
        """Submit the image; if the farm is busy, wait and retry."""
        while True:
            listener.report(ProgressEvent("wait"))
            try:
                return self._client.submit(
                    path, profile=self._options.profile, selection=self._options.selection, metadata=JobMetadata(job)
                )
            except FarmBusy as busy:
                listener.stop.wait(busy.retry_after)


def _progress_event(status: "JobStatus") -> ProgressEvent:
    done = status.done + status.blank + status.failed
    return ProgressEvent(_STAGE_OF_STATE.get(status.state, "stitch"), done, status.tiles, status.pixels)
