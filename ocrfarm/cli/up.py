"""`ocrfarm up`: a farm on this machine that stays."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocrfarm.cli.output import flower_tasks_url
from ocrfarm.client import Client
from ocrfarm.recognize import find_profile
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.embedded.farm import EmbeddedFarm

_FLOWER_PORT = 5555
"""Flower's own default."""

_JOBS_PORT = 5556

_CHECK_INTERVAL = 1.0
"""How often it is looked whether every process still lives."""


@click.command(short_help="Start a farm on this machine, until Ctrl-C.")
@click.option("--profile", default="fast", show_default=True, help="fast, accurate, mixed, cascade, or a .toml file.")
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path("ocrfarm-data"), show_default=True)
@click.option("--flower-port", default=_FLOWER_PORT, show_default=True, help="Where Flower listens; 0: nowhere.")
@click.option("--jobs-port", default=_JOBS_PORT, show_default=True, help="Where the jobs page is; 0: nowhere.")
def up(profile: str, data_dir: Path, *, flower_port: int, jobs_port: int) -> None:
    """Start a farm on this machine and keep it until Ctrl-C; jobs and results stay in the folder."""
    from ocrfarm.farm.embedded.farm import EmbeddedFarm, default_layout

    settings = Settings.from_env(os.environ)
    layout = default_layout(flower_port, runtime=find_profile(profile).runtime)
    farm = EmbeddedFarm(profile, data_dir=data_dir, layout=layout, base_settings=settings)
    with farm, _jobs_page(farm, data_dir, flower_port=flower_port, port=jobs_port) as address:
        endpoints = farm.settings.endpoints
        click.echo(f"export OCRFARM_BROKER={endpoints.broker}\nexport OCRFARM_STORE={endpoints.store}")
        password = farm.settings.security.flower_password
        flower = f"export OCRFARM_FLOWER_URL=http://127.0.0.1:{flower_port}  # user ocrfarm, password {password}"
        click.echo(flower if flower_port else "# no Flower")
        click.echo(f"# jobs: {address}")
        click.echo(f"# logs: {farm.logs_dir}; Ctrl-C ends the farm, `ocrfarm up` in the same folder goes on")
        while True:
            farm.check()
            time.sleep(_CHECK_INTERVAL)


@contextmanager
def _jobs_page(farm: "EmbeddedFarm", folder: Path, *, flower_port: int, port: int) -> Iterator[str]:
    """Serve the jobs page to whoever has its address, and give that."""
    if not port:
        yield "no page"
        return
    from ocrfarm.viewer.jobs import JobsPageConfig, open_jobs_page
    from ocrfarm.viewer.server import serve

    settings = farm.settings
    flower = partial(flower_tasks_url, f"http://127.0.0.1:{flower_port}") if flower_port else None
    config = JobsPageConfig(Client(settings=settings), settings.limits.overrides, flower)
    with open_jobs_page(config, folder) as handle_path, serve(handle_path, port=port) as address:
        yield address
