"""`scripts/bench speed`: ocrfarm against the loop round another library, same models, same sheet, round by round."""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import click
import pyvips

from ocrfarm.client import Client
from ocrfarm.farm.embedded.farm import EmbeddedFarm
from ocrfarm.geometry import Quad
from ocrfarm.recognize import Profile
from ocrfarm.recognize.runtime import has_bf16
from ocrfarm.settings import Settings
from tests.benchmarks import rivals
from tests.benchmarks.record import Value, record_figures, record_option, sheet_name
from tests.benchmarks.word_scores import score_words

SIZES = {"fast": "tiny", "accurate": "small", "cascade": "small", "mixed": "small"}
"""Which models the rivals of a profile hold."""


class Round(NamedTuple):
    """One reading of the sheet: seconds, and lines as (text, four corners)."""

    seconds: float
    lines: list[tuple[str, Any]]


@dataclass
class Competitor:
    """What takes part: how it reads the sheet once, and its rounds so far."""

    name: str
    read: Callable[[], Round]
    rounds: list[Round] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median of its rounds."""
        return statistics.median(each.seconds for each in self.rounds)


def race(entrants: Sequence[Competitor], rounds: int) -> None:
    """Let them read in turn; the order changes from round to round."""
    for number in range(rounds):
        for entrant in entrants if number % 2 == 0 else reversed(entrants):
            entrant.rounds.append(entrant.read())


@click.command()
@click.argument("sheet", type=click.Path(exists=True, path_type=Path))
@click.option("--profile", "profiles", multiple=True, default=("fast", "accurate"), show_default=True)
@click.option("--rounds", default=3, show_default=True, help="The order changes from round to round.")
@click.option("--rivals", "python", type=click.Path(exists=True), help="A Python that has rapidocr and faster-paddle.")
@record_option
def speed(sheet: Path, profiles: tuple[str, ...], rounds: int, python: str | None, record: bool) -> None:
    """Read SHEET, an image with its truth in SHEET.json, with ocrfarm and with its rivals."""
    image = pyvips.Image.new_from_file(str(sheet))
    megapixels = image.width * image.height / 1e6
    click.echo(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, bfloat16: {has_bf16()}")
    click.echo(", ".join(f"{name} {version(name)}" for name in ("ocrfarm", "paddleocr", "onnxruntime-openvino")))
    figures: dict[str, tuple[Value, str]] = {}
    for profile in profiles:
        with _entrants(profile, sheet, python) as entrants:
            race(entrants, rounds)
        f1 = _score(sheet, entrants)
        _report(profile, entrants, f1, megapixels=megapixels)
        for entrant in entrants:
            name = f"speed.{sheet_name(image.width)}.{_figure_name(entrant.name, profile)}"
            figures[f"{name}.seconds"] = round(entrant.seconds, 1), "s"
            figures[f"{name}.rate"] = round(megapixels / entrant.seconds, 2), "MP/s"
            figures[f"{name}.f1"] = round(f1[entrant.name], 4), "F1"
    if record:
        record_figures(figures)


def _figure_name(entrant: str, profile: str) -> str:
    """Return `fast` for ocrfarm with that profile, and `paddleocr_tiny` for "PaddleOCR, tiny"."""
    return profile if entrant == "ocrfarm" else re.sub(r"\W+", "_", entrant.lower())


@contextmanager
def _entrants(profile: str, sheet: Path, python: str | None) -> Iterator[list[Competitor]]:
    """Start everything that takes part, warm: only what reads works at a time."""
    size = SIZES[profile]
    names = {"PaddleOCR": sys.executable}
    if python:
        names |= {
            name: python for name in rivals.RIVALS if name != "PaddleOCR" and (name, size) != ("RapidOCR", "tiny")
        }
    with ExitStack() as stack:
        farm = stack.enter_context(EmbeddedFarm(profile, base_settings=Settings.from_env(os.environ)))
        farm.wait_ready()
        entrants = [Competitor("ocrfarm", read_with_ocrfarm(farm, profile, sheet))]
        for name, interpreter in names.items():
            entrants.append(Competitor(f"{name}, {size}", stack.enter_context(_rival(interpreter, name, size, sheet))))
        yield entrants


def read_with_ocrfarm(farm: EmbeddedFarm, profile: str | Profile, sheet: Path) -> Callable[[], Round]:
    """Give what hands the sheet to a farm and waits for its lines."""
    client = Client(settings=farm.settings)

    def read() -> Round:
        since = time.perf_counter()
        document = client.submit(sheet, profile=profile).result()
        return Round(time.perf_counter() - since, [(line.text, line.quad.points) for line in document.lines])

    return read


@contextmanager
def _rival(python: str, name: str, size: str, sheet: Path) -> Iterator[Callable[[], Round]]:
    command = [python, rivals.__file__, name, size, str(sheet)]
    pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=quiet) as process:
        assert process.stdin
        assert process.stdout
        answers, orders = process.stdout, process.stdin
        _expect_answer(answers, name, lambda line: line == "ready\n")

        def read() -> Round:
            orders.write("go\n")
            orders.flush()
            figures = json.loads(_expect_answer(answers, name, lambda line: line.startswith('{"seconds"')))
            return Round(figures["seconds"], figures["lines"])

        yield read
        orders.close()


def _expect_answer(answers: Any, name: str, wanted: Callable[[str], bool]) -> str:
    """Give the next line that is wanted; libraries print what they like."""
    for line in answers:
        if wanted(line):
            return str(line)
    raise click.ClickException(f"{name} ended; run tests/benchmarks/rivals.py by itself to see why")


def _score(sheet: Path, entrants: list[Competitor]) -> dict[str, float]:
    """Return the F1 of each entrant's words in its last round."""
    truth = [
        (line["text"], Quad.from_points(line["quad"]))
        for line in json.loads(Path(f"{sheet}.json").read_text(encoding="utf-8"))["lines"]
    ]
    return {
        entrant.name: score_words([(text, Quad.from_points(quad)) for text, quad in entrant.rounds[-1].lines], truth).f1
        for entrant in entrants
    }


def _report(profile: str, entrants: list[Competitor], f1: Mapping[str, float], *, megapixels: float) -> None:
    for entrant in entrants:
        every = " ".join(f"{each.seconds:.1f}" for each in entrant.rounds)
        click.echo(
            f"{profile:9} {entrant.name:22} {entrant.seconds:7.1f} s  {megapixels / entrant.seconds:6.2f} MP/s  "
            f"{entrant.seconds / entrants[0].seconds:5.2f} x ocrfarm's time  F1 {f1[entrant.name]:.4f}  ({every})"
        )
