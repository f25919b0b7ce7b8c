"""A profile and a piece of a page -> how fast processes of this machine read it, what, and with how much memory."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any

from ocrfarm.geometry import Size
from ocrfarm.recognize import Profile
from ocrfarm.settings import Settings


@dataclass(frozen=True, slots=True)
class SampleCrop:
    """A piece of a page as a PNG file, a smaller one to warm up with, and the size of the first."""

    image: Path
    warmup_image: Path
    size: Size


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured: megapixels a second of all processes, words, and most megabytes of one; or why nothing was."""

    megapixels_per_second: float = 0.0
    words: "Counter[str]" = field(default_factory=Counter)
    peak_megabytes: float = 0.0
    error: str = ""


def measure(profile: Profile, crop: SampleCrop, *, settings: Settings, timeout: float) -> Measurement:
    """Let as many processes as the profile says read the piece at the same time.

    Processes of their own: a setting that crashes, takes more than `timeout` seconds or all memory ends only itself.
    """
    count = profile.runtime.processes or 1
    spec = {"profile": profile.to_json(), "image": str(crop.image), "warmup_image": str(crop.warmup_image)}
    with _start_workers(json.dumps(spec), count, settings, timeout) as readers:
        answers = [_read_answer(reader) for reader in readers]
        if all("ready" in answer for answer in answers):
            for reader in readers:
                _start_reading(reader)
            answers = [_read_answer(reader) for reader in readers]
    if trouble := next((answer["error"] for answer in answers if "error" in answer), ""):
        return Measurement(error=trouble)
    megapixels = count * crop.size.area / 1e6 / max(answer["seconds"] for answer in answers)
    return Measurement(megapixels, Counter(answers[0]["words"].split()), max(answer["megabytes"] for answer in answers))


def word_overlap(one: "Counter[str]", other: "Counter[str]") -> float:
    """Give the share of words, wherever they stand, that both have; 1 where neither has any."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 1.0


@contextmanager
def _start_workers(
    spec: str, count: int, settings: Settings, timeout: float
) -> Iterator[list["subprocess.Popen[str]"]]:
    variables = os.environ | settings.to_env()
    command = [sys.executable, "-m", "ocrfarm.benchmark.bench_worker", spec]
    readers = [
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
    clock = Timer(timeout, _kill_workers, [readers])
    clock.start()
    try:
        yield readers
    finally:
        clock.cancel()
        _kill_workers(readers)
        for reader in readers:
            reader.communicate()


def _kill_workers(workers: list["subprocess.Popen[str]"]) -> None:
    for reader in workers:
        reader.kill()


def _start_reading(worker: "subprocess.Popen[str]") -> None:
    assert worker.stdin
    worker.stdin.write("go\n")
    worker.stdin.flush()


def _read_answer(worker: "subprocess.Popen[str]") -> dict[str, Any]:
    """Give the next line of a reader; where it ends without a word, that."""
    assert worker.stdout
    line = worker.stdout.readline()
    if line:
        found: dict[str, Any] = json.loads(line)
        return found
    code = worker.wait()
    return {
        "error": f"it took too long or all memory, and was killed by signal {-code}" if code < 0 else f"exit {code}"
    }
