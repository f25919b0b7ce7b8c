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
    traces: URL of an OpenTelemetry collector (OTLP over HTTP, http://host:4318); needs ocrfarm[traces].
    """

    broker: str = ""
    store: str = ""
    prefix: str = "ocrfarm:"
    models: str = ""
    cache: str = ""
    health: str = ""
    traces: str = ""


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
    recognize_seconds: hard limit of any batch, whose own limit comes from its pixels and its model.
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
class Keep:
    """How long after its end a job stays in the store and the broker; then both forget it. 0: for ever.

    keep_complete, keep_partial: seconds that results can be fetched; whoever wants them longer copies them.
    keep_failed, keep_cancelled: seconds, shorter because there is only the picture to keep.
    """

    keep_complete: int = 30 * _DAY
    keep_partial: int = 30 * _DAY
    keep_failed: int = 7 * _DAY
    keep_cancelled: int = _DAY


@dataclass(frozen=True, slots=True)
class Load:
    """How much the farm takes on, and how it looks after what it has taken.

    most_jobs, most_tiles: unfinished jobs and unread tiles from which on a new job is refused: 1,000 jobs are 4 MB of
        the broker's memory, and 200,000 tiles some 25,000 messages of 1.3 kB.
    reconcile_seconds: between two looks for jobs that lost a message.
    stuck_seconds: a job without progress and without a message in any queue for so long is taken up again.
    revivals: how often in a row that may bring no progress before the job fails.
    unread_seconds: how long a job waits for a worker with its recognizer before it fails; 0: for ever.
    recognize_megabytes: a recognizer's child that had more memory than this is replaced after its batch, and on a CPU
        it gets no more than twice as much; 4 GB are three times what the largest built-in profile takes.
    split_megabytes: memory that splitting a picture may take; the limits on pictures allow 1.3 GB.
    """

    most_jobs: int = 1_000
    most_tiles: int = 200_000
    reconcile_seconds: int = 60
    stuck_seconds: int = 120
    revivals: int = 5
    unread_seconds: int = 0
    recognize_megabytes: int = 4_000
    split_megabytes: int = 4_000


@dataclass(frozen=True, slots=True)
class Access:
    """What is let in, and who.

    flower_password: of the user `ocrfarm` of the dashboard, which does not start without one.
    flower_url: where people find it; the command line then shows a link for each job.
    url_sources: 1 lets the client fetch https:// sources; 0 refuses them.
    url_bytes, url_seconds: what such a source may take at most.
    webhook_secret: signs what is told of a job's end: whsec_ and 24 to 64 bytes by chance as base64.
    """

    flower_password: str = ""
    flower_url: str = ""
    url_sources: int = 0
    url_bytes: int = 2**30
    url_seconds: int = 120
    webhook_secret: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """Who may use the HTTP API, and how much.

    api_keys: owner:SHA-256 of a key, commas between them. api_keys_file: a file that has one a line.
    api_bytes, api_seconds: what an upload may take at most.
    api_rate: requests a minute of one owner. api_open: uploads and streams of events of one owner at the same time.
    api_jobs: unfinished jobs of one owner; half of what the farm takes (`Load.most_jobs`) is left to the others.
    """

    api_keys: str = ""
    api_keys_file: str = ""
    api_bytes: int = 2**30
    api_seconds: int = 3_600
    api_rate: int = 600
    api_open: int = 20
    api_jobs: int = 500


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; each field of a group is read from OCRFARM_ and its name in capitals."""

    places: Places = field(default_factory=Places)
    limits: Limits = field(default_factory=Limits)
    work: Work = field(default_factory=Work)
    keep: Keep = field(default_factory=Keep)
    load: Load = field(default_factory=Load)
    access: Access = field(default_factory=Access)
    api: Api = field(default_factory=Api)

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
        settings = cls(**{name: kind(**groups[name]) for name, kind in _GROUPS.items()})
        _check_broker(settings.places.broker)
        return settings

    def to_env(self) -> dict[str, str]:
        """Give the variables that `from_env` makes the same settings of."""
        values = {name: getattr(getattr(self, group), key) for name, (group, key, _) in _KNOWN.items()}
        return {name: str(value) for name, value in values.items() if value or name in _MAY_BE_ZERO}

    @property
    def cache_folder(self) -> Path:
        """Where fetched weights are kept."""
        return Path(self.places.cache or "~/.cache/ocrfarm/models").expanduser()

    @property
    def models_folder(self) -> Path | None:
        """The user's own weights, where there are any."""
        return Path(self.places.models).expanduser() if self.places.models else None


def no_colour(environ: Mapping[str, str]) -> bool:
    """Say whether the user wants none, by the variable on which programs have agreed (no-color.org)."""
    return bool(environ.get("NO_COLOR"))


_GROUPS: dict[str, type[Any]] = {
    "places": Places,
    "limits": Limits,
    "work": Work,
    "keep": Keep,
    "load": Load,
    "access": Access,
    "api": Api,
}
_KNOWN: dict[str, tuple[str, str, Any]] = {
    f"{PREFIX}{item.name.upper()}": (group, item.name, item.type)
    for group, kind in _GROUPS.items()
    for item in fields(kind)
}
"""Variable -> group, field and type."""


_MAY_BE_ZERO = {f"{PREFIX}{item.name.upper()}" for item in fields(Keep)} | {
    f"{PREFIX}UNREAD_SECONDS",
    f"{PREFIX}URL_SOURCES",
}
"""0 means for ever, or no."""


def _parse(name: str, value: str, kind: type[int] | type[str]) -> int | str:
    if kind is str:
        return value
    try:
        number = int(value.replace("_", ""))
    except ValueError:
        number = -1
    least = 0 if name in _MAY_BE_ZERO else 1
    if number < least:
        raise SettingsError(f"{name}={value!r} must be a whole number of {least} or more")
    return number


def _check_broker(url: str) -> None:
    scheme = urlsplit(url).scheme
    if url and scheme not in BROKERS:
        raise SettingsError(f"{PREFIX}BROKER begins with {scheme or url!r}; it must be {'://, '.join(BROKERS)}://...")
