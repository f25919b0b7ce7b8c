"""ocrfarm worker split|recognize|stitch|...: runs one process of a farm until it is told to stop."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from ocrfarm.doctor import CheckContext
from ocrfarm.errors import OcrfarmError, SettingsError
from ocrfarm.farm import protocol
from ocrfarm.recognize import find_profile
from ocrfarm.settings import Settings
from ocrfarm.storage import open_store
from ocrfarm.worker import api, celery_worker, flower, metrics, preflight, recognize, webhooks

NOISY_LOGGERS = ("pyvips", "botocore")
"""Loggers that have something to say about every tile."""

CONTROL_QUEUES = {"split": protocol.SPLIT_QUEUE, "stitch": protocol.STITCH_QUEUE}


class HttpService(NamedTuple):
    """A process that answers HTTP, and where it listens unless it is told."""

    serve: Callable[..., int]
    address: str
    port: int


HTTP_SERVICES = {
    "flower": HttpService(flower.serve, "127.0.0.1", flower.PORT),
    "api": HttpService(api.serve, "127.0.0.1", api.PORT),
    "metrics": HttpService(metrics.serve, "0.0.0.0", metrics.PORT),  # asked from other machines; names and numbers only
}


def main(arguments: list[str]) -> int:
    """Run the worker that the arguments name; give the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    options = _build_parser().parse_args(arguments)
    try:
        return _run(Settings.from_env(os.environ), options)
    except OcrfarmError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _run(settings: Settings, options: argparse.Namespace) -> int:
    stages = list(dict.fromkeys(options.stages))
    name = options.name or "-".join(stages)
    service = HTTP_SERVICES.get(stages[0]) if len(stages) == 1 else None
    if not settings.endpoints.broker or not (settings.endpoints.store or service):
        raise SettingsError("a worker needs OCRFARM_BROKER (redis://...) and OCRFARM_STORE (s3://... or a folder)")
    if stages == ["webhooks"]:
        return webhooks.serve(settings, name=name)
    if service:
        return service.serve(settings, address=options.address or service.address, port=options.port or service.port)
    open_store(settings.endpoints.store)  # only to refuse a URL that makes no sense: children open their own
    if stages != ["recognize"] and not set(stages) <= CONTROL_QUEUES.keys():
        raise SettingsError(f"{' and '.join(stages)} cannot share a process; only split and stitch can")
    profile = find_profile(options.profile)
    processes = options.concurrency or (profile.runtime.processes if stages == ["recognize"] else 0) or 1
    preflight.check(CheckContext(settings, tuple(stages), profile, processes, quick=True), name=name)
    if stages == ["recognize"]:
        return recognize.serve(settings, profile, name=name, concurrency=processes)
    return celery_worker.run_control_worker(
        settings, [CONTROL_QUEUES[stage] for stage in stages], name=name, concurrency=processes
    )


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ocrfarm worker", description=__doc__)
    parser.add_argument("stages", nargs="+", choices=["split", "recognize", "stitch", *HTTP_SERVICES, "webhooks"])
    parser.add_argument("--profile", default="fast", help="recognize: the models to hold, and how they run")
    parser.add_argument("--concurrency", type=int, default=0, help="processes that work; 1, or as the profile says")
    parser.add_argument("--name", default="", help="names this worker among others on the same host")
    parser.add_argument("--address", default="", help="metrics: 0.0.0.0, flower and api: 127.0.0.1")
    parser.add_argument(
        "--port",
        type=int,
        default=0,
        help=", ".join(f"{name}: {service.port}" for name, service in HTTP_SERVICES.items()),
    )
    return parser
