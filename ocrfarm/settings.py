"""Every setting, its default and the reason for it; the environment is read here and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ocrfarm.errors import SettingsError

PREFIX = "OCRFARM_"
BROKERS = ("redis", "rediss", "redis+socket")

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are; empty means: not set.

    broker: URL of the Redis or Valkey that carries messages and job states.
    store: URL or folder of the store that holds pictures and results.
    prefix: begins every Redis key, so that one server can be shared and an ACL can be limited to it.
    models, cache: folders with weights: the user's own (never written to), and the one that weights are fetched into.
    health: folder that workers put their ready and heartbeat files in.
    """

    broker: str = ""
    store: str = ""
    prefix: str = "ocrfarm:"
    models: str = ""
    cache: str = ""
    health: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may claim before anything is decoded; 0: as `ocrfarm.image.Limits` has it, with the reasons.

    limit_pixels: of one page. limit_side: pixels of one side. limit_bytes: of the file. limit_pages: of one file.
    limit_buffered_pixels: of a page that its format makes the decoder hold as a whole.
    """

    limit_pixels: int = 0
    limit_side: int = 0
    limit_bytes: int = 0
    limit_pages: int = 0
    limit_buffered_pixels: int = 0

    @property
    def given(self) -> dict[str, int]:
        """The limits that were set, named as `ocrfarm.image.Limits` names them."""
        values = {item.name.removeprefix("limit_"): getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class Work:
    """How work is cut, and how long it may take.

    batch_pixels: of one message; 32 megapixels is about 8 tiles, 5 to 30 seconds on a CPU and 1 on a GPU, against
        10 milliseconds that a message costs.
    attempts: how often a tile may take its worker down with it before it is given up.
    recognize_seconds: hard limit of a batch; with shutdown_seconds it stays under the 300 that a lost batch waits for.
    split_seconds: hard limit of splitting or stitching one job.
    shutdown_seconds: what a running batch gets to end after SIGTERM before it is put back in its queue.
    load_seconds: what a worker gets to load its models; a replacement for a dead one is killed when it takes longer.
    keep_seconds: how long the broker remembers a job after its last change.
    """

    batch_pixels: int = 32_000_000
    attempts: int = 3
    recognize_seconds: int = 240
    split_seconds: int = 1_740
    shutdown_seconds: int = 30
    load_seconds: int = 600
    keep_seconds: int = 7 * _DAY


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; each field of a group is read from OCRFARM_ and its name in capitals."""

    places: Places = field(default_factory=Places)
    limits: Limits = field(default_factory=Limits)
    work: Work = field(default_factory=Work)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the OCRFARM_ variables; `SettingsError` for an unknown name or an impossible value."""
        given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        for name in given.keys() - _KNOWN.keys():
            near = get_close_matches(name, _KNOWN, n=3) or sorted(_KNOWN)
            raise SettingsError(f"there is no setting {name}; did you mean {', '.join(near)}?")
        groups: dict[str, dict[str, Any]] = {group.name: {} for group in fields(cls)}
        for name, value in given.items():
            group, key, kind = _KNOWN[name]
            groups[group][key] = _parse(name, value, kind)
        settings = cls(Places(**groups["places"]), Limits(**groups["limits"]), Work(**groups["work"]))
        _check_broker(settings.places.broker)
        return settings

    def to_env(self) -> dict[str, str]:
        """Give the variables that `from_env` makes the same settings of."""
        values = {name: getattr(getattr(self, group), key) for name, (group, key, _) in _KNOWN.items()}
        return {name: str(value) for name, value in values.items() if value}

    @property
    def cache_folder(self) -> Path:
        """Where fetched weights are kept."""
        return Path(self.places.cache or "~/.cache/ocrfarm/models").expanduser()

    @property
    def models_folder(self) -> Path | None:
        """The user's own weights, where there are any."""
        return Path(self.places.models).expanduser() if self.places.models else None


_KNOWN: dict[str, tuple[str, str, Any]] = {
    f"{PREFIX}{item.name.upper()}": (group, item.name, item.type)
    for group, kind in (("places", Places), ("limits", Limits), ("work", Work))
    for item in fields(kind)
}
"""Variable -> group, field and type."""


def _parse(name: str, value: str, kind: type[int] | type[str]) -> int | str:
    if kind is str:
        return value
    try:
        number = int(value.replace("_", ""))
    except ValueError:
        number = 0
    if number < 1:
        raise SettingsError(f"{name}={value!r} must be a whole number of 1 or more")
    return number


def _check_broker(url: str) -> None:
    scheme = urlsplit(url).scheme
    if url and scheme not in BROKERS:
        raise SettingsError(f"{PREFIX}BROKER begins with {scheme or url!r}; it must be {'://, '.join(BROKERS)}://...")
