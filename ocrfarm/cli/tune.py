"""`ocrfarm tune`: finds the settings with which this machine reads such pages fastest, and writes them as a profile."""

import importlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocrfarm.client import checked_file
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.settings import Settings
from ocrfarm.storage.files import translated, whole_file

if TYPE_CHECKING:
    from ocrfarm.trial.measure import Speed
    from ocrfarm.trial.tune import Measure, Trial


@click.command(short_help="Find the fastest settings of this machine.")
@click.argument("picture", type=click.Path(path_type=Path))
@click.option("--profile", default="fast", show_default=True, help="What to begin with: a name, or a .toml file.")
@click.option("--minutes", default=10.0, show_default=True, type=click.FloatRange(min=0.1), help="What it may take.")
@click.option("--drift", default=0.01, show_default=True, help="Share of the words that may be read otherwise.")
@click.option("--out", default=Path("tuned.toml"), show_default=True, type=click.Path(path_type=Path))
def tune(picture: Path, profile: str, *, minutes: float, drift: float, out: Path) -> None:
    """Try tile side, detector scale, batch, processes, threads and precision on PICTURE, on this machine.

    The best profile goes into the file OUT, which workers and `--profile` take; all that was tried into a page beside
    it, OUT with .html. No setting is taken that reads more words otherwise than --drift says.
    """
    search = importlib.import_module("ocrfarm.trial.tune")
    report = importlib.import_module("ocrfarm.trial.tunereport")
    wanted, goal = find_profile(profile), search.Goal(minutes * 60, drift)
    trials: list[Trial] = []
    click.echo(report.row(report.HEAD))
    with tempfile.TemporaryDirectory(prefix="ocrfarm-") as folder:
        for trial in search.tune(wanted, goal, measure=_measure(checked_file(picture), Path(folder))):
            click.echo(report.row(report.cells(len(trials), trial)))
            trials.append(trial)
    best = [trial for trial in trials if trial.is_taken][-1].profile
    _write(out, replace(best, name=out.stem).to_toml())
    _write(out.with_suffix(".html"), report.html(trials, name=wanted.name, picture=picture.name))
    click.echo(f"profile: {out}; what was tried: {out.with_suffix('.html')}")


def _measure(picture: Path, folder: Path) -> "Measure":
    """Give what measures a profile on the piece of the picture with the most print."""
    settings = Settings.from_env(os.environ)
    measuring = importlib.import_module("ocrfarm.trial.measure")
    piece = importlib.import_module("ocrfarm.trial.piece").cut_piece(picture, folder, settings=settings)

    def measure(profile: Profile, patience: float) -> "Speed":
        speed: Speed = measuring.measure(profile, piece, settings=settings, patience=patience)
        return speed

    return measure


def _write(path: Path, text: str) -> None:
    with translated(f"cannot write {path}"), whole_file(path) as file:
        file.write_text(text, encoding="utf-8")
