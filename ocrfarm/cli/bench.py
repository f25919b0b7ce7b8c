"""`ocrfarm bench`: many jobs at once, on a farm or on one of this machine's own, and a report of how it bore them."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ocrfarm.cli.sources import find_images
from ocrfarm.client import Client, check_file
from ocrfarm.geometry import Size
from ocrfarm.recognize import find_profile
from ocrfarm.settings import Settings
from ocrfarm.storage.atomic import atomic_write, translate_os_errors

_SAMPLE_SIZE = Size(4096, 4096)


@click.command(short_help="Load a farm with jobs and write a report.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--profile", default="fast", show_default=True, help="fast, accurate, mixed, cascade, or a .toml file.")
@click.option("--count", default=20, show_default=True, type=click.IntRange(min=1), help="How many jobs in all.")
@click.option("--concurrency", default=4, show_default=True, type=click.IntRange(min=1), help="Unfinished at any time.")
@click.option("--duration", default=0.0, help="Hand in no more after so long; 0: until all jobs are handed in.")
@click.option("--out", default=Path("bench.html"), show_default=True, type=click.Path(path_type=Path))
def bench(files: tuple[Path, ...], profile: str, *, count: int, concurrency: int, duration: float, out: Path) -> None:
    """Load a farm with jobs and write a report: jobs a minute, times by stage, queues and memory over time.

    FILES are images, or folders with images, that are handed in in turn; without any a page is drawn.
    OCRFARM_BROKER and OCRFARM_STORE name the farm, which keeps the jobs as it keeps all others; without them one is
    started on this machine and ended afterwards.
    """
    from ocrfarm.benchmark import load_report
    from ocrfarm.benchmark.load_test import LoadTest, run_load_test
    from ocrfarm.farm.snapshot import make_snapshot_reader

    settings, found_profile = Settings.from_env(os.environ), find_profile(profile)
    with tempfile.TemporaryDirectory(prefix="ocrfarm-") as folder:
        named = [check_file(image.path) for image in find_images(files, out=out)]
        images = tuple(named) or (_draw_sample(Path(folder)),)
        load_test = LoadTest(images, found_profile, count, concurrency, duration)
        with _open_farm(settings, profile) as (farm, check):
            take_snapshot = make_snapshot_reader(farm)
            result = run_load_test(Client(settings=farm), load_test, take_snapshot=take_snapshot, check=check)
    for line in load_report.format_text(result):
        click.echo(line)
    with translate_os_errors(f"cannot write {out}"), atomic_write(out) as file:
        file.write_text(load_report.format_html(result, load_test), encoding="utf-8")
    click.echo(f"report: {out}")


def _draw_sample(folder: Path) -> Path:
    """Draw a page without Han text, which needs a font."""
    from ocrfarm.sample import write_sample

    path = folder / "sample.png"
    write_sample(path, _SAMPLE_SIZE, seed=0, font=None)
    return path


@contextmanager
def _open_farm(settings: Settings, profile: str) -> Iterator[tuple[Settings, Callable[[], None]]]:
    """Give the farm that the environment names, or one of this machine's own, and what looks after it."""
    if settings.endpoints.broker:
        yield settings, lambda: None
        return
    from ocrfarm.farm.embedded.farm import EmbeddedFarm

    with EmbeddedFarm(profile, base_settings=settings) as farm:
        farm.wait_ready()  # what is measured is a farm at work, not how it starts
        yield farm.settings, farm.check
