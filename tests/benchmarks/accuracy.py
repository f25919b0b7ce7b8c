"""`scripts/bench accuracy`: ocrfarm and what others do, on the same readings of pages whose text is known."""

import os
import tempfile
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import click

from ocrfarm.recognize import WeightsFolders
from ocrfarm.recognize.model_registry import MODELS
from ocrfarm.settings import Settings
from tests.benchmarks.cached_readings import CachedReader, TileSet, versions
from tests.benchmarks.canvas import list_faces
from tests.benchmarks.comparison import Comparison
from tests.benchmarks.drawn_pages import KINDS, draw_page
from tests.benchmarks.sheets import compare_sheet
from tests.benchmarks.tables import table

_MODELS = ("fast", "fast@1.0", "accurate", "accurate@1.0")
_SETS = ("640/96", "1024/128", "1024/128+320+416", "2048/192")
_QUICK_SETS = ("1024/128", "1024/128+320+416")
_CACHE = Path(tempfile.gettempdir()) / "ocrfarm-accuracy"


def _parsed(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[TileSet, ...]:
    try:
        return tuple(map(TileSet.parse, names))
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from error


@click.command()
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice((*KINDS, "all")), default=("mixed",), show_default=True
)
@click.option("--seed", "seeds", multiple=True, type=int, default=(1,), show_default=True)
@click.option("--model", "models", multiple=True, default=_MODELS, show_default=True, help="PROFILE or PROFILE@SCALE")
@click.option("--tiles", "sets", multiple=True, callback=_parsed, default=_SETS, show_default=True)
@click.option("--quick", is_flag=True, help="One page, one grid and its shifted twin, the tiny models.")
@click.option("--each", is_flag=True, help="Print a table for each kind of page.")
@click.option("--wrong", is_flag=True, help="List what ocrfarm gets wrong.")
@click.option("--cache", default=_CACHE, type=click.Path(path_type=Path), show_default=True, help="Keeps readings.")
@click.option("--receipts", type=click.Path(exists=True, path_type=Path), help="Read a sheet of img/*.jpg, box/*.csv.")
@click.option("--side", default=16384, show_default=True, help="Pixels of that sheet.")
def accuracy(
    *,
    kinds: tuple[str, ...],
    seeds: tuple[int, ...],
    models: tuple[str, ...],
    sets: tuple[TileSet, ...],
    quick: bool,
    each: bool,
    wrong: bool,
    cache: Path,
    receipts: Path | None,
    side: int,
) -> None:
    """Read drawn pages tiled and untiled, and print how much of their text each way of merging gets right."""
    settings = Settings.from_env(os.environ)
    folders = WeightsFolders(settings.cache_path, settings.models_path)
    if quick:
        seeds, models, sets = seeds[:1], _MODELS[:2], tuple(map(TileSet.parse, _QUICK_SETS))
    kinds = tuple(KINDS) if "all" in kinds else kinds
    names = ", ".join(face.stem if face else "Pillow's own" for face in list_faces())
    click.echo(f"{datetime.now(UTC):%Y-%m-%d}; {versions()}; fonts: {names}")
    han = folders.pull(MODELS["simfang"]) / "simfang.ttf"
    for model in models:
        reader = CachedReader(model, cache, folders)
        if receipts:
            for seed in seeds:
                click.echo(f"{model}: {compare_sheet(reader, receipts, side=side, seed=seed)}")
            continue
        for group in [(kind,) for kind in kinds] if each else [kinds]:
            comparison = Comparison(reader, sets)
            for kind, seed in product(group, seeds):
                comparison.add(draw_page(kind, seed, han))
            grids = " ".join(map(str, sets))
            click.echo(f"\n{model}; {' '.join(group)}; seeds {' '.join(map(str, seeds))}; {grids}\n")
            click.echo(table(comparison.counts))
            if wrong:
                click.echo("\n" + "\n".join(comparison.wrong))
