"""The smoke test: load the models in a separate process, which may crash, and read an image whose text is known.

python -m ocrfarm.doctor.smoke_test: a profile as JSON on standard input, a `_Report` as JSON on standard output.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocrfarm.doctor.finding import CheckContext, Finding, fail, ok
from ocrfarm.errors import EngineError, OcrfarmError, find_error
from ocrfarm.parent_process import die_with_parent
from ocrfarm.recognize import Profile, WeightsFolders, load_engine
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.recognize import RgbPixels

GOLDEN_IMAGE = Path(__file__).parent / "golden.png"
GOLDEN_TEXT = "PUMP HOUSE 4711"
"""The text of the image, one line."""


@dataclass(frozen=True, slots=True)
class _Report:
    """The answer of the process: seconds to load, what runs the models and what they read; or an error."""

    seconds: float = 0.0
    provider: str = ""
    text: str = ""
    kind: str = ""
    error: str = ""


def check_recognition(context: CheckContext) -> Iterator[Finding]:
    """Check that the profile's models can be loaded and read the known text."""
    report = _run_in_subprocess(context)
    if report.kind:
        kind = find_error(report.kind, EngineError)
        yield Finding("recognition.load", "failure", report.error, kind=kind)
        return
    yield ok(
        "recognition.load", f"{report.provider} runs {context.profile.recognizer}, loaded in {report.seconds:.1f} s"
    )
    if report.text == GOLDEN_TEXT:
        yield ok("recognition.text", f"the image was read: {GOLDEN_TEXT!r}")
    else:
        advice = "the weights or the engine differ from those of the release; compare with another machine"
        yield fail("recognition.text", f"{GOLDEN_TEXT!r} was read as {report.text!r}", advice=advice, kind=EngineError)


def _run_in_subprocess(context: CheckContext) -> _Report:
    command, profile = [sys.executable, "-m", "ocrfarm.doctor.smoke_test"], json.dumps(context.profile.to_json())
    variables, limit = os.environ | context.settings.to_env(), context.settings.task_limits.model_load_timeout
    try:
        done = subprocess.run(
            command, input=profile, env=variables, timeout=limit, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        return _Report(
            kind="EngineError", error=f"the models were not loaded in {limit} s (OCRFARM_MODEL_LOAD_TIMEOUT)"
        )
    last = (done.stdout.splitlines() or [""])[-1]
    if done.returncode or not last.startswith("{"):
        last_error = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return _Report(
            kind="EngineError", error=f"the engine's process ended with exit code {done.returncode}: {last_error}"
        )
    return _Report(**json.loads(last))


def main() -> None:
    """Load the models, read the image and print the report."""
    die_with_parent()
    profile, settings = Profile.from_json(json.load(sys.stdin)), Settings.from_env(os.environ)
    try:
        report = _recognize_golden(profile, settings)
    except OcrfarmError as error:
        report = _Report(kind=type(error).__name__, error=str(error))
    sys.stdout.write(f"\n{json.dumps(asdict(report))}\n")


def _recognize_golden(profile: Profile, settings: Settings) -> _Report:
    since = time.monotonic()
    engine = load_engine(profile, WeightsFolders(settings.cache_path, settings.models_path))
    seconds = time.monotonic() - since
    reading = engine.read(_load_golden_image(profile.runtime.engine))
    return _Report(seconds, _describe_provider(profile), " ".join(fragment.text for fragment in reading.fragments))


def _load_golden_image(engine: str) -> "RgbPixels":
    """Return the image; for the engine that reads only synthetic lines, draw one."""
    pixels: RgbPixels
    if engine == "synthetic":
        import numpy as np

        from ocrfarm.recognize.synthetic_engine import PAPER, draw_synthetic_line

        pixels = np.full((64, 512, 3), PAPER, np.uint8)
        draw_synthetic_line(pixels, GOLDEN_TEXT, x=10, y=10, height=32)
    else:
        from ocrfarm.image import decode_tile, to_rgb

        pixels = to_rgb(decode_tile(GOLDEN_IMAGE.read_bytes()))
    return pixels


def _describe_provider(profile: Profile) -> str:
    """Return what runs the models; loading them has verified that it is what the profile requests."""
    runtime = profile.runtime
    if runtime.engine != "onnxruntime":
        return f"{runtime.engine} on {runtime.device}"
    from ocrfarm.recognize.runtime import engine_options

    options = engine_options(runtime)
    return f"{options['providers'][0]} on {runtime.device}"


if __name__ == "__main__":
    main()
