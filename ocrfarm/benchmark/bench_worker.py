"""python -m ocrfarm.benchmark.bench_worker SPEC: loads an engine, warms it up, says "ready", reads an image."""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from ocrfarm.errors import OcrfarmError
from ocrfarm.pipeline import run_pipeline
from ocrfarm.recognize import Profile, WeightsFolders, load_engine
from ocrfarm.settings import Settings


def main(spec: str) -> None:
    """Write one line of JSON when ready and one when done: what was read and how long it took, or why it was not."""
    given: dict[str, Any] = json.loads(spec)
    profile, settings = Profile.from_json(given["profile"]), Settings.from_env(os.environ)
    engine = load_engine(profile, WeightsFolders(settings.cache_path, settings.models_path))
    run_pipeline(Path(given["warmup_image"]), engine, profile=profile)
    _write_answer(ready=True)
    if not sys.stdin.readline():
        return
    document = run_pipeline(Path(given["image"]), engine, profile=profile).document
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
