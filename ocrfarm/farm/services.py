"""What a task needs from its surroundings: settings, store, job states and a loaded engine; opened once a process."""

import os
import resource
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from ocrfarm.farm.broker import HASTY, PATIENT, Broker
from ocrfarm.farm.manifest import Manifest
from ocrfarm.farm.progress import Progress
from ocrfarm.recognize import Engine, Profile, Runtime, WeightsFolders, load_engine
from ocrfarm.settings import Settings
from ocrfarm.storage import keys, open_store
from ocrfarm.storage.store import Store

_MANIFESTS = 4
"""Manifests that a worker remembers: it works on few jobs at a time, and one of 5,000 tiles takes 3 MB."""


@dataclass(frozen=True, slots=True)
class Services:
    """Store, job states and engines as one process sees them."""

    settings: Settings
    store: Store
    progress: Progress
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
        wanted = profile.run_on(self._runtime) if self._runtime else profile
        if wanted not in self._loaded:
            while len(self._loaded) >= self.KEPT:
                self._loaded.pop(next(iter(self._loaded)))
            self._loaded[wanted] = load_engine(wanted, self._folders)
        return self._loaded[wanted]


def open_services(settings: Settings, runtime: Runtime | None = None) -> Services:
    """Open everything for a worker: it outlives a restart of the broker."""
    places = settings.places
    progress = open_progress(settings, tries=PATIENT)
    folders = WeightsFolders(settings.cache_folder, settings.models_folder)
    return Services(settings, open_store(places.store), progress, Engines(runtime, folders))


def open_progress(settings: Settings, *, tries: int = HASTY) -> Progress:
    """Open the job states with the settings' broker; `tries` as a person wants it, or as a worker needs it."""
    places = settings.places
    return Progress(Broker(places.broker, tries=tries), prefix=places.prefix, keep_seconds=settings.work.keep_seconds)


def peak_megabytes() -> float:
    """Give the most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
