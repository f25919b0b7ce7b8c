"""Workers whose engine misbehaves: python -m tests.integration.standin recognize --profile planted.

The engine reads planted lines, and does what the words that it meets say. STANDIN_FOLDER: where it writes down each
array that it read; STANDIN_SECONDS: how long each takes; STANDIN_VISIBILITY: seconds after
which a message of a dead worker comes back, instead of five minutes; STANDIN_DIE: where tasks kill themselves;
STANDIN_FILE_BYTES: how long a file can be, as on a disk that is full; STANDIN_IDLE: how many lines an engine that does
not look at the pixels finds on each tile, while what is asked of the store is counted in STANDIN_FOLDER.
"""

import ctypes
import hashlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from ocrfarm.farm import app, flow, looks, services, steps
from ocrfarm.geometry import Quad
from ocrfarm.recognize import Found, Pixels
from ocrfarm.recognize.engine import Engine, Wanted, every
from ocrfarm.recognize.planted import PlantedEngine
from ocrfarm.storage.store import Store
from ocrfarm.tile import Fragment
from tests.integration.idle import CountedStore, Idle
from workers.__main__ import main

WHOLE = 500
"""Pixels: an array that is as wide and high is a whole tile of the tests."""


def _hang(pixels: Pixels) -> None:
    while True:
        time.sleep(0.05)


def _stick(pixels: Pixels) -> None:
    """Hang like a kernel of a GPU, outside Python: no signal but the last one ends it."""
    mutex = ctypes.create_string_buffer(64)
    for _ in range(2):  # the second time waits for the first, which is this thread's own
        ctypes.CDLL(None).pthread_mutex_lock(mutex)


def _crash(pixels: Pixels) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _gorge(pixels: Pixels) -> None:
    np.ones(1 << 60, np.uint8)  # MemoryError on any machine


def _if_whole(act: Callable[[Pixels], None]) -> Callable[[Pixels], None]:
    def maybe(pixels: Pixels) -> None:
        if min(pixels.shape[:2]) >= WHOLE:
            act(pixels)

    return maybe


ACTS: dict[str, Callable[[Pixels], None]] = {
    "HANG": _hang,
    "CRASH": _crash,
    "GORGE": _gorge,
    "STICK": _stick,
    "HANGW": _if_whole(_hang),
    "CRASHW": _if_whole(_crash),
    "GORGEW": _if_whole(_gorge),
    "STICKW": _if_whole(_stick),
}
"""Word -> what the engine does where it meets it; those with a W only where it meets it on a whole tile."""

RUBBISH = "RUBBISH"
"""Where the engine meets this, it finds lines that cannot be."""


class StandIn:
    """Reads planted lines and misbehaves."""

    model = "planted"

    def __init__(self) -> None:
        self._planted = PlantedEngine(seconds_per_tile=float(os.environ.get("STANDIN_SECONDS", "0")))

    def read(self, pixels: Pixels, *, wanted: Wanted = every) -> Found:
        found = self._planted.read(pixels, wanted=wanted)
        _write_down(pixels)
        words = {fragment.text for fragment in found.fragments}
        for word in words & ACTS.keys():
            ACTS[word](pixels)
        if RUBBISH in words:
            nowhere = Quad.of([(float("nan"), 0.0)] * 4)
            return Found((*found.fragments, Fragment(nowhere, (), 7.0), Fragment(nowhere, (), -1.0)))
        return found

    def read_lines(self, pixels: Pixels, lines: Sequence[Quad]) -> list[Fragment]:
        _write_down(pixels)
        return self._planted.read_lines(pixels, lines)


def _write_down(pixels: Pixels) -> None:
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]
    with (Path(os.environ["STANDIN_FOLDER"]) / "reads").open("a") as file:
        file.write(f"{digest}\n")


def reads(folder: Path) -> list[str]:
    """Give what the engines of all workers read, in order."""
    path = folder / "reads"
    return path.read_text().split() if path.exists() else []


def _die_once(name: str) -> None:
    """Kill this process the first time that any comes here."""
    try:
        (Path(os.environ["STANDIN_FOLDER"]) / f"died-{name}").touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


PLACES: dict[str, tuple[ModuleType, str]] = {
    "split": (steps, "_store_tile"),
    "stitch": (steps, "_assemble"),
    "store": (steps, "put_readings"),
    "count": (flow, "_tiles"),
    "doubt": (steps, "second_look"),
    "look": (looks, "put_readings"),
}
"""Where a process dies: while it splits or stitches; before it counts a tile that it stored or a batch that it read;
when it knows what is in doubt and has told nobody; and when it has read that again."""


def _die_after(place: str) -> None:
    module, name = PLACES[place]
    original: Callable[..., object] = getattr(module, name)

    def dying(*arguments: object, **named: object) -> object:
        result = original(*arguments, **named)
        _die_once(place)
        return result

    setattr(module, name, dying)


def _be_idle(lines: int) -> None:
    seconds, folder = float(os.environ.get("STANDIN_SECONDS", "0")), Path(os.environ["STANDIN_FOLDER"])
    opened: Callable[[str], Store] = getattr(services, "open_store")  # noqa: B009 - it is no name of that module's
    setattr(services, "open_store", lambda url: CountedStore(opened(url), folder))  # noqa: B010
    engine: Engine = Idle(seconds, lines)
    setattr(services, "load_engine", lambda profile, folders: engine)  # noqa: B010


if __name__ == "__main__":
    setattr(services, "load_engine", lambda profile, folders: StandIn())  # noqa: B010 - it is no name of that module's
    if "STANDIN_IDLE" in os.environ:
        _be_idle(int(os.environ["STANDIN_IDLE"]))
    if "STANDIN_VISIBILITY" in os.environ:
        app.LEASE_SECONDS = int(os.environ["STANDIN_VISIBILITY"])
    if "STANDIN_FILE_BYTES" in os.environ:
        most = int(os.environ["STANDIN_FILE_BYTES"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    for place in filter(None, os.environ.get("STANDIN_DIE", "").split(",")):
        _die_after(place)
    sys.exit(main(sys.argv[1:]))
