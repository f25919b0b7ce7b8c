"""`ocrfarm read`: read images and write their results, with or without a farm."""

import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from ocrfarm.cli.backends import open_backend
from ocrfarm.cli.batch import BatchPlan, BatchRun
from ocrfarm.cli.display import Display, display_options
from ocrfarm.cli.estimate import find_throughput, print_estimate
from ocrfarm.cli.journal import JOURNAL_NAME, Journal
from ocrfarm.cli.options import ReadOptions, group_options, read_options, results_options
from ocrfarm.cli.sources import find_images
from ocrfarm.export import Target
from ocrfarm.settings import Settings

DEFAULT_CONCURRENCY = 8
"""Images on a farm at a time: enough that recognizers never wait for the splitter, few enough for the disk."""


class BatchOptions(NamedTuple):
    """How a batch is run; see `ocrfarm read --help`."""

    in_process: bool
    concurrency: int
    force: bool
    dry_run: bool


_batch_options = group_options(
    "batch",
    BatchOptions,
    click.option("--in-process", is_flag=True, help="Read in this process, without a farm."),
    click.option(
        "--concurrency",
        default=DEFAULT_CONCURRENCY,
        show_default=True,
        type=click.IntRange(1, 256),
        metavar="COUNT",
        help="Images that are read at a time.",
    ),
    click.option("--force", is_flag=True, help="Read images again that are already done."),
    click.option(
        "--dry-run", is_flag=True, help="Read nothing; print the number of tiles and an estimate of the time."
    ),
)


@click.command(short_help="Read images and write their text.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@results_options
@read_options
@_batch_options
@display_options
def read(
    files: tuple[Path, ...], target: Target, *, options: ReadOptions, batch: BatchOptions, display: Display
) -> None:
    """Read images and write the results to the folder OUT.

    FILES are images, folders with images, or globs in quotes, all on this machine; `ocrfarm submit` also takes URLs.
    By default the results are OUT/NAME.json, OUT/NAME.txt and OUT/NAME.preview.png; --formats chooses others.

    OCRFARM_BROKER and OCRFARM_STORE name a farm to use. If they are not set, one is started on this machine and stopped
    afterwards.

    An image that cannot be read does not stop the others. OUT/outcomes.csv lists what became of each image. The same
    command, started again, continues where it stopped.

    \f
    Args:
        files: Images, folders or globs.
        target: Folder and formats of the results.
        options: Profile and selection.
        batch: How the images are read.
        display: Shows the progress.
    """
    settings, images = Settings.from_env(os.environ), find_images(files, out=target.folder)
    target.check({image.stem for image in images}, [image.path for image in images])
    max_concurrent = 1 if batch.in_process else batch.concurrency
    with Journal(target.folder / JOURNAL_NAME) as journal:
        plan = BatchPlan(journal, target, options, settings.limits.overrides, max_concurrent, batch.force)
        if batch.dry_run:
            throughput = find_throughput(options, journal.entries, settings=settings, in_process=batch.in_process)
            raise SystemExit(
                print_estimate(
                    plan.iter_pending(images), options, settings=settings, throughput=throughput, display=display
                )
            )
        raise SystemExit(
            BatchRun(plan, display).run(images, partial(open_backend, settings, options, in_process=batch.in_process))
        )
