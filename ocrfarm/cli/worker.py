"""`ocrfarm worker`: run one process of a farm. `python -m workers` runs the same command."""

import click

from ocrfarm.cli.options import PROFILE_HELP

ROLES = ("split", "recognize", "stitch", "api", "webhooks", "metrics", "flower")


@click.command(short_help="Run one process of a farm: split, recognize, stitch and others.")
@click.argument("roles", nargs=-1, required=True, metavar="ROLE...", type=click.Choice(ROLES))
@click.option("--profile", default="fast", show_default=True, help=f"For recognize. {PROFILE_HELP}")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    metavar="COUNT",
    show_default="1, or for recognize as the profile says",
    help="Child processes of split, recognize and stitch.",
)
@click.option(
    "--name",
    default="",
    show_default="the roles and the process id",
    help="Name of this worker in the log, in `ocrfarm top` and in Flower.",
)
@click.option(
    "--address",
    default="",
    show_default="0.0.0.0 for metrics, otherwise 127.0.0.1",
    help="Address at which api, metrics or flower listens.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    show_default="api 8700, metrics 9808, flower 5555",
    help="Port at which api, metrics or flower listens.",
)
def worker(
    roles: tuple[str, ...], profile: str, *, processes: int | None, name: str, address: str, port: int | None
) -> None:
    """Run one process of a farm until SIGTERM or SIGINT stops it.

    OCRFARM_BROKER and OCRFARM_STORE name the farm. Only split and stitch can share a process.

    \b
    split      cuts images into tiles
    recognize  reads tiles with the models of one profile
    stitch     joins the lines of the tiles and writes the results
    api        serves the HTTP API
    webhooks   sends a request to a webhook when its job ends
    metrics    serves the metrics of the farm for Prometheus
    flower     serves Flower, which shows workers and tasks

    \f
    Args:
        roles: The roles of the process.
        profile: Name or path of the recognizer's profile.
        processes: Number of child processes; None for the default.
        name: Name of the worker; "" for the roles and the process id.
        address: Address to listen at; "" for the default of the role.
        port: Port to listen at; None for the default of the role.
    """
    from ocrfarm.worker.main import WorkerOptions, run

    options = WorkerOptions(roles, profile, processes or 0, name, address, port or 0)
    click.get_current_context().exit(run(options))
