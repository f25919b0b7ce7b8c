"""`ocrfarm read --dry-run`: how many tiles there are, how long they may take, and where that number comes from."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click

from ocrfarm.cli.display import Display, JsonLinesDisplay
from ocrfarm.cli.journal import JournalEntry
from ocrfarm.cli.main import print_error
from ocrfarm.cli.read_options import ReadOptions
from ocrfarm.cli.sources import InputImage
from ocrfarm.client import Client
from ocrfarm.errors import InputError, MissingPackage
from ocrfarm.settings import Settings

_REFERENCE_THROUGHPUT = {"fast": 9.8 / 2, "accurate": 5.4 / 2}
"""Megapixels a second and core: receipts of 16384 x 16384 pixels on two cores with bfloat16, as the README has it."""


class Run(NamedTuple):
    """Seconds since 1970 in which so many megapixels were read."""

    begin: float
    end: float
    megapixels: float


class Throughput(NamedTuple):
    """Megapixels a second (0: nobody knows), and where the number comes from."""

    megapixels: float
    origin: str


class _Workload(NamedTuple):
    pages: int
    tiles: int
    megapixels: float


def print_estimate(
    images: Iterable[InputImage], options: ReadOptions, *, settings: Settings, throughput: Throughput, display: Display
) -> int:
    """Say what reading the images would take; give the exit code of the first that cannot be read."""
    codes, sizes, show = [0], [], _format_json_row if isinstance(display, JsonLinesDisplay) else _format_row
    for image in images:
        try:
            sizes.append(_measure_workload(image.path, options, settings))
        except InputError as error:
            print_error(error)
            codes.append(error.exit_code)
            continue
        click.echo(show(str(image.path), sizes[-1], throughput))
    total = _Workload(*(sum(column) for column in zip(*sizes, strict=True))) if sizes else _Workload(0, 0, 0.0)
    click.echo(show("", total, throughput))
    return next((code for code in codes if code), 0)


def find_throughput(
    options: ReadOptions, entries: Iterable[JournalEntry], *, settings: Settings, in_process: bool
) -> Throughput:
    """Tell the throughput from the rows of this profile, else from the farm's jobs, else from a table."""
    name, model = options.profile.name, options.profile.recognizer
    rows = [
        Run(row.ended - row.seconds, row.ended, row.megapixels)
        for row in entries
        if row.profile == name and row.state == "complete"
    ]
    if rows:
        return Throughput(
            compute_throughput(rows), f"{_pluralize(len(rows), 'image')} read into this folder with {name}"
        )
    if settings.endpoints.broker and not in_process:
        jobs = [
            Run(job.started, job.finished, job.pixels / 1e6)
            for job in Client(settings=settings).jobs()
            if job.model == model and job.state == "complete"
        ]
        return Throughput(compute_throughput(jobs), f"{len(jobs)} jobs that the farm has read with {model}")
    from ocrfarm.farm.embedded.farm import default_layout

    cores = default_layout().recognizers
    if name in _REFERENCE_THROUGHPUT:
        where = f"{_REFERENCE_THROUGHPUT[name] * 2} MP/s, measured on 2 cores of another machine, for {cores} cores"
        return Throughput(_REFERENCE_THROUGHPUT[name] * cores, where)
    return Throughput(0.0, f"nothing has been read with {name} yet")


def compute_throughput(runs: Iterable[Run]) -> float:
    """Give megapixels a second of the time in which anything was read; 0 where nothing was."""
    busy, last, megapixels = 0.0, 0.0, 0.0
    for run in sorted(runs):
        busy += max(run.end - max(run.begin, last), 0.0)
        last = max(last, run.end)
        megapixels += run.megapixels
    return megapixels / busy if busy else 0.0


def _measure_workload(path: Path, options: ReadOptions, settings: Settings) -> _Workload:
    try:
        from ocrfarm.image import Limits, open_source
        from ocrfarm.pipeline import resolve_overlap, tile_pages
    except ImportError as error:
        raise MissingPackage("--dry-run looks at images, which needs pyvips; pip install 'ocrfarm[cpu]'") from error
    source = open_source(path, Limits(**settings.limits.overrides), selection=options.selection)
    pages = tile_pages(source, resolve_overlap(source, options.profile), selection=options.selection)
    sizes = source.page_sizes
    return _Workload(len(sizes), sum(map(len, pages)), sum(size.area for size in sizes) / 1e6)


def _format_row(name: str, size: _Workload, throughput: Throughput) -> str:
    what = f"{_pluralize(size.pages, 'page')}, {size.megapixels:,.1f} megapixels, {_pluralize(size.tiles, 'tile')}"
    duration = (
        _format_duration(size.megapixels / throughput.megapixels) if throughput.megapixels else "nobody knows how long"
    )
    if name:
        return f"{name}: {what}, {duration}"
    note = "blank tiles cost nothing, loading the models takes seconds more"
    return f"all: {what}, {duration} ({throughput.origin}); {note}"


def _format_json_row(name: str, size: _Workload, throughput: Throughput) -> str:
    seconds = round(size.megapixels / throughput.megapixels, 1) if throughput.megapixels else None
    kind = {"event": "plan", "file": name} if name else {"event": "end", "origin": throughput.origin}
    rounded = size._replace(megapixels=round(size.megapixels, 3))
    return json.dumps({**kind, **rounded._asdict(), "seconds": seconds}, ensure_ascii=False)


def _pluralize(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _format_duration(seconds: float) -> str:
    """Give a time as people say it."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
