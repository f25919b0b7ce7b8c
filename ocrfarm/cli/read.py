"""`ocrfarm read`: pictures in, results out, over a farm or in this process."""

import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from ocrfarm.cli.batch import Batch
from ocrfarm.cli.forecast import forecast, known_pace
from ocrfarm.cli.gathered import gathered
from ocrfarm.cli.ledger import OUTCOMES, Ledger
from ocrfarm.cli.order import Order, order_options
from ocrfarm.cli.output import results_options
from ocrfarm.cli.plan import Plan
from ocrfarm.cli.reading import open_reader
from ocrfarm.cli.screen import Screen, screen_options
from ocrfarm.cli.sources import pictures
from ocrfarm.export import Target
from ocrfarm.settings import Settings

JOBS = 8
"""Pictures in a farm at the same time: enough that nobody waits for the splitter, few enough for the disk."""


class Way(NamedTuple):
    """How a batch goes: without a farm, so many pictures at a time, what is done once more, or not at all."""

    in_process: bool
    jobs: int
    again: bool
    dry_run: bool


_way = gathered(
    "way",
    Way,
    click.option("--in-process", is_flag=True, help="Read without a farm, in this process."),
    click.option("--jobs", default=JOBS, show_default=True, type=click.IntRange(1, 256), help="Pictures at a time."),
    click.option("--again", is_flag=True, help="Read what is done as well."),
    click.option("--dry-run", is_flag=True, help="Say how many tiles there are and how long they may take."),
)


@click.command(short_help="Read pictures and write what they say.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@results_options
@order_options
@_way
@screen_options
def read(files: tuple[Path, ...], target: Target, *, order: Order, way: Way, screen: Screen) -> None:
    """Read pictures and write OUT/NAME.json, OUT/NAME.txt and OUT/NAME.preview.png, or what --formats names.

    FILES are pictures, folders with pictures, or globs in quotes. OCRFARM_BROKER and OCRFARM_STORE name a farm; without
    them one is started on this machine and ended afterwards. A picture that cannot be read does not stop the others.
    OUT/outcomes.csv says what became of each: started again, the same command goes on where it stopped.
    """
    settings, found = Settings.from_env(os.environ), pictures(files, out=target.folder)
    target.check({picture.stem for picture in found}, [picture.path for picture in found])
    jobs = 1 if way.in_process else way.jobs
    with Ledger(target.folder / OUTCOMES) as ledger:
        plan = Plan(ledger, target, order, settings.limits.given, jobs, way.again)
        if way.dry_run:
            pace = known_pace(order, ledger.entries, settings=settings, in_process=way.in_process)
            raise SystemExit(forecast(plan.left(found), order, settings=settings, pace=pace, screen=screen))
        raise SystemExit(
            Batch(plan, screen).run(found, partial(open_reader, settings, order, in_process=way.in_process))
        )
