"""`ocrfarm read --dry-run`: how many tiles there are, how long they may take, and what the estimate is based on."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ocrfarm.cli.batch import concerns_one_image, describe_failure, exit_code_of
from ocrfarm.cli.display import Display, JsonLinesDisplay
from ocrfarm.cli.journal import JournalEntry
from ocrfarm.cli.main import echo
from ocrfarm.cli.options import ReadOptions
from ocrfarm.cli.sources import InputImage
from ocrfarm.client import Client
from ocrfarm.errors import MissingPackage
from ocrfarm.printable import printable_json
from ocrfarm.settings import Settings

_REFERENCE_THROUGHPUT = {"fast": 9.8 / 2, "accurate": 5.4 / 2}
"""Megapixels per second and core, measured on two cores with bfloat16 and pages of receipts of 16384 x 16384 pixels."""


class Run(NamedTuple):
    """The reading of one image: begin and end in seconds since 1970, and its megapixels."""

    begin: float
    end: float
    megapixels: float


class Throughput(NamedTuple):
    """Megapixels per second (0 if there are no data), and what the number is based on."""

    megapixels: float
    based_on: str


class _Workload(NamedTuple):
    pages: int
    tiles: int
    megapixels: float


def print_estimate(
    images: Iterable[InputImage], options: ReadOptions, *, settings: Settings, throughput: Throughput, display: Display
) -> int:
    """Print what reading the images would take, one line for each and one for all.

    Args:
        images: Images that would be read.
        options: Profile and selection.
        settings: Limits on images.
        throughput: What the time is calculated from.
        display: Decides whether lines are text or JSON.

    Returns:
        The exit code of the first image that cannot be read, or 0.
    """
    codes, sizes, show = [0], [], _format_json_row if isinstance(display, JsonLinesDisplay) else _format_row
    for image in images:
        try:
            sizes.append(_measure_workload(image.path, options, settings))
        except Exception as error:
            if not concerns_one_image(error):
                raise
            echo(f"ocrfarm: {describe_failure(error, str(image.path))}", err=True)
            codes.append(exit_code_of(error))
            continue
        echo(show(str(image.path), sizes[-1], throughput))
    total = _Workload(*(sum(column) for column in zip(*sizes, strict=True))) if sizes else _Workload(0, 0, 0.0)
    echo(show("", total, throughput))
    return next((code for code in codes if code), 0)


def find_throughput(
    options: ReadOptions, entries: Iterable[JournalEntry], *, settings: Settings, in_process: bool
) -> Throughput:
    """Return the throughput of earlier images with this profile, of the farm's jobs, or of a reference measurement.

    Args:
        options: Profile and selection.
        entries: Rows of the journal.
        settings: If they name a broker, its complete jobs are considered.
        in_process: Whether images would be read without a farm.
    """
    name = options.profile.name
    if runs := [
        Run(row.ended - row.seconds, row.ended, row.megapixels)
        for row in entries
        if row.profile == name and row.state == "complete"
    ]:
        return Throughput(
            compute_throughput(runs), f"{_pluralize(len(runs), 'image')} read into this folder with {name}"
        )
    if settings.endpoints.broker and not in_process:
        return _farm_throughput(options.profile.recognizer, settings)
    return _reference_throughput(name)


def _farm_throughput(model: str, settings: Settings) -> Throughput:
    runs = [
        Run(job.started, job.finished, job.pixels / 1e6)
        for job in Client(settings=settings).jobs()
        if job.model == model and job.state == "complete"
    ]
    return Throughput(compute_throughput(runs), f"{_pluralize(len(runs), 'job')} that the farm has read with {model}")


def _reference_throughput(profile: str) -> Throughput:
    from ocrfarm.farm.embedded.farm import default_layout

    if profile not in _REFERENCE_THROUGHPUT:
        return Throughput(0.0, f"nothing has been read with {profile} yet")
    cores = default_layout().recognizers
    measured = f"{_REFERENCE_THROUGHPUT[profile] * 2} MP/s, measured on 2 cores of another machine"
    return Throughput(_REFERENCE_THROUGHPUT[profile] * cores, f"{measured}, for {cores} cores")


def compute_throughput(runs: Iterable[Run]) -> float:
    """Return the megapixels per second of the time in which anything was read; 0 if nothing was.

    Times in which several images were read at once count once, and pauses do not count:

    >>> compute_throughput([Run(0, 10, 50), Run(5, 10, 50), Run(100, 110, 100)])
    10.0
    """
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
        raise MissingPackage("--dry-run opens the images, which needs pyvips; pip install 'ocrfarm[cpu]'") from error
    source = open_source(path, Limits(**settings.limits.overrides), selection=options.selection)
    pages = tile_pages(source, resolve_overlap(source, options.profile), selection=options.selection)
    sizes = source.page_sizes
    return _Workload(len(sizes), sum(map(len, pages)), sum(size.area for size in sizes) / 1e6)


def _format_row(name: str, size: _Workload, throughput: Throughput) -> str:
    amount = f"{_pluralize(size.pages, 'page')}, {size.megapixels:,.1f} megapixels, {_pluralize(size.tiles, 'tile')}"
    duration = (
        _format_duration(size.megapixels / throughput.megapixels) if throughput.megapixels else "no timing data yet"
    )
    if name:
        return f"{name}: {amount}, {duration}"
    note = "blank tiles cost nothing, and loading the models takes some seconds more"
    return f"all: {amount}, {duration} ({throughput.based_on}); {note}"


def _format_json_row(name: str, size: _Workload, throughput: Throughput) -> str:
    seconds = round(size.megapixels / throughput.megapixels, 1) if throughput.megapixels else None
    kind = {"event": "plan", "file": name} if name else {"event": "end", "based_on": throughput.based_on}
    rounded = size._replace(megapixels=round(size.megapixels, 3))
    return printable_json({**kind, **rounded._asdict(), "seconds": seconds})


def _pluralize(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> _pluralize(1, "page"), _pluralize(2000, "page")
    ('1 page', '2,000 pages')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _format_duration(seconds: float) -> str:
    """Return a duration in a suitable unit.

    >>> [_format_duration(seconds) for seconds in (0.3, 42, 600, 9000)]
    ['less than 1 s', 'about 42 s', 'about 10 min', 'about 2.5 h']
    """
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
