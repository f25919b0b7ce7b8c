"""`scripts/bench read`: a farm reads a large sheet; how much it finds, how long it takes and what it costs."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from ocrfarm.client import Client
from ocrfarm.document import Document
from ocrfarm.farm.embedded.farm import EmbeddedFarm
from ocrfarm.geometry import Quad, Size
from ocrfarm.sample import write_sample
from ocrfarm.settings import Settings
from tests.benchmarks.record import Value, record_figures, record_option, sheet_name
from tests.benchmarks.word_scores import Score, score_words

_SIDE = 16384
_STARTS = 5


@click.command()
@click.argument("sheet", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--profile", "profiles", multiple=True, default=("fast", "accurate"), show_default=True)
@record_option
def read(sheet: Path | None, profiles: tuple[str, ...], record: bool) -> None:
    """Read SHEET, an image with its truth in SHEET.json ({"lines": [{"text", "quad"}]}); else a sample page."""
    figures: dict[str, tuple[Value, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        if not sheet:
            sheet = Path(folder) / "sample.png"
            write_sample(sheet, Size(_SIDE, _SIDE), seed=1, font=None)
        for profile in profiles:
            document, score = _read(sheet, profile)
            for name, value in _figures(document, score):
                click.echo(f"{profile:10} {name:44} {value}")
            figures |= _recorded(document, score, profile)
    for name, command in (
        ("import ocrfarm", ["-c", "import ocrfarm"]),
        ("ocrfarm --help", ["-m", "ocrfarm.cli", "--help"]),
    ):
        seconds = _seconds([sys.executable, *command])
        figures[f"start.{name.split()[-1].strip('-')}"] = round(seconds, 3), "s"
        click.echo(f"{'start':10} {name:44} {seconds:.3f} s")
    if record:
        record_figures(figures)


def _read(sheet: Path, profile: str) -> tuple[Document, Score]:
    """Let a warm farm read the sheet, and compare the words with the truth."""
    with EmbeddedFarm(profile, base_settings=Settings.from_env(os.environ)) as farm:
        farm.wait_ready()
        document = Client(settings=farm.settings).submit(sheet, profile=profile).result()
    truth = json.loads(Path(f"{sheet}.json").read_text(encoding="utf-8"))["lines"]
    return document, score_words(
        ((line.text, line.quad) for line in document.lines),
        ((line["text"], Quad.from_points(line["quad"])) for line in truth),
    )


def _figures(document: Document, found: Score) -> Iterator[tuple[str, str]]:
    yield "words: F1", f"{found.f1:.4f} ({found.hits} of {found.truth} found, {found.found - found.hits} wrong)"
    yield "words: duplicates", f"{found.duplicates} ({found.duplicates / max(found.found, 1):.2%})"
    yield from _costs(document)


def _costs(document: Document) -> Iterator[tuple[str, str]]:
    timing = document.timing
    slots, wall, engine = timing["slots"], timing["wall"], timing["engine"]
    megapixels = sum(page.size.area for page in document.pages) / 1e6
    yield (
        "time",
        f"{wall:.1f} s, {megapixels / wall:.2f} MP/s; split {timing['split']:.1f} s, stitch {timing['stitch']:.1f} s",
    )
    yield "time / (engine seconds / slots)", f"{wall * slots / engine:.3f} ({engine:.1f} s, {slots:.0f} slots)"
    for stage in ("split", "recognize", "stitch"):
        yield f"peak memory, {stage}", f"{timing[f'peak_{stage}_mb']:.0f} MB"


def _recorded(document: Document, score: Score, profile: str) -> dict[str, tuple[Value, str]]:
    timing, sheet = document.timing, f"read.{sheet_name(document.pages[0].size.width)}"
    return {
        f"{sheet}.words": (score.truth, ""),
        f"{sheet}.{profile}.lines": (len(document.lines), ""),
        f"{sheet}.{profile}.duplicates": (score.duplicates, ""),
        f"{sheet}.{profile}.overhead": (round(timing["wall"] * timing["slots"] / timing["engine"], 2), ""),
        f"{sheet}.{profile}.memory.split": (round(timing["peak_split_mb"]), "MB"),
        f"{sheet}.{profile}.memory.recognize": (round(timing["peak_recognize_mb"]), "MB"),
    }


def _seconds(command: list[str]) -> float:
    """Median over several starts."""
    times = []
    for _ in range(_STARTS):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return statistics.median(times)
