"""`ocrfarm read`: images in, results out, over a farm or in this process."""

import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from ocrfarm.cli.backends import open_backend
from ocrfarm.cli.batch import BatchRun
from ocrfarm.cli.batch_plan import BatchPlan
from ocrfarm.cli.display import Display, display_options
from ocrfarm.cli.estimate import find_throughput, print_estimate
from ocrfarm.cli.journal import JOURNAL_NAME, Journal
from ocrfarm.cli.option_group import group_options
from ocrfarm.cli.output import results_options
from ocrfarm.cli.read_options import ReadOptions, read_options
from ocrfarm.cli.sources import find_images
from ocrfarm.export import Target
from ocrfarm.settings import Settings

DEFAULT_CONCURRENCY = 8
"""Images in a farm at the same time: enough that nobody waits for the splitter, few enough for the disk."""


class BatchOptions(NamedTuple):
    """How a batch goes: without a farm, so many images at a time, what is done once more, or not at all."""

    in_process: bool
    concurrency: int
    force: bool
    dry_run: bool


_batch_options = group_options(
    "batch",
    BatchOptions,
    click.option("--in-process", is_flag=True, help="Read without a farm, in this process."),
    click.option(
        "--concurrency",
        default=DEFAULT_CONCURRENCY,
        show_default=True,
        type=click.IntRange(1, 256),
        help="Images at a time.",
    ),
    click.option("--force", is_flag=True, help="Read what is done as well."),
    click.option("--dry-run", is_flag=True, help="Say how many tiles there are and how long they may take."),
)


@click.command(short_help="Read images and write what they say.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@results_options
@read_options
@_batch_options
@display_options
def read(
    files: tuple[Path, ...], target: Target, *, options: ReadOptions, batch: BatchOptions, display: Display
) -> None:
    """Read images and write OUT/NAME.json, OUT/NAME.txt and OUT/NAME.preview.png, or what --formats names.

    FILES are images, folders with images, or globs in quotes. OCRFARM_BROKER and OCRFARM_STORE name a farm; without
    them one is started on this machine and ended afterwards. An image that cannot be read does not stop the others.
    OUT/outcomes.csv says what became of each: started again, the same command goes on where it stopped.
    """
    settings, found = Settings.from_env(os.environ), find_images(files, out=target.folder)
    target.check({image.stem for image in found}, [image.path for image in found])
    max_concurrent = 1 if batch.in_process else batch.concurrency
    with Journal(target.folder / JOURNAL_NAME) as journal:
        plan = BatchPlan(journal, target, options, settings.limits.overrides, max_concurrent, batch.force)
        if batch.dry_run:
            throughput = find_throughput(options, journal.entries, settings=settings, in_process=batch.in_process)
            raise SystemExit(
                print_estimate(
                    plan.iter_pending(found), options, settings=settings, throughput=throughput, display=display
                )
            )
        raise SystemExit(
            BatchRun(plan, display).run(found, partial(open_backend, settings, options, in_process=batch.in_process))
        )
