"""`ocrfarm tune`: finds the settings with which this machine reads such pages fastest, and writes them as a profile."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocrfarm.client import check_file
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.settings import Settings
from ocrfarm.storage.atomic import atomic_write, translate_os_errors

if TYPE_CHECKING:
    from ocrfarm.benchmark.measure import Measurement
    from ocrfarm.benchmark.tune import Measure, Trial


@click.command(short_help="Find the fastest settings of this machine.")
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--profile", default="fast", show_default=True, help="What to begin with: a name, or a .toml file.")
@click.option(
    "--time-budget", default=10.0, show_default=True, type=click.FloatRange(min=0.1), help="Minutes that it may take."
)
@click.option("--tolerance", default=0.01, show_default=True, help="Share of the words that may be read otherwise.")
@click.option("--out", default=Path("tuned.toml"), show_default=True, type=click.Path(path_type=Path))
def tune(image: Path, profile: str, *, time_budget: float, tolerance: float, out: Path) -> None:
    """Try tile size, detector scale, batch, processes, threads and precision on IMAGE, on this machine.

    The best profile goes into the file OUT, which workers and `--profile` take; all that was tried into a page beside
    it, OUT with .html. No setting is taken that reads more words otherwise than --tolerance says.
    """
    from ocrfarm.benchmark import tune_report
    from ocrfarm.benchmark.tune import SearchLimits
    from ocrfarm.benchmark.tune import tune as run_search

    given, limits = find_profile(profile), SearchLimits(time_budget * 60, tolerance)
    trials: list[Trial] = []
    click.echo(tune_report.format_row(tune_report.HEADER))
    with tempfile.TemporaryDirectory(prefix="ocrfarm-") as folder:
        for trial in run_search(given, limits, measure=_make_measure(check_file(image), Path(folder))):
            click.echo(tune_report.format_row(tune_report.format_cells(len(trials), trial)))
            trials.append(trial)
    best = [trial for trial in trials if trial.is_accepted][-1].profile
    _write(out, replace(best, name=out.stem).to_toml())
    _write(out.with_suffix(".html"), tune_report.format_html(trials, name=given.name, image_name=image.name))
    click.echo(f"profile: {out}; what was tried: {out.with_suffix('.html')}")


def _make_measure(image: Path, folder: Path) -> "Measure":
    """Give what measures a profile on the part of the image with the most text."""
    from ocrfarm.benchmark.measure import measure
    from ocrfarm.benchmark.sample_crop import cut_sample_crop

    settings = Settings.from_env(os.environ)
    crop = cut_sample_crop(image, folder, settings=settings)

    def measure_profile(profile: Profile, timeout: float) -> "Measurement":
        return measure(profile, crop, settings=settings, timeout=timeout)

    return measure_profile


def _write(path: Path, text: str) -> None:
    with translate_os_errors(f"cannot write {path}"), atomic_write(path) as file:
        file.write_text(text, encoding="utf-8")
