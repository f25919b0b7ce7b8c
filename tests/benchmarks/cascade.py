"""`scripts/bench cascade`: what a second, stronger recognizer gains on a sheet, by how many lines it reads again."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click

from ocrfarm.document import Line
from ocrfarm.geometry import Quad
from ocrfarm.image import Limits, open_source
from ocrfarm.pipeline import run_pipeline
from ocrfarm.recognize import Cascade, EnginePair, Profile, Runtime, WeightsFolders, find_profile, load_engine
from ocrfarm.recognize.runtime import has_bf16
from ocrfarm.settings import Settings
from tests.benchmarks.record import record_figures, record_option, sheet_name
from tests.benchmarks.word_scores import score_words

CONFIDENCE_THRESHOLDS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.97, 1.0)


@dataclass(frozen=True, slots=True)
class Point:
    """One way to read the sheet: F1 of its words, CPU seconds, and the share of lines that the strong model read."""

    name: str
    f1: float
    seconds: float
    strong: float


@click.command()
@click.argument("sheet", type=click.Path(exists=True, path_type=Path))
@click.option("--precision", default="auto", show_default=True, help="fp32 to see it without bfloat16.")
@record_option
def cascade(sheet: Path, precision: str, record: bool) -> None:
    """Read SHEET, an image with its truth in SHEET.json, in one process of one thread; seconds are the processor's."""
    points = list(_points(sheet, Runtime(threads=1, precision=precision)))
    first, last = points[0], points[-1]
    rows = [["reading", "F1", "of the gain", "lines read again", "time / `accurate`"]]
    for point in points:
        gain = (point.f1 - first.f1) / max(last.f1 - first.f1, 1e-9)
        click.echo(
            f"{point.name:16} F1 {point.f1:.4f}  {gain:7.1%} of the gain  {point.strong:6.1%} of the lines by the "
            f"strong model  {point.seconds:6.1f} s, {point.seconds / last.seconds:.2f} x accurate"
        )
        shares = [f"{gain:.1%}", f"{point.strong:.1%}", f"{point.seconds / last.seconds:.2f}"]
        rows.append([point.name, f"{point.f1:.4f}", *shares])
    if record:
        width = open_source(sheet).page_sizes[0].width
        kind = "fp32" if precision == "fp32" or not has_bf16() else "bf16"
        record_figures({f"cascade.{sheet_name(width)}.{kind}": (rows, "table")})


def _points(sheet: Path, runtime: Runtime) -> Iterator[Point]:
    yield _point("fast", sheet, find_profile("fast").with_runtime(runtime))
    profile = find_profile("cascade").with_runtime(runtime)
    for min_confidence in CONFIDENCE_THRESHOLDS:
        chosen = replace(profile, cascade=Cascade(profile.cascade.recognizer, min_confidence))
        yield _point(f"cascade, {min_confidence:g}", sheet, chosen)
    yield _point("accurate", sheet, find_profile("accurate").with_runtime(runtime))


def _point(name: str, sheet: Path, profile: Profile) -> Point:
    settings = Settings.from_env(os.environ)
    folders = WeightsFolders(settings.cache_path, settings.models_path)
    engine = load_engine(profile, folders)
    engines = (
        EnginePair(engine, load_engine(profile.second_pass_profile, folders)) if profile.cascade.recognizer else engine
    )
    since = time.process_time()
    lines = run_pipeline(sheet, engines, profile=profile, limits=Limits()).document.lines
    seconds = time.process_time() - since
    return Point(name, _f1(sheet, lines), seconds, _share(lines, find_profile("cascade").cascade.recognizer))


def _share(lines: tuple[Line, ...], model: str) -> float:
    return sum(line.model == model for line in lines) / max(len(lines), 1)


def _f1(sheet: Path, lines: tuple[Line, ...]) -> float:
    truth = json.loads(Path(f"{sheet}.json").read_text(encoding="utf-8"))["lines"]
    wanted = ((line["text"], Quad.from_points(line["quad"])) for line in truth)
    return score_words(((line.text, line.quad) for line in lines), wanted).f1
