"""What a client has open: the store, the job states and the counter of one farm, each from its first use on."""

import importlib
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
    from ocrfarm.farm.progress import Progress
    from ocrfarm.farm.submit import Counter

_T = TypeVar("_T")


class Connections:
    """To the farm of the settings; threads may share them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open: dict[str, Any] = {}
        self._lock = RLock()

    @property
    def store(self) -> Store:
        """Where pictures and results are."""
        return self._once("store", lambda: open_store(self.settings.places.store))

    @property
    def progress(self) -> "Progress":
        """The states of jobs."""
        return self._once("progress", self._progress)

    @property
    def counter(self) -> "Counter":
        """Where jobs are handed in."""
        return self._once("counter", self._counter)

    def close(self) -> None:
        """Close what is open; the next use opens it anew."""
        with self._lock:
            for name in ("counter", "progress"):
                if opened := self._open.pop(name, None):
                    opened.close()
            self._open.clear()

    def _progress(self) -> "Progress":
        progress: Progress = part("services").open_progress(self.settings)
        return progress

    def _counter(self) -> "Counter":
        app = part("app").make_app(self.settings)
        part("traces").start(self.settings, "client")
        counter: Counter = part("submit").open_counter(self.settings, app, store=self.store)
        return counter

    def _once(self, name: str, make: Callable[[], _T]) -> _T:
        with self._lock:
            if name not in self._open:
                self._open[name] = make()
            found: _T = self._open[name]
            return found


def connect(broker: str, store: str, *, settings: Settings | None) -> Connections:
    """Give connections to what is named, else to what the settings or the environment name; `SettingsError` without."""
    settings = settings or Settings.from_env(os.environ)
    places = settings.places
    places = replace(places, broker=broker or places.broker, store=store or places.store)
    if not places.broker or not places.store:
        advice = "`ocrfarm up` starts one here and prints both; in Python give broker= and store="
        raise SettingsError(f"which farm? Set OCRFARM_BROKER and OCRFARM_STORE: {advice}")
    return Connections(replace(settings, places=places))


def part(name: str) -> Any:  # noqa: ANN401 - a module
    """Give a module of the farm, which is imported when it is needed."""
    return importlib.import_module(f"ocrfarm.farm.{name}")
