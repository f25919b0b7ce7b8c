"""How an image is read: by an engine in this process, by the farm that the environment names, or by one of our own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

from ocrfarm.cli.main import echo
from ocrfarm.cli.read_options import ReadOptions
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
"""What a job's state means to who waits for it."""


_NO_WORKER_DELAY = 10.0
"""Workers that were started together with the command are there by then."""


class ProgressEvent(NamedTuple):
    """How far an image is: the stage (wait, split, recognize, stitch), tiles done, all tiles, pixels (0: unknown)."""

    stage: str
    done: int = 0
    tiles: int = 0
    pixels: int = 0


@dataclass(frozen=True, slots=True)
class ProgressListener:
    """Who hears of each step; once `stop` is set, reading ends with KeyboardInterrupt.

    `previous_job` is the job that the image was handed in as by a run that was cut off, and `on_job` hears of a new
    one's id.
    """

    on_progress: Callable[[ProgressEvent], None]
    on_job: Callable[[str], None]
    stop: Event
    previous_job: str = ""

    def report(self, event: ProgressEvent) -> None:
        """Tell how far it is."""
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.on_progress(event)


class ReadResult(NamedTuple):
    """What was read, and each page's overview as PNG."""

    document: Document
    overviews: list[bytes]


@dataclass(frozen=True, slots=True)
class Backend:
    """Reads an image, or goes on with a job that was handed in before; `is_durable`: its jobs outlive this process."""

    read: Callable[[Path, ProgressListener], ReadResult]
    is_durable: bool = False


@contextmanager
def open_backend(settings: Settings, options: ReadOptions, *, in_process: bool) -> Iterator[Backend]:
    """Give what reads; for as long as the context lasts."""
    if in_process:
        yield Backend(_LocalBackend(options, settings).read)
    elif settings.endpoints.broker:
        yield Backend(
            _FarmBackend(
                Client(settings=settings), options, check=make_no_worker_warning(), delete_objects=lambda job: None
            ).read,
            True,
        )
    else:
        from ocrfarm.farm.embedded.farm import EmbeddedFarm

        with EmbeddedFarm(options.name, base_settings=settings) as farm:
            delete_objects = partial(_delete_job_objects, farm.settings.endpoints.store)
            yield Backend(
                _FarmBackend(
                    Client(settings=farm.settings),
                    options,
                    check=lambda status: farm.check(),
                    delete_objects=delete_objects,
                ).read
            )


def make_no_worker_warning() -> Callable[["JobStatus"], None]:
    """Give what says, once, that a job waits for a recognizer that no worker has, and none is starting."""
    since: dict[str, float] = {}
    warned: set[str] = set()

    def warn(status: "JobStatus") -> None:
        what, now = status.waiting, time.monotonic()
        if what and what not in warned and now - since.setdefault(what, now) >= _NO_WORKER_DELAY:
            warned.add(what)
            echo(f"ocrfarm: {status.name} waits: {what}; start one with its profile", err=True)

    return warn


def _delete_job_objects(store: str, job: str) -> None:
    """Remove what a farm of our own has of a job: a long batch would fill the disk with its tiles."""
    opened = open_store(store)
    opened.delete(list(opened.list(layout.job_prefix(job))))


class _LocalBackend:
    """Reads in this process."""

    def __init__(self, options: ReadOptions, settings: Settings) -> None:
        """Load the models."""
        folders, profile = WeightsFolders(settings.cache_path, settings.models_path), options.profile
        engine = load_engine(profile, folders)
        has_cascade = profile.cascade.recognizer
        self._engine = EnginePair(engine, load_engine(profile.second_pass_profile, folders)) if has_cascade else engine
        self._options, self._settings = options, settings

    def read(self, path: Path, listener: ProgressListener) -> ReadResult:
        """Read the image."""
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
        return ReadResult(document, [encode_tile(overview) for overview in result.overviews])


class _FarmBackend:
    """Reads over a farm; safe for threads."""

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
        """Read the image, or go on with its job where the farm knows that and it may end well."""
        job = self._submit_or_follow(path, listener)
        try:
            for status in job.progress(heartbeat=True):
                self._check(status)
                listener.report(_progress_event(status))
            document = job.result()
            return ReadResult(document, [job.overview(page) for page in range(len(document.pages))])
        except KeyboardInterrupt:
            job.cancel()
            raise
        finally:
            self._delete_objects(job.id)

    def _submit_or_follow(self, path: Path, listener: ProgressListener) -> Job:
        state = self._job_state(job := listener.previous_job)
        if state in ("", "failed", "cancelled"):
            job = protocol.new_job_id()
            listener.on_job(job)  # before it is handed in: whoever starts again hands it in under the same id
        elif state not in ("unknown", "queued"):
            return self._client.job(job)
        return self._submit(path, job, listener)

    def _job_state(self, job: str) -> str:
        try:
            return self._client.job(job).status().state if job else ""
        except UnknownJob:
            return "unknown"

    def _submit(self, path: Path, job: str, listener: ProgressListener) -> Job:
        """Hand it in; where the farm has enough to do, wait until it takes more."""
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
