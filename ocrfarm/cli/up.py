"""`ocrfarm up`: a farm on this machine that stays."""

import importlib
import os
import time
from pathlib import Path

import click

from ocrfarm.recognize import find_profile
from ocrfarm.settings import Settings

_FLOWER_PORT = 5555
"""Flower's own default."""

_LOOK_SECONDS = 1.0
"""How often it is looked whether every process still lives."""


@click.command()
@click.option("--profile", default="fast", show_default=True, help="fast, accurate, mixed, cascade, or a .toml file.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("ocrfarm-data"), show_default=True)
@click.option("--flower-port", default=_FLOWER_PORT, show_default=True, help="Where Flower listens; 0: nowhere.")
def up(profile: str, folder: Path, *, flower_port: int) -> None:
    """Start a farm on this machine and keep it until Ctrl-C; jobs and results stay in the folder."""
    local = importlib.import_module("ocrfarm.farm.local")
    settings = Settings.from_env(os.environ)
    shape = local.machine_shape(flower_port, runtime=find_profile(profile).runtime)
    farm = local.EmbeddedFarm(profile, folder=folder, shape=shape, base=settings)
    with farm:
        places = farm.settings.places
        click.echo(f"export OCRFARM_BROKER={places.broker}\nexport OCRFARM_STORE={places.store}")
        password = farm.settings.access.flower_password
        look = f"export OCRFARM_FLOWER_URL=http://127.0.0.1:{flower_port}  # user ocrfarm, password {password}"
        click.echo(look if flower_port else "# no Flower")
        click.echo(f"# logs: {farm.logs}; Ctrl-C ends the farm, `ocrfarm up` in the same folder goes on")
        while True:
            farm.check()
            time.sleep(_LOOK_SECONDS)
