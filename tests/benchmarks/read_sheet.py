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
from tests.benchmarks.word_scores import score_words

_SIDE = 16384
_STARTS = 5


@click.command()
@click.argument("sheet", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--profile", "profiles", multiple=True, default=("fast", "accurate"), show_default=True)
def read(sheet: Path | None, profiles: tuple[str, ...]) -> None:
    """Read SHEET, an image with its truth in SHEET.json ({"lines": [{"text", "quad"}]}); else a sample page."""
    with tempfile.TemporaryDirectory() as folder:
        if not sheet:
            sheet = Path(folder) / "sample.png"
            write_sample(sheet, Size(_SIDE, _SIDE), seed=1, font=None)
        for profile in profiles:
            for name, value in _figures(sheet, profile):
                click.echo(f"{profile:10} {name:44} {value}")
    for name, command in (
        ("import ocrfarm", ["-c", "import ocrfarm"]),
        ("ocrfarm --help", ["-m", "ocrfarm.cli", "--help"]),
    ):
        click.echo(f"{'start':10} {name:44} {_seconds([sys.executable, *command]):.3f} s")


def _figures(sheet: Path, profile: str) -> Iterator[tuple[str, str]]:
    with EmbeddedFarm(profile, base_settings=Settings.from_env(os.environ)) as farm:
        farm.wait_ready()
        document = Client(settings=farm.settings).submit(sheet, profile=profile).result()
    truth = json.loads(Path(f"{sheet}.json").read_text(encoding="utf-8"))["lines"]
    found = score_words(
        ((line.text, line.quad) for line in document.lines),
        ((line["text"], Quad.from_points(line["quad"])) for line in truth),
    )
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


def _seconds(command: list[str]) -> float:
    """Median over several starts."""
    times = []
    for _ in range(_STARTS):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return statistics.median(times)
