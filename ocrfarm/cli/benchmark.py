"""`ocrfarm bench|tune|sample`: load a farm with jobs, find the fastest settings of a machine, draw a test page."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocrfarm.cli.main import echo
from ocrfarm.cli.options import PROFILE_HELP
from ocrfarm.cli.sources import find_images
from ocrfarm.client import Client, check_file
from ocrfarm.errors import WeightsError
from ocrfarm.geometry import Size
from ocrfarm.recognize import Profile, WeightsFolders, find_profile
from ocrfarm.recognize.model_registry import MODELS
from ocrfarm.settings import Settings
from ocrfarm.storage.atomic import atomic_write, translate_os_errors

if TYPE_CHECKING:
    from ocrfarm.benchmark.measure import Measurement
    from ocrfarm.benchmark.tune import Measure, Trial

_BENCH_PAGE_SIZE = Size(4096, 4096)
"""Size of the page that `bench` draws if it gets no images."""


@click.command(short_help="Run a load test against a farm.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--profile", default="fast", show_default=True, help=PROFILE_HELP)
@click.option("--count", default=20, show_default=True, type=click.IntRange(min=1), help="Number of jobs to submit.")
@click.option(
    "--concurrency", default=4, show_default=True, type=click.IntRange(min=1), help="Most unfinished jobs at a time."
)
@click.option(
    "--duration", default=0.0, metavar="SECONDS", show_default="no limit", help="Submit no more jobs after this time."
)
@click.option(
    "--out",
    default=Path("bench.html"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="File for the report.",
)
def bench(files: tuple[Path, ...], profile: str, *, count: int, concurrency: int, duration: float, out: Path) -> None:
    """Load a farm with jobs and write a report: throughput, times by stage, queues and memory over time.

    FILES are images, or folders with images, which are submitted in turn. Without FILES, a test page is drawn.

    OCRFARM_BROKER and OCRFARM_STORE name the farm, which keeps these jobs like any others. If they are not set, a farm
    is started on this machine and stopped afterwards.

    \f
    Args:
        files: Images, or folders with images.
        profile: Name or file of the profile.
        count: Jobs to submit.
        concurrency: Jobs on the farm at a time.
        duration: Seconds after which no more jobs are submitted; 0 sets no limit.
        out: The report, an HTML file.
    """
    from ocrfarm.benchmark import load_report
    from ocrfarm.benchmark.load_test import LoadTest, run_load_test
    from ocrfarm.farm.snapshot import make_snapshot_reader

    settings, found_profile = Settings.from_env(os.environ), find_profile(profile)
    with tempfile.TemporaryDirectory(prefix="ocrfarm-") as folder:
        named = [check_file(image.path) for image in find_images(files, out=out)]
        images = tuple(named) or (_draw_bench_page(Path(folder)),)
        load_test = LoadTest(images, found_profile, count, concurrency, duration)
        with _open_farm(settings, profile) as (farm, check):
            take_snapshot = make_snapshot_reader(farm)
            result = run_load_test(Client(settings=farm), load_test, take_snapshot=take_snapshot, check=check)
    for line in load_report.format_text(result):
        echo(line)
    _write(out, load_report.format_html(result, load_test))
    echo(f"report: {out}")


def _draw_bench_page(folder: Path) -> Path:
    """Draw a page without Han text, which would need a font."""
    from ocrfarm.sample import write_sample

    path = folder / "sample.png"
    write_sample(path, _BENCH_PAGE_SIZE, seed=0, font=None)
    return path


@contextmanager
def _open_farm(settings: Settings, profile: str) -> Iterator[tuple[Settings, Callable[[], None]]]:
    """Yield the settings of a farm, and a function that raises if one of its processes has failed."""
    if settings.endpoints.broker:
        yield settings, lambda: None
        return
    from ocrfarm.farm.embedded.farm import EmbeddedFarm

    with EmbeddedFarm(profile, base_settings=settings) as farm:
        farm.wait_ready()  # the start of the farm is not part of the measurement
        yield farm.settings, farm.check


@click.command(short_help="Find the fastest settings for this machine.")
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "--profile", default="fast", show_default=True, help="Profile to start from: a name or the path of a .toml file."
)
@click.option(
    "--time-budget",
    default=10.0,
    show_default=True,
    type=click.FloatRange(min=0.1),
    metavar="MINUTES",
    help="Stop searching after this time.",
)
@click.option(
    "--tolerance",
    default=0.01,
    show_default=True,
    metavar="FRACTION",
    help="Accept a faster setting if at most this fraction of the words changes.",
)
@click.option(
    "--out",
    default=Path("tuned.toml"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="File for the best profile.",
)
def tune(image: Path, profile: str, *, time_budget: float, tolerance: float, out: Path) -> None:
    """Find the settings with which this machine reads images like IMAGE fastest.

    Tile size, detector scale, batch size, processes, threads and precision are tried, one at a time. The best profile
    is written to OUT; pass it with --profile. A report of all trials is written beside it, with the suffix .html.

    \f
    Args:
        image: A typical image.
        profile: Name or file of the profile to start from.
        time_budget: Minutes to spend on trials.
        tolerance: Fraction of the words that a faster setting may change.
        out: The profile to write, a TOML file.
    """
    from ocrfarm.benchmark import tune_report
    from ocrfarm.benchmark.tune import SearchLimits
    from ocrfarm.benchmark.tune import tune as run_search

    start, limits = find_profile(profile), SearchLimits(time_budget * 60, tolerance)
    trials: list[Trial] = []
    echo(tune_report.format_row(tune_report.HEADER))
    with tempfile.TemporaryDirectory(prefix="ocrfarm-") as folder:
        for trial in run_search(start, limits, measure=_make_measure(check_file(image), Path(folder))):
            echo(tune_report.format_row(tune_report.format_cells(len(trials), trial)))
            trials.append(trial)
    best = [trial for trial in trials if trial.is_accepted][-1].profile
    _write(out, replace(best, name=out.stem).to_toml())
    _write(out.with_suffix(".html"), tune_report.format_html(trials, name=start.name, image_name=image.name))
    echo(f"profile: {out}; report: {out.with_suffix('.html')}")


def _make_measure(image: Path, folder: Path) -> "Measure":
    """Return a function that measures a profile on the part of the image with the most text."""
    from ocrfarm.benchmark.measure import cut_sample_crop, measure

    settings = Settings.from_env(os.environ)
    crop = cut_sample_crop(image, folder, settings=settings)

    def measure_profile(profile: Profile, timeout: float) -> "Measurement":
        return measure(profile, crop, settings=settings, timeout=timeout)

    return measure_profile


def _write(path: Path, text: str) -> None:
    with translate_os_errors(f"cannot write {path}"), atomic_write(path) as file:
        file.write_text(text, encoding="utf-8")


@click.command(short_help="Draw a test page with text of every kind.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--size",
    default=16384,
    show_default=True,
    type=click.IntRange(min=1024, max=65536),
    metavar="PIXELS",
    help="Width and height of the page.",
)
@click.option("--seed", default=0, show_default=True, metavar="NUMBER", help="Another number draws another page.")
def sample(path: Path, size: int, *, seed: int) -> None:
    """Draw a test page with text of every kind to the PNG file PATH, and write its exact text to PATH.json.

    \f
    Args:
        path: The PNG file to write.
        size: Width and height in pixels.
        seed: Another number draws another page.
    """
    from ocrfarm.sample import write_sample

    with translate_os_errors(f"cannot write {path}"):
        lines = write_sample(path, Size(size, size), seed=seed, font=_find_han_font())
    echo(f"{path}: {size} x {size} pixels, {len(lines)} lines; their exact text is in {path}.json")


def _find_han_font() -> Path | None:
    """Return the Chinese font that comes with the weights, or None; without a font, Chinese text is left out."""
    settings = Settings.from_env(os.environ)
    folders = WeightsFolders(settings.cache_path, settings.models_path)
    try:
        return folders.pull(MODELS["simfang"]) / "simfang.ttf"
    except WeightsError:
        return None
