"""`ocrfarm read`: pictures in, results out, over a farm or in this process."""

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ocrfarm.cli.main import complain
from ocrfarm.cli.output import left_behind, pictures, results_options, stems, summary
from ocrfarm.client import Client, checked_file
from ocrfarm.document import Document
from ocrfarm.errors import OcrfarmError, PartialResult
from ocrfarm.export import Target, export
from ocrfarm.pieces import pieces
from ocrfarm.recognize import Engine, Profile, WeightsFolders, find_profile, load_engine
from ocrfarm.result import Origin
from ocrfarm.settings import Settings

OnTile = Callable[[int, int], None]
"""Hears how many tiles are done and how many there are."""

Reader = Callable[[Path, OnTile], tuple[Document, list[bytes]]]
"""Reads one picture; gives the document and each page's overview as PNG."""


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@results_options
@click.option("--profile", default="fast", show_default=True, help="fast, accurate, mixed, cascade, or a .toml file.")
@click.option("--tile", default=0, help="Side of the tiles in pixels, a multiple of 32; as the profile has it.")
@click.option("--overlap", default=0, help="Pixels that tiles share, a multiple of 32; else by the page's print.")
@click.option("--in-process", is_flag=True, help="Read without a farm, in this process.")
def read(files: tuple[Path, ...], target: Target, *, profile: str, tile: int, overlap: int, in_process: bool) -> None:
    """Read pictures and write OUT/NAME.json, OUT/NAME.txt and OUT/NAME.preview.png, or what --formats names.

    FILES are pictures, or folders with pictures. OCRFARM_BROKER and OCRFARM_STORE name a farm; without them one is
    started on this machine and ended afterwards. A picture that cannot be read does not stop the others.
    """
    settings, found = Settings.from_env(os.environ), pictures(files)
    wanted = find_profile(profile).tiled(side=tile, overlap=overlap)
    codes = [_code(partial(checked_file, path)) for path in found]
    there = [path for path, code in zip(found, codes, strict=True) if not code]
    named, limits = list(zip(there, stems(there), strict=True)), settings.limits.given
    for _, stem in named:
        target.check(stem, found)
    if there:
        with _reader(settings, wanted, profile=profile, in_process=in_process) as reader:
            for path, stem in named:
                codes.append(_code(partial(_read_one, reader, path, target=target, stem=stem, limits=limits)))
    raise SystemExit(next((code for code in codes if code), 0))


def _code(work: Callable[[], object]) -> int:
    """Do it; where it fails, say so and give the exit code."""
    try:
        work()
    except OcrfarmError as error:
        complain(error)
        return error.exit_code
    return 0


def _read_one(reader: Reader, path: Path, *, target: Target, stem: str, limits: dict[str, int]) -> None:
    with _bar(path.name) as on_tile:
        document, overviews = reader(path, on_tile)
    cut = partial(pieces, lambda: path, limits=limits)
    origin = Origin(path.name, lambda: path, overviews.__getitem__, cut, base=target.base, stem=stem)
    export(document, target, origin=origin)
    click.echo(f"{path} -> {left_behind(target, stem)}\n{summary(document)}")
    if not document.complete:
        where = "`coverage` in its JSON (--formats json)"
        raise PartialResult(f"{path}: a part of it was not read; {where} says which and why")


@contextmanager
def _reader(settings: Settings, wanted: Profile, *, profile: str, in_process: bool) -> Iterator[Reader]:
    """Give what reads: an engine in this process, the farm that the environment names, or one of this machine's own."""
    if in_process:
        folders = WeightsFolders(settings.cache_folder, settings.models_folder)
        strong = load_engine(wanted.strong, folders) if wanted.cascade.recognizer else None
        yield partial(_in_process, (load_engine(wanted, folders), strong), wanted, settings)
    elif settings.places.broker:
        yield partial(_over_farm, Client(settings=settings), wanted, lambda: None)
    else:
        with importlib.import_module("ocrfarm.farm.local").EmbeddedFarm(profile, base=settings) as farm:
            yield partial(_over_farm, Client(settings=farm.settings), wanted, farm.check)


def _in_process(
    engines: tuple[Engine, Engine | None], profile: Profile, settings: Settings, path: Path, on_tile: OnTile
) -> tuple[Document, list[bytes]]:
    pipeline, image = importlib.import_module("ocrfarm.pipeline"), importlib.import_module("ocrfarm.image")
    limits = image.Limits(**settings.limits.given)
    engine, strong = engines
    run = pipeline.read(path, engine, profile=profile, strong=strong, limits=limits, on_tile=on_tile)
    peak = importlib.import_module("ocrfarm.farm.services").peak_megabytes()
    document = replace(run.document, timing={**run.document.timing, "peak_mb": peak})
    return document, [image.encode_tile(overview) for overview in run.overviews]


def _over_farm(
    client: Client, profile: Profile, check: Callable[[], None], path: Path, on_tile: OnTile
) -> tuple[Document, list[bytes]]:
    job = client.submit(path, profile=profile)
    try:
        for status in job.progress(heartbeat=True):
            check()
            on_tile(status.done + status.blank + status.failed, status.tiles)
    except KeyboardInterrupt:
        job.cancel()
        raise
    document = job.result()
    return document, [job.overview(page) for page in range(len(document.pages))]


@contextmanager
def _bar(name: str) -> Iterator[OnTile]:
    """Show a bar where a person looks; nothing where the output goes into a file."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("tiles"))
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
