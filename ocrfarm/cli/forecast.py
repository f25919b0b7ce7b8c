"""`ocrfarm read --dry-run`: how many tiles there are, how long they may take, and where that number comes from."""

import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import click

from ocrfarm.cli.ledger import Entry
from ocrfarm.cli.main import complain
from ocrfarm.cli.order import Order
from ocrfarm.cli.screen import Lines, Screen
from ocrfarm.cli.sources import Picture
from ocrfarm.client import Client
from ocrfarm.errors import InputError, MissingPackage
from ocrfarm.settings import Settings

_MEASURED = {"fast": 9.8 / 2, "accurate": 5.4 / 2}
"""Megapixels a second and core: receipts of 16384 x 16384 pixels on two cores with bfloat16, as the README has it."""


class Span(NamedTuple):
    """Seconds since 1970 in which so many megapixels were read."""

    begin: float
    end: float
    megapixels: float


class Pace(NamedTuple):
    """Megapixels a second (0: nobody knows), and where the number comes from."""

    megapixels: float
    origin: str


class _Size(NamedTuple):
    pages: int
    tiles: int
    megapixels: float


def forecast(pictures: Iterable[Picture], order: Order, *, settings: Settings, pace: Pace, screen: Screen) -> int:
    """Say what reading the pictures would take; give the exit code of the first that cannot be read."""
    codes, sizes, show = [0], [], _json_row if isinstance(screen, Lines) else _row
    for picture in pictures:
        try:
            sizes.append(_planned(picture.path, order, settings))
        except InputError as error:
            complain(error)
            codes.append(error.exit_code)
            continue
        click.echo(show(str(picture.path), sizes[-1], pace))
    total = _Size(*(sum(column) for column in zip(*sizes, strict=True))) if sizes else _Size(0, 0, 0.0)
    click.echo(show("", total, pace))
    return next((code for code in codes if code), 0)


def known_pace(order: Order, entries: Iterable[Entry], *, settings: Settings, in_process: bool) -> Pace:
    """Tell the pace from the rows of this profile, else from the farm's jobs, else from what was measured elsewhere."""
    name, model = order.profile.name, order.profile.recognizer
    rows = [
        Span(row.ended - row.seconds, row.ended, row.megapixels)
        for row in entries
        if row.profile == name and row.state == "complete"
    ]
    if rows:
        return Pace(pace_of(rows), f"{_many(len(rows), 'picture')} read into this folder with {name}")
    if settings.places.broker and not in_process:
        jobs = [
            Span(job.started, job.finished, job.pixels / 1e6)
            for job in Client(settings=settings).jobs()
            if job.model == model and job.state == "complete"
        ]
        return Pace(pace_of(jobs), f"{len(jobs)} jobs that the farm has read with {model}")
    cores = importlib.import_module("ocrfarm.farm.local").machine_shape().recognizers
    if name in _MEASURED:
        where = f"{_MEASURED[name] * 2} MP/s, measured on 2 cores of another machine, for {cores} cores"
        return Pace(_MEASURED[name] * cores, where)
    return Pace(0.0, f"nothing has been read with {name} yet")


def pace_of(spans: Iterable[Span]) -> float:
    """Give megapixels a second of the time in which anything was read; 0 where nothing was."""
    busy, last, megapixels = 0.0, 0.0, 0.0
    for span in sorted(spans):
        busy += max(span.end - max(span.begin, last), 0.0)
        last = max(last, span.end)
        megapixels += span.megapixels
    return megapixels / busy if busy else 0.0


def _planned(path: Path, order: Order, settings: Settings) -> _Size:
    image, pipeline = _decoder(), importlib.import_module("ocrfarm.pipeline")
    source = image.open_source(path, image.Limits(**settings.limits.given), scope=order.scope)
    pages = pipeline.plan_pages(source, pipeline.fitted(source, order.profile), scope=order.scope)
    return _Size(len(source.pages), sum(map(len, pages)), sum(page.area for page in source.pages) / 1e6)


def _decoder() -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module("ocrfarm.image")
    except ImportError as error:
        raise MissingPackage("--dry-run looks at pictures, which needs pyvips; pip install 'ocrfarm[cpu]'") from error


def _row(name: str, size: _Size, pace: Pace) -> str:
    what = f"{_many(size.pages, 'page')}, {size.megapixels:,.1f} megapixels, {_many(size.tiles, 'tile')}"
    told = _span(size.megapixels / pace.megapixels) if pace.megapixels else "nobody knows how long"
    if name:
        return f"{name}: {what}, {told}"
    return f"all: {what}, {told} ({pace.origin}); blank tiles cost nothing, loading the models takes seconds more"


def _json_row(name: str, size: _Size, pace: Pace) -> str:
    seconds = round(size.megapixels / pace.megapixels, 1) if pace.megapixels else None
    kind = {"event": "plan", "file": name} if name else {"event": "end", "origin": pace.origin}
    rounded = size._replace(megapixels=round(size.megapixels, 3))
    return json.dumps({**kind, **rounded._asdict(), "seconds": seconds}, ensure_ascii=False)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _span(seconds: float) -> str:
    """Give a time as people say it."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
