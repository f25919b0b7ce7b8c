"""Every setting, its default and the reason for it; the environment is read here and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ocrfarm.errors import SettingsError

ENV_PREFIX = "OCRFARM_"
BROKER_SCHEMES = ("redis", "rediss", "redis+socket")

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where things are; empty means: not set.

    broker: URL of the Redis or Valkey that carries messages and job states.
    store: URL or folder of the store that holds images and results.
    key_prefix: begins every Redis key, so that one server can be shared and an ACL can be limited to it.
    models_dir, cache_dir: folders with weights: the user's own (never written to), and the one that they are fetched
        into.
    health_dir: folder that workers put their ready and heartbeat files in.
    otlp_endpoint: URL of an OpenTelemetry collector (OTLP over HTTP, http://host:4318); needs ocrfarm[traces].
    """

    broker: str = ""
    store: str = ""
    key_prefix: str = "ocrfarm:"
    models_dir: str = ""
    cache_dir: str = ""
    health_dir: str = ""
    otlp_endpoint: str = ""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an image may claim before anything is decoded; 0: as `ocrfarm.image.Limits` has it, with the reasons.

    limit_pixels: of one page. limit_side: pixels of one side. limit_bytes: of the file. limit_pages: of one file.
    limit_buffered_pixels: of a page that its format makes the decoder hold as a whole.
    """

    limit_pixels: int = 0
    limit_side: int = 0
    limit_bytes: int = 0
    limit_pages: int = 0
    limit_buffered_pixels: int = 0

    @property
    def overrides(self) -> dict[str, int]:
        """The limits that were set, named as `ocrfarm.image.Limits` names them."""
        values = {item.name.removeprefix("limit_"): getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """How work is cut, and how long it may take.

    batch_pixels: of one message; 32 megapixels is about 8 tiles, 5 to 30 seconds on a CPU and 1 on a GPU, against
        10 milliseconds that a message costs.
    max_attempts: how often a tile may take its worker down with it before it is given up.
    batch_time_limit: hard limit of any batch, whose own limit comes from its pixels and its model.
    job_time_limit: hard limit of splitting or stitching one job.
    shutdown_timeout: what a running batch gets to end after SIGTERM before it is put back in its queue.
    model_load_timeout: what a worker gets to load its models; a replacement for a dead one is killed when it takes
        longer.
    job_ttl: how long the broker remembers a job after its last change.
    """

    batch_pixels: int = 32_000_000
    max_attempts: int = 3
    batch_time_limit: int = 240
    job_time_limit: int = 1_740
    shutdown_timeout: int = 30
    model_load_timeout: int = 600
    job_ttl: int = 7 * _DAY


@dataclass(frozen=True, slots=True)
class Retention:
    """How long after its end a job stays in the store and the broker; then both forget it. 0: for ever.

    retention_complete, retention_partial: seconds that results can be fetched; whoever wants them longer copies them.
    retention_failed, retention_cancelled: seconds, shorter because there is only the image to keep.
    """

    retention_complete: int = 30 * _DAY
    retention_partial: int = 30 * _DAY
    retention_failed: int = 7 * _DAY
    retention_cancelled: int = _DAY


@dataclass(frozen=True, slots=True)
class Admission:
    """How much the farm takes on, and how it looks after what it has taken.

    max_active_jobs, max_pending_tiles: unfinished jobs and unread tiles from which on a new job is refused: 1,000 jobs
        are 4 MB of the broker's memory, and 200,000 tiles some 25,000 messages of 1.3 kB.
    reconcile_interval: between two looks for jobs that lost a message.
    stalled_timeout: a job without progress and without a message in any queue for so long is taken up again.
    max_requeues: how often in a row that may bring no progress before the job fails.
    no_worker_timeout: how long a job waits for a worker with its recognizer before it fails; 0: for ever.
    recognize_memory_mb: a recognizer's child that had more memory than this is replaced after its batch, and on a CPU
        it gets no more than twice as much; 4 GB are three times what the largest built-in profile takes.
    split_memory_mb: memory that splitting an image may take; the limits on images allow 1.3 GB.
    """

    max_active_jobs: int = 1_000
    max_pending_tiles: int = 200_000
    reconcile_interval: int = 60
    stalled_timeout: int = 120
    max_requeues: int = 5
    no_worker_timeout: int = 0
    recognize_memory_mb: int = 4_000
    split_memory_mb: int = 4_000


@dataclass(frozen=True, slots=True)
class Security:
    """What is let in, and who.

    flower_password: of the user `ocrfarm` of the dashboard, which does not start without one.
    flower_url: where people find it; the command line then shows a link for each job.
    allow_url_sources: 1 lets the client fetch https:// sources; 0 refuses them.
    url_max_bytes, url_timeout: what such a source may take at most.
    webhook_secret: signs what is told of a job's end: whsec_ and 24 to 64 bytes by chance as base64.
    """

    flower_password: str = ""
    flower_url: str = ""
    allow_url_sources: int = 0
    url_max_bytes: int = 2**30
    url_timeout: int = 120
    webhook_secret: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """Who may use the HTTP API, and how much.

    api_keys: owner:SHA-256 of a key, commas between them. api_keys_file: a file that has one a line.
    api_max_upload_bytes, api_upload_timeout: what an upload may take at most.
    api_rate_limit: requests a minute of one owner.
    api_max_concurrent: uploads and streams of events of one owner at the same time.
    api_max_jobs: unfinished jobs of one owner; half of what the farm takes (`Admission.max_active_jobs`) is left to the
        others.
    """

    api_keys: str = ""
    api_keys_file: str = ""
    api_max_upload_bytes: int = 2**30
    api_upload_timeout: int = 3_600
    api_rate_limit: int = 600
    api_max_concurrent: int = 20
    api_max_jobs: int = 500


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; each field of a group is read from OCRFARM_ and its name in capitals."""

    endpoints: Endpoints = field(default_factory=Endpoints)
    limits: ImageLimits = field(default_factory=ImageLimits)
    task_limits: TaskLimits = field(default_factory=TaskLimits)
    retention: Retention = field(default_factory=Retention)
    admission: Admission = field(default_factory=Admission)
    security: Security = field(default_factory=Security)
    api: Api = field(default_factory=Api)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the OCRFARM_ variables; `SettingsError` for an unknown name or an impossible value."""
        given = {name: value for name, value in environ.items() if name.startswith(ENV_PREFIX)}
        for name in given.keys() - _VARIABLES.keys():
            near = get_close_matches(name, _VARIABLES, n=3) or sorted(_VARIABLES)
            raise SettingsError(f"there is no setting {name}; did you mean {', '.join(near)}?")
        groups: dict[str, dict[str, Any]] = {group.name: {} for group in fields(cls)}
        for name, value in given.items():
            group, key, kind = _VARIABLES[name]
            groups[group][key] = _parse(name, value, kind)
        settings = cls(**{name: kind(**groups[name]) for name, kind in _GROUPS.items()})
        _check_broker(settings.endpoints.broker)
        return settings

    def to_env(self) -> dict[str, str]:
        """Give the variables that `from_env` makes the same settings of."""
        values = {name: getattr(getattr(self, group), key) for name, (group, key, _) in _VARIABLES.items()}
        return {name: str(value) for name, value in values.items() if value or name in _ZERO_ALLOWED}

    @property
    def cache_path(self) -> Path:
        """Where fetched weights are kept."""
        return Path(self.endpoints.cache_dir or "~/.cache/ocrfarm/models").expanduser()

    @property
    def models_path(self) -> Path | None:
        """The user's own weights, where there are any."""
        return Path(self.endpoints.models_dir).expanduser() if self.endpoints.models_dir else None


def is_colour_disabled(environ: Mapping[str, str]) -> bool:
    """Say whether the user wants none, by the variable on which programs have agreed (no-color.org)."""
    return bool(environ.get("NO_COLOR"))


_GROUPS: dict[str, type[Any]] = {
    "endpoints": Endpoints,
    "limits": ImageLimits,
    "task_limits": TaskLimits,
    "retention": Retention,
    "admission": Admission,
    "security": Security,
    "api": Api,
}
_VARIABLES: dict[str, tuple[str, str, Any]] = {
    f"{ENV_PREFIX}{item.name.upper()}": (group, item.name, item.type)
    for group, kind in _GROUPS.items()
    for item in fields(kind)
}
"""Variable -> group, field and type."""


_ZERO_ALLOWED = {f"{ENV_PREFIX}{item.name.upper()}" for item in fields(Retention)} | {
    f"{ENV_PREFIX}NO_WORKER_TIMEOUT",
    f"{ENV_PREFIX}ALLOW_URL_SOURCES",
}
"""0 means for ever, or no."""


def _parse(name: str, value: str, kind: type[int] | type[str]) -> int | str:
    if kind is str:
        return value
    try:
        number = int(value.replace("_", ""))
    except ValueError:
        number = -1
    least = 0 if name in _ZERO_ALLOWED else 1
    if number < least:
        raise SettingsError(f"{name}={value!r} must be a whole number of {least} or more")
    return number


def _check_broker(url: str) -> None:
    scheme = urlsplit(url).scheme
    if url and scheme not in BROKER_SCHEMES:
        raise SettingsError(
            f"{ENV_PREFIX}BROKER begins with {scheme or url!r}; it must be {'://, '.join(BROKER_SCHEMES)}://..."
        )
