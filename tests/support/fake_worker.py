"""Workers whose engine misbehaves: python -m tests.support.fake_worker recognize --profile synthetic.

The engine reads synthetic lines, and does what the words that it meets say.

FAKE_WORKER_FOLDER: where it writes down each array that it read.
FAKE_WORKER_TILE_SECONDS: how long each takes.
FAKE_WORKER_VISIBILITY_TIMEOUT: seconds after which a message of a dead worker comes back, instead of five minutes.
FAKE_WORKER_KILL_AT: where tasks kill themselves.
FAKE_WORKER_KILL_ALL: 1: they kill the worker and its other children too.
FAKE_WORKER_MAX_FILE_BYTES: how long a file can be, as on a disk that is full.
FAKE_WORKER_NOOP_LINES: how many lines an engine that does not look at the pixels finds on each tile, while what is
    asked of the store is counted in FAKE_WORKER_FOLDER.
"""

import ctypes
import hashlib
import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from celery.backends.redis import RedisBackend

from ocrfarm.cli.worker import worker
from ocrfarm.farm import celery_app, context, handlers, second_pass, tasks
from ocrfarm.geometry import Quad
from ocrfarm.recognize import EngineOutput, RgbPixels
from ocrfarm.recognize.engine import Engine, LineFilter, accept_all
from ocrfarm.recognize.synthetic_engine import SyntheticEngine
from ocrfarm.storage.store import Store
from ocrfarm.tile import Fragment
from tests.support.engines import CountingStore, NoopEngine

WHOLE_TILE_SIZE = 500
"""Pixels: an array that is as wide and high is a whole tile of the tests."""


def _loop_forever(pixels: RgbPixels) -> None:
    while True:
        time.sleep(0.05)


def _hang_in_native_code(pixels: RgbPixels) -> None:
    """Hang like a kernel of a GPU, outside Python: no signal but the last one ends it."""
    mutex = ctypes.create_string_buffer(64)
    for _ in range(2):  # the second time waits for the first, which is this thread's own
        ctypes.CDLL(None).pthread_mutex_lock(mutex)


def _crash(pixels: RgbPixels) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exhaust_memory(pixels: RgbPixels) -> None:
    np.ones(1 << 60, np.uint8)  # MemoryError on any machine


def _only_on_whole_tiles(act: Callable[[RgbPixels], None]) -> Callable[[RgbPixels], None]:
    def maybe(pixels: RgbPixels) -> None:
        if min(pixels.shape[:2]) >= WHOLE_TILE_SIZE:
            act(pixels)

    return maybe


FAULT_BY_WORD: dict[str, Callable[[RgbPixels], None]] = {
    "HANG": _loop_forever,
    "CRASH": _crash,
    "GORGE": _exhaust_memory,
    "STICK": _hang_in_native_code,
    "HANGW": _only_on_whole_tiles(_loop_forever),
    "CRASHW": _only_on_whole_tiles(_crash),
    "GORGEW": _only_on_whole_tiles(_exhaust_memory),
    "STICKW": _only_on_whole_tiles(_hang_in_native_code),
}
"""Word -> what the engine does where it meets it; those with a W only where it meets it on a whole tile."""

INVALID_RESULT = "RUBBISH"
"""Where the engine meets this, it finds lines that cannot be."""


class MisbehavingEngine:
    """Reads synthetic lines and misbehaves."""

    model = "synthetic"

    def __init__(self) -> None:
        self._engine = SyntheticEngine(seconds_per_tile=float(os.environ.get("FAKE_WORKER_TILE_SECONDS", "0")))

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        found = self._engine.read(pixels, accept=accept)
        _record_read(pixels)
        words = {fragment.text for fragment in found.fragments}
        for word in words & FAULT_BY_WORD.keys():
            FAULT_BY_WORD[word](pixels)
        if INVALID_RESULT in words:
            nowhere = Quad.from_points([(float("nan"), 0.0)] * 4)
            return EngineOutput((*found.fragments, Fragment(nowhere, (), 7.0), Fragment(nowhere, (), -1.0)))
        return found

    def read_lines(self, pixels: RgbPixels, lines: Sequence[Quad]) -> list[Fragment]:
        _record_read(pixels)
        return self._engine.read_lines(pixels, lines)


def _record_read(pixels: RgbPixels) -> None:
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]
    with (Path(os.environ["FAKE_WORKER_FOLDER"]) / "reads").open("a") as file:
        file.write(f"{digest}\n")


def list_reads(folder: Path) -> list[str]:
    """Give what the engines of all workers read, in order."""
    path = folder / "reads"
    return path.read_text().split() if path.exists() else []


def _kill_once(name: str) -> None:
    """Kill this process the first time that any comes here."""
    try:
        (Path(os.environ["FAKE_WORKER_FOLDER"]) / f"died-{name}").touch(exist_ok=False)
    except FileExistsError:
        return
    if os.environ.get("FAKE_WORKER_KILL_ALL"):
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


KILL_POINTS: dict[str, tuple[object, str]] = {
    "split": (handlers, "_store_tile"),
    "stitch": (handlers, "_assemble"),
    "store": (handlers, "store_results"),
    "count": (tasks, "_recognize_batch"),
    "result": (RedisBackend, "store_result"),
    "doubt": (handlers, "collect_second_pass"),
    "region": (second_pass, "store_results"),
}
"""Where a process dies: while it splits or stitches; before it counts a tile that it stored or a batch that it read;
before the chord counts the result that it stored; when it knows what is in doubt and has told nobody; and when it has
read that again."""


def _kill_after(place: str) -> None:
    module, name = KILL_POINTS[place]
    original: Callable[..., object] = getattr(module, name)

    def dying(*arguments: object, **named: object) -> object:
        result = original(*arguments, **named)
        _kill_once(place)
        return result

    setattr(module, name, dying)


def _install_noop_engine(lines: int) -> None:
    seconds, folder = float(os.environ.get("FAKE_WORKER_TILE_SECONDS", "0")), Path(os.environ["FAKE_WORKER_FOLDER"])
    opened: Callable[[str], Store] = getattr(context, "open_store")  # noqa: B009 - it is no name of that module's
    setattr(context, "open_store", lambda url: CountingStore(opened(url), folder))  # noqa: B010
    engine: Engine = NoopEngine(seconds, lines)
    setattr(context, "load_engine", lambda profile, folders: engine)  # noqa: B010


if __name__ == "__main__":
    setattr(context, "load_engine", lambda profile, folders: MisbehavingEngine())  # noqa: B010 - it is no name of that module's
    if "FAKE_WORKER_NOOP_LINES" in os.environ:
        _install_noop_engine(int(os.environ["FAKE_WORKER_NOOP_LINES"]))
    if "FAKE_WORKER_VISIBILITY_TIMEOUT" in os.environ:
        celery_app.VISIBILITY_TIMEOUT = int(os.environ["FAKE_WORKER_VISIBILITY_TIMEOUT"])
    if "FAKE_WORKER_MAX_FILE_BYTES" in os.environ:
        most = int(os.environ["FAKE_WORKER_MAX_FILE_BYTES"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    for place in filter(None, os.environ.get("FAKE_WORKER_KILL_AT", "").split(",")):
        _kill_after(place)
    worker()
