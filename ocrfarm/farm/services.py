"""What a task needs from its surroundings: settings, store, job states and a loaded engine; opened once a process."""

import os
import resource
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ocrfarm.farm.broker import HASTY, PATIENT, Broker
from ocrfarm.farm.manifest import Manifest
from ocrfarm.farm.progress import Progress
from ocrfarm.farm.upkeep import Upkeep
from ocrfarm.recognize import Engine, Profile, Runtime, Tiling, WeightsFolders, load_engine
from ocrfarm.settings import Settings
from ocrfarm.storage import keys, open_store
from ocrfarm.storage.store import Store

_MARGIN_SECONDS = 86_400
"""Between the moment when a job is past its time and the one when the broker forgets it by itself."""

_MANIFESTS = 4
"""Manifests that a worker remembers: it works on few jobs at a time, and one of 5,000 tiles takes 3 MB."""


@dataclass(frozen=True, slots=True)
class Services:
    """Store, job states and engines as one process sees them."""

    settings: Settings
    store: Store
    progress: Progress
    upkeep: Upkeep
    engine: Callable[[Profile], Engine]
    _manifests: dict[str, Manifest] = field(default_factory=dict)

    def manifest(self, job: str) -> Manifest:
        """Give the job's manifest as the splitter first wrote it; `ObjectNotFound` before that."""
        if job not in self._manifests:
            while len(self._manifests) >= _MANIFESTS:
                self._manifests.pop(next(iter(self._manifests)))
            self._manifests[job] = Manifest.from_bytes(self.store.get(keys.manifest(job)))
        return self._manifests[job]

    def note_peak(self, job: str, stage: str) -> None:
        """Tell how much memory this process has had at most."""
        self.progress.note_peak(job, f"{stage} {socket.gethostname()} {os.getpid()}", megabytes=peak_megabytes())


class Engines:
    """Engines by profile, loaded when first asked for; a job's profile runs on this worker's runtime, not its own."""

    KEPT = 2
    """Profiles share a recognizer and differ in the detector; a third engine pushes the oldest out of memory."""

    def __init__(self, runtime: Runtime | None, folders: WeightsFolders) -> None:
        """Take the runtime of this worker; None: what each profile says."""
        self._runtime, self._folders = runtime, folders
        self._loaded: dict[Profile, Engine] = {}

    def __call__(self, profile: Profile) -> Engine:
        """Give the engine, loading it if needed: `WeightsError`, `EngineError`."""
        profile = replace(profile, name="", tiling=Tiling())  # engines do not mind how a page is cut
        wanted = profile.run_on(self._runtime) if self._runtime else profile
        engine = self._loaded.pop(wanted, None)  # and in again at the end: the first is the one that rested longest
        if not engine:
            while len(self._loaded) >= self.KEPT:
                self._loaded.pop(next(iter(self._loaded)))
            engine = load_engine(wanted, self._folders)
        self._loaded[wanted] = engine
        return engine


def open_services(settings: Settings, runtime: Runtime | None = None) -> Services:
    """Open everything for a worker: it outlives a restart of the broker."""
    folders = WeightsFolders(settings.cache_folder, settings.models_folder)
    progress, upkeep = open_progress(settings, tries=PATIENT), open_upkeep(settings, tries=PATIENT)
    return Services(settings, open_store(settings.places.store), progress, upkeep, Engines(runtime, folders))


def open_progress(settings: Settings, *, tries: int = HASTY) -> Progress:
    """Open the job states with the settings' broker; `tries` as a person wants it, or as a worker needs it."""
    places, keep = settings.places, settings.keep
    longest = max(keep.keep_complete, keep.keep_partial, keep.keep_failed, keep.keep_cancelled)
    # A job that is past its time is only found as long as the broker knows it.
    seconds = max(settings.work.keep_seconds, longest + _MARGIN_SECONDS)
    return Progress(Broker(places.broker, tries=tries), prefix=places.prefix, keep_seconds=seconds)


def open_upkeep(settings: Settings, *, tries: int = HASTY) -> Upkeep:
    """Open the reconciler's memory."""
    return Upkeep(Broker(settings.places.broker, tries=tries), prefix=settings.places.prefix)


def peak_megabytes() -> float:
    """Give the most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
