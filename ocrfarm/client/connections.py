"""What a client has open: the store, the job states and the submitter of one farm, each from its first use on."""

import os
from collections.abc import Callable
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from ocrfarm.errors import SettingsError
from ocrfarm.settings import Settings
from ocrfarm.storage import open_store
from ocrfarm.storage.store import Store

if TYPE_CHECKING:  # celery and redis take 0.4 s to import: only a client that talks to a farm pays for them
    from ocrfarm.farm.job_store import JobStore
    from ocrfarm.farm.submit import Submitter

_T = TypeVar("_T")


class Connections:
    """To the farm of the settings; threads may share them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open: dict[str, Any] = {}
        self._lock = RLock()

    @property
    def store(self) -> Store:
        """Where images and results are."""
        return self._get_or_open("store", lambda: open_store(self.settings.endpoints.store))

    @property
    def job_store(self) -> "JobStore":
        """The states of jobs."""
        return self._get_or_open("job_store", self._open_job_store)

    @property
    def submitter(self) -> "Submitter":
        """Where jobs are handed in."""
        return self._get_or_open("submitter", self._open_submitter)

    def close(self) -> None:
        """Close what is open; the next use opens it anew."""
        with self._lock:
            for name in ("submitter", "job_store"):
                if opened := self._open.pop(name, None):
                    opened.close()
            self._open.clear()

    def _open_job_store(self) -> "JobStore":
        from ocrfarm.farm.context import open_job_store

        return open_job_store(self.settings)

    def _open_submitter(self) -> "Submitter":
        from ocrfarm.farm.celery_app import make_app, setup_tracing
        from ocrfarm.farm.submit import open_submitter

        app = make_app(self.settings)
        setup_tracing(self.settings, "client")
        return open_submitter(self.settings, app, store=self.store)

    def _get_or_open(self, name: str, make: Callable[[], _T]) -> _T:
        with self._lock:
            if name not in self._open:
                self._open[name] = make()
            found: _T = self._open[name]
            return found


def connect(broker: str, store: str, *, settings: Settings | None) -> Connections:
    """Give connections to what is named, else to what the settings or the environment name; `SettingsError` without."""
    settings = settings or Settings.from_env(os.environ)
    endpoints = settings.endpoints
    endpoints = replace(endpoints, broker=broker or endpoints.broker, store=store or endpoints.store)
    if not endpoints.broker or not endpoints.store:
        advice = "`ocrfarm up` starts one here and prints both; in Python give broker= and store="
        raise SettingsError(f"which farm? Set OCRFARM_BROKER and OCRFARM_STORE: {advice}")
    return Connections(replace(settings, endpoints=endpoints))
