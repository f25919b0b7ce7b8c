"""`ocrfarm up`: a farm on this machine that stays."""

import importlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocrfarm.cli.output import tasks_url
from ocrfarm.client import Client
from ocrfarm.recognize import find_profile
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.local import EmbeddedFarm

_FLOWER_PORT = 5555
"""Flower's own default."""

_JOBS_PORT = 5556

_LOOK_SECONDS = 1.0
"""How often it is looked whether every process still lives."""


@click.command(short_help="Start a farm on this machine, until Ctrl-C.")
@click.option("--profile", default="fast", show_default=True, help="fast, accurate, mixed, cascade, or a .toml file.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("ocrfarm-data"), show_default=True)
@click.option("--flower-port", default=_FLOWER_PORT, show_default=True, help="Where Flower listens; 0: nowhere.")
@click.option("--jobs-port", default=_JOBS_PORT, show_default=True, help="Where the jobs page is; 0: nowhere.")
def up(profile: str, folder: Path, *, flower_port: int, jobs_port: int) -> None:
    """Start a farm on this machine and keep it until Ctrl-C; jobs and results stay in the folder."""
    local = importlib.import_module("ocrfarm.farm.local")
    settings = Settings.from_env(os.environ)
    shape = local.machine_shape(flower_port, runtime=find_profile(profile).runtime)
    farm = local.EmbeddedFarm(profile, folder=folder, shape=shape, base=settings)
    with farm, _jobs_page(farm, folder, flower_port=flower_port, port=jobs_port) as address:
        places = farm.settings.places
        click.echo(f"export OCRFARM_BROKER={places.broker}\nexport OCRFARM_STORE={places.store}")
        password = farm.settings.access.flower_password
        look = f"export OCRFARM_FLOWER_URL=http://127.0.0.1:{flower_port}  # user ocrfarm, password {password}"
        click.echo(look if flower_port else "# no Flower")
        click.echo(f"# jobs: {address}")
        click.echo(f"# logs: {farm.logs}; Ctrl-C ends the farm, `ocrfarm up` in the same folder goes on")
        while True:
            farm.check()
            time.sleep(_LOOK_SECONDS)


@contextmanager
def _jobs_page(farm: "EmbeddedFarm", folder: Path, *, flower_port: int, port: int) -> Iterator[str]:
    """Serve the jobs page to whoever has its address, and give that."""
    if not port:
        yield "no page"
        return
    jobs, site = importlib.import_module("ocrfarm.viewer.jobs"), importlib.import_module("ocrfarm.viewer.site")
    settings = farm.settings
    flower = partial(tasks_url, f"http://127.0.0.1:{flower_port}") if flower_port else None
    shown = jobs.Farm(Client(settings=settings), settings.limits.given, flower)
    with jobs.jobs_page(shown, folder) as find, site.served(find, port=port) as address:
        yield address
