"""What surrounds a task: settings, store, job states and engines, opened once a process, and limits.

The functions at the end read and write what the store holds of a tile.
"""

import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from types import FrameType
from typing import TYPE_CHECKING, Any

from billiard.common import TERM_SIGNAL

from ocrfarm.errors import ObjectNotFound, StoreUnreachable, TaskTimeLimit
from ocrfarm.farm.broker import CLIENT_RETRIES, WORKER_RETRIES, Broker
from ocrfarm.farm.job_store import JobStore
from ocrfarm.farm.manifest import Manifest
from ocrfarm.farm.metrics import count_results
from ocrfarm.farm.retries import DeadLetter, TilePolicy, parse_reason
from ocrfarm.recognize import Engine, Profile, Runtime, Tiling, WeightsFolders, load_engine
from ocrfarm.settings import Settings
from ocrfarm.split.tiling import split_tile
from ocrfarm.storage import layout, open_store
from ocrfarm.storage.objects import load_object
from ocrfarm.storage.store import Store
from ocrfarm.tile import SecondPassRegion, Tile, TileId, TileResult
from ocrfarm.tile_json import second_pass_from_bytes, tile_results_from_bytes, tile_results_to_bytes

if TYPE_CHECKING:
    from ocrfarm.pipeline import PageOutcome

_SignalHandler = Any
"""What `signal.signal` takes."""

_EXPIRY_MARGIN = 86_400
"""Seconds between the end of a job's retention and the moment at which the broker forgets it by itself."""

DOWNLOAD_THREADS = 16
"""Threads that download fragments: a few kilobytes each, so that they mostly wait."""

UNREAD = "no worker has read it"
"""Why a tile is a gap of which the store has neither results nor a dead letter."""

_MAX_CACHED_MANIFESTS = 4
"""Manifests that a worker keeps: it works on few jobs at a time, and one of 5,000 tiles takes 3 MB."""


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """Store, job states and engines as one process sees them.

    Attributes:
        settings: The farm's settings.
        store: The store, which is the truth about every job.
        jobs: What Redis knows of jobs, tiles and workers.
        load_engine: Returns the engine of a profile, loaded if needed.
        should_stop: Returns whether the worker was told to stop.
    """

    settings: Settings
    store: Store
    jobs: JobStore
    load_engine: Callable[[Profile], Engine]
    should_stop: Callable[[], bool] = lambda: False
    _cached_manifests: dict[str, Manifest] = field(default_factory=dict)

    @property
    def policy(self) -> TilePolicy:
        """When a tile is tried again, and when it is given up."""
        return TilePolicy(self.settings.task_limits.max_attempts)

    def load_manifest(self, job: str) -> Manifest:
        """Return the job's manifest as the splitter first wrote it; raises `ObjectNotFound` before that."""
        if job not in self._cached_manifests:
            while len(self._cached_manifests) >= _MAX_CACHED_MANIFESTS:
                self._cached_manifests.pop(next(iter(self._cached_manifests)))
            self._cached_manifests[job] = load_object(self.store, layout.manifest(job), parse=Manifest.from_bytes)
        return self._cached_manifests[job]

    def load_regions(self, job: str) -> tuple[SecondPassRegion, ...]:
        """Return the regions that the job's first stitching doubted; raises `ObjectNotFound` before that."""
        return load_object(self.store, layout.second_pass(job), parse=second_pass_from_bytes)

    def record_peak_memory(self, job: str, stage: str) -> None:
        """Record the peak memory of this process.

        Args:
            job: The job that it worked on.
            stage: Split, recognize or stitch.
        """
        self.jobs.record_peak_memory(job, f"{stage} {socket.gethostname()} {os.getpid()}", megabytes=peak_memory_mb())


ContextFactory = Callable[[], WorkerContext]
"""Returns the context of this process; opens it when it is first called, which may be after a fork."""


class EngineCache:
    """Engines by profile, loaded when they are first needed, with the runtime of this worker."""

    MAX_ENGINES = 2
    """Engines in memory: profiles share a recognizer and differ in the detector; a third one replaces the oldest."""

    def __init__(self, runtime: Runtime | None, folders: WeightsFolders) -> None:
        """Load nothing yet.

        Args:
            runtime: Device and threads of this worker; None means those of each profile.
            folders: Where the weights are.
        """
        self._runtime, self._folders = runtime, folders
        self._loaded: dict[Profile, Engine] = {}

    def __call__(self, profile: Profile) -> Engine:
        """Return the engine of a profile, loaded if needed; raises `WeightsError` or `EngineError`."""
        profile = replace(profile, name="", tiling=Tiling())  # an engine does not depend on how a page is cut
        wanted = profile.with_runtime(self._runtime) if self._runtime else profile
        engine = self._loaded.pop(wanted, None)  # put back at the end: the first is the least recently used
        if not engine:
            while len(self._loaded) >= self.MAX_ENGINES:
                self._loaded.pop(next(iter(self._loaded)))
            engine = load_engine(wanted, self._folders)
        self._loaded[wanted] = engine
        return engine


def open_context(
    settings: Settings, runtime: Runtime | None = None, *, should_stop: Callable[[], bool] = lambda: False
) -> WorkerContext:
    """Return the context of a worker, which waits for a broker that restarts.

    Args:
        settings: The farm's settings.
        runtime: Device and threads of this worker; None means those of each job's profile.
        should_stop: Returns whether the worker was told to stop.
    """
    folders = WeightsFolders(settings.cache_path, settings.models_path)
    jobs = open_job_store(settings, retries=WORKER_RETRIES)
    engines = EngineCache(runtime, folders)
    return WorkerContext(settings, open_store(settings.endpoints.store), jobs, engines, should_stop)


def open_job_store(settings: Settings, *, retries: int = CLIENT_RETRIES) -> JobStore:
    """Return the job store at the settings' broker; nothing is contacted yet.

    Args:
        settings: The broker, the prefix and how long jobs are kept.
        retries: How often a command is repeated while the broker is away.

    """
    return make_job_store(Broker(settings.endpoints.broker, retries=retries), settings)


def make_job_store(broker: Broker, settings: Settings) -> JobStore:
    """Return the job store over a connection.

    Args:
        broker: The connection.
        settings: The prefix and how long jobs are kept.

    """
    retention = settings.retention
    longest = max(
        retention.retention_complete,
        retention.retention_partial,
        retention.retention_failed,
        retention.retention_cancelled,
    )
    # A job whose retention is over can only be found while the broker knows it.
    seconds = max(settings.task_limits.job_ttl, longest + _EXPIRY_MARGIN)
    return JobStore(broker, prefix=settings.endpoints.key_prefix, ttl_seconds=seconds)


@contextmanager
def enforce_time_limit() -> Iterator[None]:
    """Raise `TaskTimeLimit` at the soft time limit, and `KeyboardInterrupt` when the worker is told to end.

    An `except Exception` round an engine's calls swallows neither.
    """
    handlers = {signal.SIGUSR1: _raise_time_limit, TERM_SIGNAL: _wrap_term_handler(signal.getsignal(TERM_SIGNAL))}
    before = [(number, signal.signal(number, handler)) for number, handler in handlers.items()]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _raise_time_limit(number: int, frame: FrameType | None) -> None:
    raise TaskTimeLimit


def _wrap_term_handler(before: _SignalHandler) -> _SignalHandler:
    """Wrap the handler of the worker's pool, which raises SystemExit, as an engine may do too.

    That would pass for a failure of the engine, and the next tile would be started in the moments before the process is
    killed.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        try:
            before(number, frame)
        except SystemExit as order:
            raise KeyboardInterrupt from order

    return leave if callable(before) else before


@contextmanager
def enforce_memory_limit(megabytes: int) -> Iterator[None]:
    """Limit the memory of this process: what needs more raises MemoryError, or ends the process."""
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    set_memory_limit(megabytes)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


def set_memory_limit(megabytes: int) -> None:
    """Limit the memory of this process from now on."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = megabytes << 20
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))


def peak_memory_mb() -> float:
    """Return the peak resident memory of this process, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def store_results(
    context: WorkerContext, job: str, *, tile: Tile, readings: tuple[TileResult, ...]
) -> dict[str, int] | None:
    """Store what was read of a tile, a quarter or a region, unless another worker has stored it before.

    Args:
        context: The store and the job states.
        job: The job's id.
        tile: What was read.
        readings: The results; fragments that another worker stored before are as good.

    Returns:
        Counters that are to be increased, none if another worker was faster, or None if the job has ended.
    """
    if context.jobs.has_ended(job):
        return None
    won = context.store.put(layout.fragments(job, tile.id), tile_results_to_bytes(readings), if_absent=True)
    return count_results(readings) if won else {}


def store_dead_letter(context: WorkerContext, job: str, *, tile: TileId, letter: DeadLetter) -> None:
    """Store a dead letter, unless the job has ended; a whole tile counts as given up from then on.

    Args:
        context: The store and the job states.
        job: The job's id.
        tile: A tile, a quarter or a region.
        letter: Why it was given up.
    """
    if context.jobs.has_ended(job):
        return
    whole = TileId(tile.page_index, tile.level, tile.row, tile.col)
    note = {
        "tile": str(tile),
        "reason": letter.reason,
        "attempts": letter.attempts,
        "worker": f"{socket.gethostname()} {os.getpid()}",
        "time": time.time(),
        "pixels": layout.tile(job, whole),
    }
    context.store.put(layout.dead_letter(job, tile), json.dumps(note, ensure_ascii=False).encode())
    if tile == whole:
        context.jobs.mark_tile_done(job, str(tile), has_failed=True)


def load_dead_letter(context: WorkerContext, job: str, *, tile: TileId) -> DeadLetter | None:
    """Return the dead letter of a tile or a quarter; None if it was not given up.

    Args:
        context: The store.
        job: The job's id.
        tile: The tile or the quarter.
    """
    try:
        return DeadLetter(load_object(context.store, layout.dead_letter(job, tile), parse=parse_reason))
    except ObjectNotFound:
        return None


@dataclass(frozen=True, slots=True)
class StoredResults:
    """What the store has of a tile.

    Attributes:
        readings: What was read of it.
        reason: Why that is not all; "" if it is.
    """

    readings: tuple[TileResult, ...] = ()
    reason: str = ""


def load_outcomes(context: WorkerContext, job: str, *, manifest: Manifest) -> "list[PageOutcome]":
    """Return what became of the tiles of every page.

    Args:
        context: The store and the job states.
        job: The job's id.
        manifest: The job's manifest, with its blank tiles.

    Raises:
        StoreUnreachable: The store has nothing of a tile although all were read. After some attempts that is a gap.
    """
    from ocrfarm.pipeline import PageOutcome  # the exporter and clients start without the decoders

    outcomes = []
    load, overlap = partial(_load_results, context, job), manifest.request.profile.tiling.overlap
    with ThreadPoolExecutor(DOWNLOAD_THREADS) as threads:
        for number, size in enumerate(manifest.pages):
            tiles = tuple(tile for tile in manifest.tiles if tile.id.page_index == number)
            blank = {tile.id for tile in tiles} & manifest.blank
            outcome = PageOutcome(
                size, tiles, blank=blank, selection=manifest.request.selection, source=manifest.page_sources[number]
            )
            read = [tile for tile in tiles if tile.id not in blank]
            for tile, found in zip(read, threads.map(partial(load, overlap=overlap), read), strict=True):
                outcome.tile_results += found.readings
                if found.reason:
                    outcome.failed[tile.id] = found.reason
            outcomes.append(outcome)
    _check_read(context, job, outcomes)
    return outcomes


def _check_read(context: WorkerContext, job: str, outcomes: "Iterable[PageOutcome]") -> None:
    """Raise `StoreUnreachable` if results are missing that may come back: others may have answered for the store."""
    unread = [tile for outcome in outcomes for tile, reason in outcome.failed.items() if reason == UNREAD]
    if unread and not context.jobs.has_ended(job) and context.jobs.attempts.may_repeat(job, UNREAD):
        raise StoreUnreachable(f"job {job}: the store has no result of {len(unread)} tiles, the first is {unread[0]}")


def _load_results(context: WorkerContext, job: str, tile: Tile, *, overlap: int) -> StoredResults:
    """Return what was read of a tile, or of its quarters, and why there is no more.

    Args:
        context: The store.
        job: The job's id.
        tile: The tile.
        overlap: Pixels that its quarters share.

    Raises:
        DamagedObject: What the store has is no result.
    """
    load = partial(load_object, context.store, parse=tile_results_from_bytes)
    with suppress(ObjectNotFound):
        return StoredResults(load(layout.fragments(job, tile.id)))
    parts, found = split_tile(tile, overlap), list[tuple[TileResult, ...]]()
    for part in parts:
        with suppress(ObjectNotFound):
            found.append(load(layout.fragments(job, part.id)))
    letter = load_dead_letter(context, job, tile=tile.id)
    is_whole = parts and len(found) == len(parts)
    return StoredResults(tuple(chain.from_iterable(found)), letter.reason if letter else "" if is_whole else UNREAD)
