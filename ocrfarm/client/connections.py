"""The connections of a client: the store, the job store and the submitter of one farm, each opened on first use."""

import os
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING

from ocrfarm.errors import SettingsError
from ocrfarm.settings import Settings
from ocrfarm.storage import open_store
from ocrfarm.storage.store import Store

if TYPE_CHECKING:  # celery and redis take 0.4 s to import, so only a client that contacts a farm imports them
    from ocrfarm.farm.job_store import JobStore
    from ocrfarm.farm.submit import Submitter


class Connections:
    """Connections to one farm. Threads may share them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = RLock()
        self._store: Store | None = None
        self._job_store: JobStore | None = None
        self._submitter: Submitter | None = None

    @property
    def store(self) -> Store:
        """The store with images and results."""
        with self._lock:
            self._store = self._store or open_store(self.settings.endpoints.store)
            return self._store

    @property
    def job_store(self) -> "JobStore":
        """The status of every job."""
        with self._lock:
            self._job_store = self._job_store or self._open_job_store()
            return self._job_store

    @property
    def submitter(self) -> "Submitter":
        """What accepts new jobs."""
        with self._lock:
            self._submitter = self._submitter or self._open_submitter()
            return self._submitter

    def close(self) -> None:
        """Close what is open; the next use opens it again."""
        with self._lock:
            if self._submitter:
                self._submitter.close()
            if self._job_store:
                self._job_store.close()
            if self._store:
                self._store.close()
            self._submitter = self._job_store = self._store = None

    def _open_job_store(self) -> "JobStore":
        from ocrfarm.farm.context import open_job_store

        return open_job_store(self.settings)

    def _open_submitter(self) -> "Submitter":
        from ocrfarm.farm.celery_app import make_app, setup_tracing
        from ocrfarm.farm.submit import open_submitter

        app = make_app(self.settings)
        setup_tracing(self.settings, "client")
        return open_submitter(self.settings, app, store=self.store)


def connect(broker: str, store: str, *, settings: Settings | None) -> Connections:
    """Return connections that open nothing yet.

    >>> connect("redis://localhost", "/tmp/store", settings=Settings()).settings.endpoints.store
    '/tmp/store'

    Args:
        broker: URL of the broker; if empty, that of the settings.
        store: URL or folder of the store; if empty, that of the settings.
        settings: All other settings. Defaults to those of the environment.

    Raises:
        SettingsError: The broker or the store is neither passed nor set.

    """
    settings = settings or Settings.from_env(os.environ)
    endpoints = settings.endpoints
    endpoints = replace(endpoints, broker=broker or endpoints.broker, store=store or endpoints.store)
    if not endpoints.broker or not endpoints.store:
        advice = "`ocrfarm up` starts a farm on this machine and prints both; in Python, pass broker= and store="
        raise SettingsError(f"no farm is named: set OCRFARM_BROKER and OCRFARM_STORE; {advice}")
    return Connections(replace(settings, endpoints=endpoints))
