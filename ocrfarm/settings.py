"""Every setting, its default and the reason for it; no other module reads the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ocrfarm.errors import SettingsError
from ocrfarm.log_output import FORMATS, LEVELS

ENV_PREFIX = "OCRFARM_"
BROKER_SCHEMES = ("redis", "rediss", "redis+socket")

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses of services and folders; an empty text means that the setting is not set.

    Attributes:
        broker: URL of the Redis or Valkey server that carries messages and job states.
        store: URL or folder of the store that holds images and results.
        key_prefix: Prefix of every Redis key, so that one server can be shared and an ACL can be limited to it.
        models_dir: Folder with the user's own weights; it is never written to.
        cache_dir: Folder that weights are downloaded to.
        health_dir: Folder in which workers write their ready and heartbeat files.
        otlp_endpoint: URL of an OpenTelemetry collector (OTLP over HTTP, http://host:4318); needs ocrfarm[tracing].
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
    """Limits on what the header of an image may claim; 0 means the default of `ocrfarm.image.Limits`.

    Attributes:
        limit_pixels: Maximum number of pixels of one page.
        limit_side: Maximum width and height of one page, in pixels.
        limit_bytes: Maximum size of the file, in bytes.
        limit_pages: Maximum number of pages of one file.
        limit_buffered_pixels: Maximum number of pixels of a page that must be decoded as a whole.
        limit_total_pixels: Maximum number of pixels of all pages of a small file.
    """

    limit_pixels: int = 0
    limit_side: int = 0
    limit_bytes: int = 0
    limit_pages: int = 0
    limit_buffered_pixels: int = 0
    limit_total_pixels: int = 0

    @property
    def overrides(self) -> dict[str, int]:
        """The limits that are set, by the names of the fields of `ocrfarm.image.Limits`."""
        values = {item.name.removeprefix("limit_"): getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """Size and time limits of tasks; times are in seconds.

    Attributes:
        batch_pixels: Maximum total number of pixels of the tiles in one task message. 32 megapixels are about 8 tiles,
            which take 5 to 30 seconds on a CPU and 1 second on a GPU; a message costs 10 milliseconds.
        max_attempts: How often a tile may be started, if its worker dies each time, before the tile fails.
        batch_time_limit: Hard time limit of any batch; the limit of a batch is derived from its pixels and its model.
        job_time_limit: Hard time limit of splitting or stitching one job.
        shutdown_timeout: Time for a running tile, split or stitch to finish after SIGTERM before it is requeued.
        model_load_timeout: Time for a worker to load its models; a replacement process that takes longer is killed.
        job_ttl: How long the broker keeps a job after its last change.
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
    """How long the store and the broker keep a job after its end, in seconds; 0 keeps it for ever.

    Attributes:
        retention_complete: For jobs with a complete result.
        retention_partial: For jobs with a partial result.
        retention_failed: For failed jobs; shorter, because only the image is kept.
        retention_cancelled: For cancelled jobs.
    """

    retention_complete: int = 30 * _DAY
    retention_partial: int = 30 * _DAY
    retention_failed: int = 7 * _DAY
    retention_cancelled: int = _DAY


@dataclass(frozen=True, slots=True)
class Admission:
    """How much work the farm accepts, and how it recovers jobs; times are in seconds.

    Attributes:
        max_active_jobs: Number of unfinished jobs at which new jobs are refused; 1,000 jobs take 4 MB of the broker's
            memory.
        max_pending_tiles: Number of unread tiles at which new jobs are refused; 200,000 tiles are about 25,000 messages
            of 1.3 kB.
        reconcile_interval: Interval between two searches for jobs that lost a message.
        stalled_timeout: A job that makes no progress and has no message in any queue for this long is requeued.
        max_requeues: How often in a row a job is requeued without progress before it fails.
        no_worker_timeout: How long a job waits for a worker with its recognizer before it fails; 0 waits for ever.
        recognize_memory_mb: A recognizer process that used more memory than this is replaced after its batch; on a CPU
            twice this value is a hard limit. 4 GB are three times the memory of the largest built-in profile.
        split_memory_mb: Maximum memory for splitting an image; the limits on images allow 1.3 GB.
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
    """Access to the dashboard, URL sources and webhooks.

    Attributes:
        flower_password: Password of the user `ocrfarm` of the dashboard, which does not start without one.
        flower_url: Public URL of the dashboard; if it is set, the command line prints a link for each job.
        allow_url_sources: 1 allows https:// sources, which the client downloads; 0 refuses them.
        url_max_bytes: Maximum size of such a source, in bytes.
        url_timeout: Maximum time to download it, in seconds.
        webhook_secret: Key that signs webhooks: whsec_ followed by 24 to 64 random bytes in base64.
        webhook_allowed_hosts: Comma-separated list of hosts that webhooks may reach although they are not public, also
            by http:// and on other ports: names, *.domain and networks such as 10.1.0.0/16, each with an optional
            :port.
    """

    flower_password: str = ""
    flower_url: str = ""
    allow_url_sources: int = 0
    url_max_bytes: int = 2**30
    url_timeout: int = 120
    webhook_secret: str = ""
    webhook_allowed_hosts: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """Keys and limits of the HTTP API. Limits on uploads, requests and jobs apply to each owner of a key.

    Attributes:
        api_keys: Comma-separated list of owner:SHA-256 of the key.
        api_keys_file: File with one such entry per line.
        api_max_upload_bytes: Maximum size of an upload, in bytes.
        api_upload_timeout: Maximum time for an upload, in seconds.
        api_rate_limit: Maximum number of requests per minute.
        api_max_concurrent: Maximum number of simultaneous uploads and event streams.
        api_max_jobs: Maximum number of unfinished jobs; the default is half of `Admission.max_active_jobs`, so that
            one owner cannot fill the farm.
        api_max_connections: Maximum number of open connections; beyond it, idle ones are closed. An idle connection
            takes 20 kB of memory.
        api_header_timeout: Maximum time for the head of a request, and between two requests, in seconds.
        api_metrics_port: TCP port of the API's own metrics for Prometheus; 0 serves none.
        api_sources: Comma-separated list of s3://bucket/prefix/ from which the API may submit objects, each for
            all owners or, as owner:s3://bucket/prefix/, for one; if it is empty, the API refuses s3:// sources.
    """

    api_keys: str = ""
    api_keys_file: str = ""
    api_max_upload_bytes: int = 2**30
    api_upload_timeout: int = 3_600
    api_rate_limit: int = 600
    api_max_concurrent: int = 20
    api_max_jobs: int = 500
    api_max_connections: int = 1_000
    api_header_timeout: int = 10
    api_metrics_port: int = 0
    api_sources: str = ""


@dataclass(frozen=True, slots=True)
class Logging:
    """What the processes of a farm log.

    Attributes:
        log_format: text for people; json writes one JSON object a line, for programs that collect logs.
        log_level: The least level that is written: debug, info, warning or error. Info has two lines for each message.
    """

    log_format: str = "text"
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, in groups; each field is read from the variable OCRFARM_ followed by its name in capitals.

    Attributes:
        endpoints: Addresses of services and folders.
        limits: Limits on images.
        task_limits: Size and time limits of tasks.
        retention: How long jobs are kept.
        admission: How much work is accepted.
        security: Dashboard, URL sources and webhooks.
        api: The HTTP API.
        logging: What processes log.

    Examples:
        >>> settings = Settings.from_env({"OCRFARM_BROKER": "redis://localhost", "OCRFARM_MAX_ATTEMPTS": "5"})
        >>> settings.task_limits.max_attempts
        5
        >>> settings.to_env()["OCRFARM_BROKER"]
        'redis://localhost'
    """

    endpoints: Endpoints = field(default_factory=Endpoints)
    limits: ImageLimits = field(default_factory=ImageLimits)
    task_limits: TaskLimits = field(default_factory=TaskLimits)
    retention: Retention = field(default_factory=Retention)
    admission: Admission = field(default_factory=Admission)
    security: Security = field(default_factory=Security)
    api: Api = field(default_factory=Api)
    logging: Logging = field(default_factory=Logging)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Create the settings from the OCRFARM_ variables of an environment.

        Raises:
            SettingsError: A variable is unknown or its value is invalid.
        """
        variables = {name: value for name, value in environ.items() if name.startswith(ENV_PREFIX)}
        for name in variables.keys() - _VARIABLES.keys():
            near = get_close_matches(name, _VARIABLES, n=3) or sorted(_VARIABLES)
            raise SettingsError(f"there is no setting {name}; did you mean {', '.join(near)}?")
        groups: dict[str, dict[str, Any]] = {group.name: {} for group in fields(cls)}
        for name, value in variables.items():
            group, key, kind = _VARIABLES[name]
            groups[group][key] = _parse(name, value, kind)
        settings = cls(**{name: kind(**groups[name]) for name, kind in _GROUPS.items()})
        _check_broker(settings.endpoints.broker)
        return settings

    def to_env(self) -> dict[str, str]:
        """Return the variables from which `from_env` creates the same settings."""
        values = {name: getattr(getattr(self, group), key) for name, (group, key, _) in _VARIABLES.items()}
        return {name: str(value) for name, value in values.items() if value or name in _ZERO_ALLOWED}

    @property
    def cache_path(self) -> Path:
        """Folder for downloaded weights."""
        return Path(self.endpoints.cache_dir or "~/.cache/ocrfarm/models").expanduser()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The settings that no log may show; a password in the broker's URL is removed from every URL."""
        password = unquote(urlsplit(self.endpoints.broker).password or "")
        return (self.security.flower_password, self.security.webhook_secret, password)

    @property
    def models_path(self) -> Path | None:
        """Folder with the user's own weights, or None."""
        return Path(self.endpoints.models_dir).expanduser() if self.endpoints.models_dir else None


def is_colour_disabled(environ: Mapping[str, str]) -> bool:
    """Return whether the user wants output without colour, by the convention of no-color.org."""
    return bool(environ.get("NO_COLOR"))


_GROUPS: dict[str, type[Any]] = {
    "endpoints": Endpoints,
    "limits": ImageLimits,
    "task_limits": TaskLimits,
    "retention": Retention,
    "admission": Admission,
    "security": Security,
    "api": Api,
    "logging": Logging,
}
_VARIABLES: dict[str, tuple[str, str, Any]] = {
    f"{ENV_PREFIX}{item.name.upper()}": (group, item.name, item.type)
    for group, kind in _GROUPS.items()
    for item in fields(kind)
}
"""Variable -> (group, field, type)."""


_ZERO_ALLOWED = {f"{ENV_PREFIX}{item.name.upper()}" for item in fields(Retention)} | {
    f"{ENV_PREFIX}NO_WORKER_TIMEOUT",
    f"{ENV_PREFIX}ALLOW_URL_SOURCES",
    f"{ENV_PREFIX}API_METRICS_PORT",
}
"""Settings whose value may be 0, which means "for ever" or "no"."""

_CHOICES = {f"{ENV_PREFIX}LOG_FORMAT": FORMATS, f"{ENV_PREFIX}LOG_LEVEL": LEVELS}
"""Settings that have one of a few values."""


def _parse(name: str, value: str, kind: type[int] | type[str]) -> int | str:
    if kind is str:
        return _parse_choice(name, value) if name in _CHOICES else value
    try:
        number = int(value.replace("_", ""))
    except ValueError:
        number = -1
    least = 0 if name in _ZERO_ALLOWED else 1
    if number < least:
        raise SettingsError(f"{name}={value!r} must be a whole number, at least {least}")
    return number


def _parse_choice(name: str, value: str) -> str:
    if value.lower() not in _CHOICES[name]:
        raise SettingsError(f"{name}={value!r} must be {' or '.join(_CHOICES[name])}")
    return value.lower()


def _check_broker(url: str) -> None:
    scheme = urlsplit(url).scheme
    if url and scheme not in BROKER_SCHEMES:
        raise SettingsError(
            f"{ENV_PREFIX}BROKER starts with {scheme or url!r}; it must start with {'://, '.join(BROKER_SCHEMES)}://"
        )
