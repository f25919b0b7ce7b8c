"""A profile and a part of a page -> how fast processes of this machine read it, what, and with how much memory.

python -m ocrfarm.benchmark.measure SPEC is one of these processes: it loads an engine, reads a small image to warm up,
prints "ready", waits for a line on standard input, reads the image and prints what it measured.
"""

import json
import os
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np

from ocrfarm.errors import OcrfarmError
from ocrfarm.geometry import Box, Size
from ocrfarm.image import Limits, Pixels, encode_tile, open_source
from ocrfarm.parent_process import die_with_parent
from ocrfarm.pipeline import run_pipeline
from ocrfarm.recognize import Profile, WeightsFolders, load_engine
from ocrfarm.settings import Settings

CROP_SIZE = 4096
"""Side in pixels: about four tiles and their seams, which take a CPU some seconds."""

_WARMUP_SIZE = 1024
"""Side in pixels of the corner that an engine reads to warm up."""

_MIN_INK_CONTRAST = 48
"""Grey levels by which ink differs from the paper."""


@dataclass(frozen=True, slots=True)
class SampleCrop:
    """A part of a page as a PNG file, a smaller part to warm up with, and the size of the first."""

    image: Path
    warmup_image: Path
    size: Size


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured, or the reason why nothing was.

    Attributes:
        megapixels_per_second: Throughput of all processes together.
        words: How often each word was read.
        peak_megabytes: Memory of the largest process.
        error: Why the measurement failed; empty if it did not.
    """

    megapixels_per_second: float = 0.0
    words: "Counter[str]" = field(default_factory=Counter)
    peak_megabytes: float = 0.0
    error: str = ""


def cut_sample_crop(path: Path, folder: Path, *, settings: Settings) -> SampleCrop:
    """Cut the part with the most text out of an image's first page.

    Args:
        path: Path of the image.
        folder: Folder for the parts.
        settings: Limits on images.

    Raises:
        InputError: The image cannot be read.
    """
    raster = open_source(path, Limits(**settings.limits.overrides)).page(0)
    size = Size(min(raster.size.width, CROP_SIZE), min(raster.size.height, CROP_SIZE))
    box = _find_densest_box(raster.overview(), raster.size, size)
    ((_, pixels),) = raster.cut([box])
    crop = SampleCrop(folder / "crop.png", folder / "warmup.png", size)
    crop.image.write_bytes(encode_tile(pixels))
    crop.warmup_image.write_bytes(encode_tile(pixels[:_WARMUP_SIZE, :_WARMUP_SIZE]))
    return crop


def _find_densest_box(overview: Pixels, page: Size, size: Size) -> Box:
    """Return the box of this size with the most ink, by a summed-area table of the overview."""
    grey = overview if overview.ndim == 2 else overview.min(axis=2)
    factor = page.width / grey.shape[1]
    ink = np.abs(grey.astype(np.int16) - np.median(grey)) > _MIN_INK_CONTRAST
    sums = np.pad(ink.cumsum(axis=0, dtype=np.int64).cumsum(axis=1), ((1, 0), (1, 0)))
    rows, cols = (max(round(side / factor), 1) for side in (size.height, size.width))
    inside = sums[rows:, cols:] - sums[:-rows, cols:] - sums[rows:, :-cols] + sums[:-rows, :-cols]
    row, col = np.unravel_index(int(inside.argmax()), inside.shape)
    x, y = min(int(col * factor), page.width - size.width), min(int(row * factor), page.height - size.height)
    return Box(x, y, x + size.width, y + size.height)


def measure(profile: Profile, crop: SampleCrop, *, settings: Settings, timeout: float) -> Measurement:
    """Let as many processes as the profile asks for read the part at the same time.

    They are processes of their own, so that a setting that crashes, hangs or takes all memory ends only itself.

    Args:
        profile: The profile to measure.
        crop: The part of a page.
        settings: Folders of the weights.
        timeout: Seconds after which the processes are killed.
    """
    count = profile.runtime.processes or 1
    spec = {"profile": profile.to_json(), "image": str(crop.image), "warmup_image": str(crop.warmup_image)}
    with _start_workers(json.dumps(spec), count, settings, timeout) as workers:
        answers = [_read_answer(worker) for worker in workers]
        if all("ready" in answer for answer in answers):
            for worker in workers:
                _start_reading(worker)
            answers = [_read_answer(worker) for worker in workers]
    if error := next((answer["error"] for answer in answers if "error" in answer), ""):
        return Measurement(error=error)
    megapixels = count * crop.size.area / 1e6 / max(answer["seconds"] for answer in answers)
    return Measurement(megapixels, Counter(answers[0]["words"].split()), max(answer["megabytes"] for answer in answers))


def word_overlap(one: "Counter[str]", other: "Counter[str]") -> float:
    """Return the fraction of words that both have, wherever they stand; 1 if neither has any.

    >>> word_overlap(Counter("pump house 4711".split()), Counter("pump house 4711 room".split()))
    0.8571428571428571

    Args:
        one: How often each word occurs.
        other: The same of another reading.
    """
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 1.0


@contextmanager
def _start_workers(
    spec: str, count: int, settings: Settings, timeout: float
) -> Iterator[list["subprocess.Popen[str]"]]:
    variables = os.environ | settings.to_env()
    command = [sys.executable, "-m", "ocrfarm.benchmark.measure", spec]
    workers = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=variables,
        )
        for _ in range(count)
    ]
    clock = Timer(timeout, _kill_workers, [workers])
    clock.start()
    try:
        yield workers
    finally:
        clock.cancel()
        _kill_workers(workers)
        for worker in workers:
            worker.communicate()


def _kill_workers(workers: list["subprocess.Popen[str]"]) -> None:
    for worker in workers:
        worker.kill()


def _start_reading(worker: "subprocess.Popen[str]") -> None:
    assert worker.stdin
    worker.stdin.write("go\n")
    worker.stdin.flush()


def _read_answer(worker: "subprocess.Popen[str]") -> dict[str, Any]:
    """Return the next line of a process, or an error if it has ended."""
    assert worker.stdout
    line = worker.stdout.readline()
    if line:
        answer: dict[str, Any] = json.loads(line)
        return answer
    code = worker.wait()
    killed = f"it took too long or used all memory, and was killed by signal {-code}"
    return {"error": killed if code < 0 else f"it ended with exit code {code}"}


def main(spec: str) -> None:
    """Print one line of JSON when ready, and one when done: what was read, how long it took and how much memory."""
    die_with_parent()
    values: dict[str, Any] = json.loads(spec)
    profile, settings = Profile.from_json(values["profile"]), Settings.from_env(os.environ)
    engine = load_engine(profile, WeightsFolders(settings.cache_path, settings.models_path))
    run_pipeline(Path(values["warmup_image"]), engine, profile=profile)
    _write_answer(ready=True)
    if not sys.stdin.readline():
        return
    document = run_pipeline(Path(values["image"]), engine, profile=profile).document
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    _write_answer(seconds=document.timing["wall"], words=" ".join(line.text for line in document.lines), megabytes=peak)


def _write_answer(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except OcrfarmError as error:
        _write_answer(error=str(error))
        sys.exit(error.exit_code)
