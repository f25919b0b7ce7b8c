"""python -m workers split|recognize|stitch|...: runs one process of a farm until it is told to stop."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from ocrfarm.doctor import Case
from ocrfarm.errors import OcrfarmError, SettingsError
from ocrfarm.recognize import find_profile
from ocrfarm.settings import Settings
from ocrfarm.storage import open_store
from workers import api, fitness, flower, metrics, recognize, run, split, stitch, webhooks

NOISY = ("pyvips", "botocore")
"""Loggers that have something to say about every tile."""

CONTROL = {"split": split.QUEUE, "stitch": stitch.QUEUE}


class View(NamedTuple):
    """A process that answers HTTP, and where it listens unless it is told."""

    serve: Callable[..., int]
    address: str
    port: int


VIEWS = {
    "flower": View(flower.serve, "127.0.0.1", flower.PORT),
    "api": View(api.serve, "127.0.0.1", api.PORT),
    "metrics": View(metrics.serve, "0.0.0.0", metrics.PORT),  # asked from other machines; names and numbers only
}


def main(arguments: list[str]) -> int:
    """Run the worker that the arguments name; give the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    options = _parser().parse_args(arguments)
    try:
        return _serve(Settings.from_env(os.environ), options)
    except OcrfarmError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _serve(settings: Settings, options: argparse.Namespace) -> int:
    stages = list(dict.fromkeys(options.stages))
    name = options.name or "-".join(stages)
    view = VIEWS.get(stages[0]) if len(stages) == 1 else None
    if not settings.places.broker or not (settings.places.store or view):
        raise SettingsError("a worker needs OCRFARM_BROKER (redis://...) and OCRFARM_STORE (s3://... or a folder)")
    if stages == ["webhooks"]:
        return webhooks.serve(settings, name=name)
    if view:
        return view.serve(settings, address=options.address or view.address, port=options.port or view.port)
    open_store(settings.places.store)  # only to refuse a URL that makes no sense: children open their own
    if stages != ["recognize"] and not set(stages) <= CONTROL.keys():
        raise SettingsError(f"{' and '.join(stages)} cannot share a process; only split and stitch can")
    profile = find_profile(options.profile)
    processes = options.concurrency or (profile.runtime.processes if stages == ["recognize"] else 0) or 1
    fitness.check(Case(settings, tuple(stages), profile, processes, short=True), name=name)
    if stages == ["recognize"]:
        return recognize.serve(settings, profile, name=name, concurrency=processes)
    return run.control(settings, [CONTROL[stage] for stage in stages], name=name, concurrency=processes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("stages", nargs="+", choices=["split", "recognize", "stitch", *VIEWS, "webhooks"])
    parser.add_argument("--profile", default="fast", help="recognize: the models to hold, and how they run")
    parser.add_argument("--concurrency", type=int, default=0, help="processes that work; 1, or as the profile says")
    parser.add_argument("--name", default="", help="names this worker among others on the same host")
    parser.add_argument("--address", default="", help="metrics: 0.0.0.0, flower and api: 127.0.0.1")
    parser.add_argument(
        "--port", type=int, default=0, help=", ".join(f"{name}: {view.port}" for name, view in VIEWS.items())
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
