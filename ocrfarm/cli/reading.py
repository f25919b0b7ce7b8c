"""How a picture is read: by an engine in this process, by the farm that the environment names, or by one of our own."""

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

from ocrfarm.cli.main import say
from ocrfarm.cli.order import Order
from ocrfarm.client import Client, Job, Ticket
from ocrfarm.document import Document
from ocrfarm.errors import FarmBusy, UnknownJob
from ocrfarm.farm import wire
from ocrfarm.recognize import Cascaded, WeightsFolders, load_engine
from ocrfarm.settings import Settings
from ocrfarm.storage import keys, open_store

if TYPE_CHECKING:
    from ocrfarm.farm.progress import JobStatus

_STAGES = {"queued": "wait", "splitting": "split", "recognizing": "read", "stitching": "stitch"}
"""What a job's state means to who waits for it."""


_PATIENCE_SECONDS = 10.0
"""Workers that were started together with the command are there by then."""


class Step(NamedTuple):
    """How far a picture is: the stage (wait, split, read, stitch), tiles done, all tiles, and pixels (0: not known)."""

    stage: str
    done: int = 0
    tiles: int = 0
    pixels: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """Who hears of each step; once `stop` is set, reading ends with KeyboardInterrupt.

    `before` is the job that the picture was handed in as by a run that was cut off, and `job` hears of a new one's id.
    """

    hear: Callable[[Step], None]
    job: Callable[[str], None]
    stop: Event
    before: str = ""

    def step(self, step: Step) -> None:
        """Tell how far it is."""
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.hear(step)


class Read(NamedTuple):
    """What was read, and each page's overview as PNG."""

    document: Document
    overviews: list[bytes]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads a picture, or goes on with a job that was handed in before; `lasting`: its jobs outlive this process."""

    read: Callable[[Path, Watch], Read]
    lasting: bool = False


@contextmanager
def open_reader(settings: Settings, order: Order, *, in_process: bool) -> Iterator[Reader]:
    """Give what reads; for as long as the context lasts."""
    if in_process:
        yield Reader(_Here(order, settings).read)
    elif settings.places.broker:
        yield Reader(_Farm(Client(settings=settings), order, check=unread_told(), forget=lambda job: None).read, True)
    else:
        with importlib.import_module("ocrfarm.farm.local").EmbeddedFarm(order.name, base=settings) as farm:
            forget = partial(_forget, farm.settings.places.store)
            yield Reader(
                _Farm(Client(settings=farm.settings), order, check=lambda status: farm.check(), forget=forget).read
            )


def unread_told() -> Callable[["JobStatus"], None]:
    """Give what says, once, that a job waits for a recognizer that no worker has, and none is starting."""
    since: dict[str, float] = {}
    told: set[str] = set()

    def hear(status: "JobStatus") -> None:
        what, now = status.waiting, time.monotonic()
        if what and what not in told and now - since.setdefault(what, now) >= _PATIENCE_SECONDS:
            told.add(what)
            say(f"ocrfarm: {status.name} waits: {what}; start one with its profile", err=True)

    return hear


def _forget(store: str, job: str) -> None:
    """Remove what a farm of our own has of a job: a long batch would fill the disk with its tiles."""
    opened = open_store(store)
    opened.delete(list(opened.list(keys.job(job))))


class _Here:
    """Reads in this process."""

    def __init__(self, order: Order, settings: Settings) -> None:
        """Load the models."""
        folders, profile = WeightsFolders(settings.cache_folder, settings.models_folder), order.profile
        engine = load_engine(profile, folders)
        cascaded = profile.cascade.recognizer
        self._engine = Cascaded(engine, load_engine(profile.strong, folders)) if cascaded else engine
        self._order, self._settings = order, settings

    def read(self, path: Path, watch: Watch) -> Read:
        """Read the picture."""
        pipeline, image = importlib.import_module("ocrfarm.pipeline"), importlib.import_module("ocrfarm.image")
        profile, scope, limits = self._order.profile, self._order.scope, image.Limits(**self._settings.limits.given)
        pixels = sum(page.area for page in image.open_source(path, limits, scope=scope).pages)

        def on_tile(done: int, tiles: int) -> None:
            watch.step(Step("read", done, tiles, pixels))

        run = pipeline.read(path, self._engine, profile=profile, scope=scope, limits=limits, on_tile=on_tile)
        peak = importlib.import_module("ocrfarm.farm.services").peak_megabytes()
        document = replace(run.document, timing={**run.document.timing, "peak_mb": peak})
        return Read(document, [image.encode_tile(overview) for overview in run.overviews])


class _Farm:
    """Reads over a farm; safe for threads."""

    def __init__(
        self, client: Client, order: Order, *, check: Callable[["JobStatus"], None], forget: Callable[[str], None]
    ) -> None:
        self._client, self._order, self._check, self._forget = client, order, check, forget

    def read(self, path: Path, watch: Watch) -> Read:
        """Read the picture, or go on with its job where the farm knows that and it may end well."""
        known = self._followed(path, watch)
        try:
            for status in known.progress(heartbeat=True):
                self._check(status)
                watch.step(_step(status))
            document = known.result()
            return Read(document, [known.overview(page) for page in range(len(document.pages))])
        except KeyboardInterrupt:
            known.cancel()
            raise
        finally:
            self._forget(known.id)

    def _followed(self, path: Path, watch: Watch) -> Job:
        state = self._state(job := watch.before)
        if state in ("", "failed", "cancelled"):
            job = wire.new_job_id()
            watch.job(job)  # before it is handed in: whoever starts again hands it in under the same id
        elif state not in ("unknown", "queued"):
            return self._client.job(job)
        return self._submitted(path, job, watch)

    def _state(self, job: str) -> str:
        try:
            return self._client.job(job).status().state if job else ""
        except UnknownJob:
            return "unknown"

    def _submitted(self, path: Path, job: str, watch: Watch) -> Job:
        """Hand it in; where the farm has enough to do, wait until it takes more."""
        while True:
            watch.step(Step("wait"))
            try:
                return self._client.submit(
                    path, profile=self._order.profile, scope=self._order.scope, ticket=Ticket(job)
                )
            except FarmBusy as busy:
                watch.stop.wait(busy.retry_after)


def _step(status: "JobStatus") -> Step:
    done = status.done + status.blank + status.failed
    return Step(_STAGES.get(status.state, "stitch"), done, status.tiles, status.pixels)
