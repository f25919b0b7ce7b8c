"""`ocrfarm up`: run a whole farm on this machine."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocrfarm.cli.display import flower_tasks_url
from ocrfarm.cli.main import echo, exit_on_sigterm
from ocrfarm.cli.options import PROFILE_HELP
from ocrfarm.client import Client
from ocrfarm.log_output import configure_logging
from ocrfarm.recognize import find_profile
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.embedded.farm import EmbeddedFarm

_FLOWER_PORT = 5555
"""Port of Flower; its own default."""

_JOBS_PORT = 5556
"""Port of the jobs page."""

_CHECK_INTERVAL = 1.0
"""Seconds between two checks that all processes are alive."""


@click.command(short_help="Run a farm on this machine until Ctrl-C.")
@click.option("--profile", default="fast", show_default=True, help=PROFILE_HELP)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path("ocrfarm-data"),
    show_default=True,
    help="Folder for jobs, results and logs.",
)
@click.option(
    "--flower-port",
    default=_FLOWER_PORT,
    show_default=True,
    metavar="PORT",
    help="Port of Flower; 0 to run without it.",
)
@click.option(
    "--jobs-port", default=_JOBS_PORT, show_default=True, metavar="PORT", help="Port of the jobs page; 0 for none."
)
def up(profile: str, data_dir: Path, *, flower_port: int, jobs_port: int) -> None:
    """Run a farm on this machine until Ctrl-C, and print how to reach it.

    Jobs and results are kept in the data folder; `ocrfarm up` with the same folder continues them.

    \f
    Args:
        profile: Name or file of the profile.
        data_dir: The folder that keeps jobs and results.
        flower_port: Port of Flower; 0 starts none.
        jobs_port: Port of the jobs page.
    """
    from ocrfarm.farm.embedded.farm import EmbeddedFarm, default_layout

    exit_on_sigterm()
    settings = Settings.from_env(os.environ)
    configure_logging(settings.logging.log_format, settings.logging.log_level, worker="up", secrets=settings.secrets)
    layout = default_layout(flower_port, runtime=find_profile(profile).runtime)
    farm = EmbeddedFarm(profile, data_dir=data_dir, layout=layout, base_settings=settings)
    with farm, _jobs_page(farm, data_dir, flower_port=flower_port, port=jobs_port) as address:
        endpoints = farm.settings.endpoints
        echo(f"export OCRFARM_BROKER={endpoints.broker}", f"export OCRFARM_STORE={endpoints.store}")
        password = farm.settings.security.flower_password
        flower = f"export OCRFARM_FLOWER_URL=http://127.0.0.1:{flower_port}  # user ocrfarm, password {password}"
        echo(flower if flower_port else "# no Flower")
        echo(f"# jobs: {address}")
        echo(f"# logs: {farm.logs_dir}; Ctrl-C stops the farm, and `ocrfarm up` in this folder continues it")
        while True:
            farm.check()
            time.sleep(_CHECK_INTERVAL)


@contextmanager
def _jobs_page(farm: "EmbeddedFarm", folder: Path, *, flower_port: int, port: int) -> Iterator[str]:
    """Serve the jobs page and yield its address, which holds a secret."""
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
