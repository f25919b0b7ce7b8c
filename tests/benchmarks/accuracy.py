"""`scripts/bench accuracy`: ocrfarm and what others do, on the same readings of pages whose text is known."""

import os
import re
import tempfile
from collections.abc import Iterable, Sequence
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
from tests.benchmarks.drawn_pages import KINDS, DrawnPage, draw_page
from tests.benchmarks.record import Value, record_figures, record_option
from tests.benchmarks.sheets import compare_sheet
from tests.benchmarks.tables import KIND_HEADS, kind_row, table, table_rows

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
@click.option("--size", default=16384, show_default=True, metavar="PIXELS", help="Width and height of that sheet.")
@record_option
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
    size: int,
    record: bool,
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
    figures: dict[str, tuple[Value, str]] = {}
    rows: list[list[str]] = []
    groups = [(kind,) for kind in kinds] if each else [kinds]
    for model in models:
        reader = CachedReader(model, cache, folders)
        if receipts:
            figures |= _print_sheets(reader, receipts, model=model, side=size, seeds=seeds)
            continue
        for group in groups:
            comparison = _compare(reader, sets, [draw_page(kind, seed, han) for kind, seed in product(group, seeds)])
            click.echo(f"\n{model}; {' '.join(group)}; seeds {' '.join(map(str, seeds))}; {' '.join(map(str, sets))}\n")
            rows.append(kind_row(group[0], model, comparison.counts))
            figures[f"accuracy.{'_'.join(group)}.{_figure_name(model)}"] = table_rows(comparison.counts), "table"
            click.echo(table(table_rows(comparison.counts)))
            click.echo("\n" + "\n".join(comparison.wrong if wrong else ()))
    if record:
        is_whole = each and set(kinds) == set(KINDS)
        record_figures(figures | ({"accuracy.kinds": ([KIND_HEADS, *rows], "table")} if is_whole else {}))


def _print_sheets(
    reader: CachedReader, folder: Path, *, model: str, side: int, seeds: Sequence[int]
) -> dict[str, tuple[Value, str]]:
    figures: dict[str, tuple[Value, str]] = {}
    for seed in seeds:
        compared = compare_sheet(reader, folder, side=side, seed=seed)
        click.echo(f"{model}: sheet {side} px, seed {seed}, {compared.describe()}")
        figures |= compared.figures(_figure_name(model))
    return figures


def _compare(reader: CachedReader, sets: tuple[TileSet, ...], pages: Iterable[DrawnPage]) -> Comparison:
    comparison = Comparison(reader, sets)
    for page in pages:
        comparison.add(page)
    return comparison


def _figure_name(model: str) -> str:
    """Return what ids may hold: "fast@1.0" becomes "fast_1_0"."""
    return re.sub(r"\W", "_", model)
