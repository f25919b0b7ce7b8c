"""`ocrfarm sample`: draws a page to try the farm on."""

import importlib
import os
from pathlib import Path

import click

from ocrfarm.errors import WeightsError
from ocrfarm.geometry import Size
from ocrfarm.recognize import WeightsFolders
from ocrfarm.recognize.models import MODELS
from ocrfarm.settings import Settings
from ocrfarm.storage.files import translated


@click.command(short_help="Draw a sheet with text of every kind.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--side", default=16384, show_default=True, type=click.IntRange(min=1024, max=65536), help="Pixels.")
@click.option("--seed", default=0, show_default=True, help="Another number gives another page.")
def sample(path: Path, side: int, *, seed: int) -> None:
    """Draw a sheet with text of every kind into the PNG file PATH, and its truth into PATH.json."""
    drawing = importlib.import_module("ocrfarm.sample")
    with translated(f"cannot write {path}"):
        lines = drawing.write_sample(path, Size(side, side), seed=seed, font=_han_font())
    click.echo(f"{path}: {side} x {side} pixels, {len(lines)} lines; their truth is in {path}.json")


def _han_font() -> Path | None:
    """Give the font that comes with the weights; without it and without one on the machine, Han text is left out."""
    settings = Settings.from_env(os.environ)
    folders = WeightsFolders(settings.cache_folder, settings.models_folder)
    try:
        return folders.pull(MODELS["simfang"]) / "simfang.ttf"
    except WeightsError:
        return None
