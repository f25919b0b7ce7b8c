"""`ocrfarm worker`: one process of a farm."""

import sys

import click


@click.command(
    short_help="Run one process of a farm: split, recognize, stitch and others.",
    context_settings={"ignore_unknown_options": True},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def worker(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Run one process of a farm until it is told to stop."""
    from ocrfarm.worker.main import main

    sys.excepthook = sys.__excepthook__  # a worker's log holds the traceback of a bug
    context.exit(main(list(arguments)))
