"""python -m ocrfarm.trial.reader SPEC: loads an engine, warms it up, says "ready", and at a word reads a picture."""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from ocrfarm.errors import OcrfarmError
from ocrfarm.pipeline import read
from ocrfarm.recognize import Profile, WeightsFolders, load_engine
from ocrfarm.settings import Settings


def main(spec: str) -> None:
    """Write one line of JSON when ready and one when done: what was read and how long it took, or why it was not."""
    given: dict[str, Any] = json.loads(spec)
    profile, settings = Profile.from_json(given["profile"]), Settings.from_env(os.environ)
    engine = load_engine(profile, WeightsFolders(settings.cache_folder, settings.models_folder))
    read(Path(given["warm"]), engine, profile=profile)
    _say(ready=True)
    if not sys.stdin.readline():
        return
    document = read(Path(given["picture"]), engine, profile=profile).document
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    _say(seconds=document.timing["wall"], words=" ".join(line.text for line in document.lines), megabytes=peak)


def _say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except OcrfarmError as error:
        _say(error=str(error))
        sys.exit(error.exit_code)
