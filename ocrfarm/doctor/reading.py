"""The models at work: loaded in a process of their own, which may crash, and shown a picture whose text is known.

python -m ocrfarm.doctor.reading: a profile as JSON on standard input, a `_Report` as JSON on standard output.
"""

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocrfarm import errors
from ocrfarm.doctor.finding import Case, Finding, bad, fine
from ocrfarm.errors import EngineError, OcrfarmError
from ocrfarm.recognize import Profile, WeightsFolders, load_engine
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.recognize import Pixels

GOLDEN = Path(__file__).parent / "golden.png"
TEXT = "PUMP HOUSE 4711"
"""What is written on the picture, in one line."""


@dataclass(frozen=True, slots=True)
class _Report:
    """What the process found: seconds to load, what runs the models and what they read, or which error came."""

    seconds: float = 0.0
    provider: str = ""
    text: str = ""
    kind: str = ""
    error: str = ""


def reading(case: Case) -> Iterator[Finding]:
    """Load the profile's models and let them read."""
    report = _asked(case)
    if report.kind:
        kind = getattr(errors, report.kind, EngineError)
        yield Finding("provider", "failure", report.error, kind=kind)
        return
    yield fine("provider", f"{report.provider} runs {case.profile.recognizer}, loaded in {report.seconds:.1f} s")
    if report.text == TEXT:
        yield fine("golden", f"the picture was read: {TEXT!r}")
    else:
        advice = "the weights or the engine's build are not what they should be; compare with another machine"
        yield bad("golden", f"{TEXT!r} was read as {report.text!r}", advice=advice, kind=EngineError)


def _asked(case: Case) -> _Report:
    command, profile = [sys.executable, "-m", "ocrfarm.doctor.reading"], json.dumps(case.profile.to_json())
    variables, limit = os.environ | case.settings.to_env(), case.settings.work.load_seconds
    try:
        done = subprocess.run(
            command, input=profile, env=variables, timeout=limit, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        return _Report(kind="EngineError", error=f"the models were not loaded in {limit} s (OCRFARM_LOAD_SECONDS)")
    last = (done.stdout.splitlines() or [""])[-1]
    if done.returncode or not last.startswith("{"):
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        return _Report(kind="EngineError", error=f"the engine's process ended with {done.returncode} and said: {said}")
    return _Report(**json.loads(last))


def main() -> None:
    """Load, read and report."""
    profile, settings = Profile.from_json(json.load(sys.stdin)), Settings.from_env(os.environ)
    try:
        report = _read(profile, settings)
    except OcrfarmError as error:
        report = _Report(kind=type(error).__name__, error=str(error))
    sys.stdout.write(f"\n{json.dumps(asdict(report))}\n")


def _read(profile: Profile, settings: Settings) -> _Report:
    since = time.monotonic()
    engine = load_engine(profile, WeightsFolders(settings.cache_folder, settings.models_folder))
    seconds = time.monotonic() - since
    found = engine.read(_picture(profile.runtime.engine))
    return _Report(seconds, _provider(profile), " ".join(fragment.text for fragment in found.fragments))


def _picture(engine: str) -> "Pixels":
    """Give the golden picture; for the engine that reads only planted lines, one of those."""
    pixels: Pixels
    if engine == "planted":
        planted, numpy = (importlib.import_module(name) for name in ("ocrfarm.recognize.planted", "numpy"))
        pixels = numpy.full((64, 512, 3), planted.PAPER, numpy.uint8)
        planted.plant(pixels, TEXT, x=10, y=10, height=32)
    else:
        image = importlib.import_module("ocrfarm.image")
        pixels = image.to_rgb(image.decode_tile(GOLDEN.read_bytes()))
    return pixels


def _provider(profile: Profile) -> str:
    """Name what runs the models; loading has made sure that it is what was asked for."""
    runtime = profile.runtime
    if runtime.engine != "onnxruntime":
        return f"{runtime.engine} on {runtime.device}"
    options = importlib.import_module("ocrfarm.recognize.runtime").engine_options(runtime)
    return f"{options['providers'][0]} on {runtime.device}"


if __name__ == "__main__":
    main()
