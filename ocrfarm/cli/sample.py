"""`ocrfarm sample`: draws a page to try the farm on."""

import os
from pathlib import Path

import click

from ocrfarm.errors import WeightsError
from ocrfarm.geometry import Size
from ocrfarm.recognize import WeightsFolders
from ocrfarm.recognize.model_registry import MODELS
from ocrfarm.settings import Settings
from ocrfarm.storage.atomic import translate_os_errors


@click.command(short_help="Draw a sheet with text of every kind.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--size", default=16384, show_default=True, type=click.IntRange(min=1024, max=65536), help="Pixels.")
@click.option("--seed", default=0, show_default=True, help="Another number gives another page.")
def sample(path: Path, size: int, *, seed: int) -> None:
    """Draw a sheet with text of every kind into the PNG file PATH, and its truth into PATH.json."""
    from ocrfarm.sample import write_sample

    with translate_os_errors(f"cannot write {path}"):
        lines = write_sample(path, Size(size, size), seed=seed, font=_find_han_font())
    click.echo(f"{path}: {size} x {size} pixels, {len(lines)} lines; their truth is in {path}.json")


def _find_han_font() -> Path | None:
    """Return the font that comes with the weights, or None if it cannot be fetched: the page then has no Han text."""
    settings = Settings.from_env(os.environ)
    folders = WeightsFolders(settings.cache_path, settings.models_path)
    try:
        return folders.pull(MODELS["simfang"]) / "simfang.ttf"
    except WeightsError:
        return None
