"""Run one process of a farm until SIGTERM or SIGINT stops it.

split and stitch may share a process; recognize loads the models of one profile and reads their queue; api, webhooks,
metrics and flower each have a process of their own.
"""

import logging
import os
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from ocrfarm.doctor import CheckContext
from ocrfarm.doctor.finding import Role
from ocrfarm.errors import OcrfarmError, SettingsError
from ocrfarm.farm import protocol
from ocrfarm.log_output import configure_logging
from ocrfarm.recognize import find_profile
from ocrfarm.settings import Settings
from ocrfarm.storage import open_store
from ocrfarm.worker import api, celery_worker, flower, metrics, preflight, webhooks

_log = logging.getLogger(__name__)

CONTROL_QUEUES = {"split": protocol.SPLIT_QUEUE, "stitch": protocol.STITCH_QUEUE}
"""Role -> queue, of the roles that load no models."""


class HttpService(NamedTuple):
    """A role that answers HTTP requests, with the address and port at which it listens by default."""

    serve: Callable[..., int]
    address: str
    port: int


HTTP_SERVICES = {
    "flower": HttpService(flower.serve, "127.0.0.1", flower.PORT),
    "api": HttpService(api.serve, "127.0.0.1", api.PORT),
    "metrics": HttpService(metrics.serve, "0.0.0.0", metrics.PORT),  # Prometheus asks from another machine
}


class WorkerOptions(NamedTuple):
    """The options of `ocrfarm worker`.

    Attributes:
        roles: What the worker does; only split and stitch can share a process.
        profile: Name or path of the recognizer's profile.
        processes: Number of child processes; 0: one, or as many as the profile of a recognizer says.
        name: Name of the worker; "" stands for its roles and its process id, so that no two workers of a host have
            the same name.
        address: Address at which an HTTP service listens; "" stands for the default of the role.
        port: Port at which an HTTP service listens; 0 stands for the default of the role.
    """

    roles: tuple[str, ...]
    profile: str = "fast"
    processes: int = 0
    name: str = ""
    address: str = ""
    port: int = 0


def run(options: WorkerOptions) -> int:
    """Run a worker until a signal stops it; return the exit code, after one line in the log if the worker failed."""
    configure_logging("text", "info")  # until the settings are known
    try:
        settings = Settings.from_env(os.environ)
        name = options.name or f"{'-'.join(dict.fromkeys(options.roles))}-{os.getpid()}"
        _configure_logging(settings, name)
        return _run_role(settings, options, name)
    except OcrfarmError as error:
        _log.critical("%s", error)
        return error.exit_code


def _configure_logging(settings: Settings, name: str) -> None:
    chosen, worker = settings.logging, f"{name}@{socket.gethostname()}"
    configure_logging(chosen.log_format, chosen.log_level, worker=worker, secrets=settings.secrets)


def _run_role(settings: Settings, options: WorkerOptions, name: str) -> int:
    roles: list[Any] = list(dict.fromkeys(options.roles))
    service = HTTP_SERVICES.get(roles[0]) if len(roles) == 1 else None
    if not settings.endpoints.broker or not (settings.endpoints.store or service):
        raise SettingsError("a worker needs OCRFARM_BROKER (redis://...) and OCRFARM_STORE (s3://... or a folder)")
    if service:
        return service.serve(settings, address=options.address or service.address, port=options.port or service.port)
    if roles == ["webhooks"]:
        return webhooks.serve(settings, name=name)
    return _run_celery_worker(settings, roles, name=name, options=options)


def _run_celery_worker(settings: Settings, roles: list[Role], *, name: str, options: WorkerOptions) -> int:
    open_store(settings.endpoints.store)  # only to reject an invalid URL: each child opens its own
    recognizes = roles == ["recognize"]
    if not recognizes and not set(roles) <= CONTROL_QUEUES.keys():
        raise SettingsError(f"{' and '.join(roles)} cannot share a process; only split and stitch can")
    profile = find_profile(options.profile)
    processes = options.processes or (profile.runtime.processes if recognizes else 0) or 1
    preflight.check(CheckContext(settings, tuple(roles), profile, processes, quick=True), name=name)
    if recognizes:
        return celery_worker.run_recognizer(settings, profile, name=name, concurrency=processes)
    queues = [CONTROL_QUEUES[role] for role in roles]
    return celery_worker.run_control_worker(settings, queues, name=name, concurrency=processes)
