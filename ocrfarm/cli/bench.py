"""`ocrfarm bench`: many jobs at once, on a farm or on one of this machine's own, and a report of how it bore them."""

import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocrfarm.cli.sources import pictures
from ocrfarm.client import Client, checked_file
from ocrfarm.geometry import Size
from ocrfarm.recognize import find_profile
from ocrfarm.settings import Settings
from ocrfarm.storage.files import translated, whole_file

if TYPE_CHECKING:
    from ocrfarm.trial.load import Load

_SAMPLE = Size(4096, 4096)


@click.command(short_help="Load a farm with jobs and write a report.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--profile", default="fast", show_default=True, help="fast, accurate, mixed, cascade, or a .toml file.")
@click.option("--jobs", default=20, show_default=True, type=click.IntRange(min=1), help="How many jobs in all.")
@click.option("--at-once", default=4, show_default=True, type=click.IntRange(min=1), help="Unfinished at any time.")
@click.option("--seconds", default=0.0, help="Hand in no more after so long; 0: until all jobs are handed in.")
@click.option("--out", default=Path("bench.html"), show_default=True, type=click.Path(path_type=Path))
def bench(files: tuple[Path, ...], profile: str, *, jobs: int, at_once: int, seconds: float, out: Path) -> None:
    """Load a farm with jobs and write a report: jobs a minute, times by stage, queues and memory over time.

    FILES are pictures, or folders with pictures, that are handed in in turn; without any a page is drawn.
    OCRFARM_BROKER and OCRFARM_STORE name the farm, which keeps the jobs as it keeps all others; without them one is
    started on this machine and ended afterwards.
    """
    load, report = importlib.import_module("ocrfarm.trial.load"), importlib.import_module("ocrfarm.trial.loadreport")
    settings, wanted = Settings.from_env(os.environ), find_profile(profile)
    with tempfile.TemporaryDirectory(prefix="ocrfarm-") as folder:
        named = [checked_file(picture.path) for picture in pictures(files, out=out)]
        found = tuple(named) or (_drawn(Path(folder)),)
        asked: Load = load.Load(found, wanted, jobs, at_once, seconds)
        with _farm(settings, profile) as (farm, check):
            census = importlib.import_module("ocrfarm.farm.census").census_taker(farm)
            record = load.press(Client(settings=farm), asked, census=census, check=check)
    for row in report.rows(record):
        click.echo(row)
    with translated(f"cannot write {out}"), whole_file(out) as file:
        file.write_text(report.html(record, asked), encoding="utf-8")
    click.echo(f"report: {out}")


def _drawn(folder: Path) -> Path:
    """Draw a page without Han text, which needs a font."""
    path = folder / "sample.png"
    importlib.import_module("ocrfarm.sample").write_sample(path, _SAMPLE, seed=0, font=None)
    return path


@contextmanager
def _farm(settings: Settings, profile: str) -> Iterator[tuple[Settings, Callable[[], None]]]:
    """Give the farm that the environment names, or one of this machine's own, and what looks after it."""
    if settings.places.broker:
        yield settings, lambda: None
        return
    with importlib.import_module("ocrfarm.farm.local").EmbeddedFarm(profile, base=settings) as farm:
        farm.wait_ready()  # what is measured is a farm at work, not how it starts
        yield farm.settings, farm.check
