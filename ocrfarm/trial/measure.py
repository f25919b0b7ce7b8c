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
class Piece:
    """A piece of a page as a PNG file, a smaller one to warm up with, and the size of the first."""

    picture: Path
    warm: Path
    size: Size


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured: megapixels a second of all processes, words, and most megabytes of one; or why nothing was."""

    megapixels: float = 0.0
    words: "Counter[str]" = field(default_factory=Counter)
    megabytes: float = 0.0
    trouble: str = ""


def measure(profile: Profile, piece: Piece, *, settings: Settings, patience: float) -> Speed:
    """Let as many processes as the profile says read the piece at the same time.

    Processes of their own: a setting that crashes, takes more than `patience` seconds or all memory ends only itself.
    """
    count = profile.runtime.processes or 1
    spec = {"profile": profile.to_json(), "picture": str(piece.picture), "warm": str(piece.warm)}
    with _readers(json.dumps(spec), count, settings, patience) as readers:
        answers = [_answer(reader) for reader in readers]
        if all("ready" in answer for answer in answers):
            for reader in readers:
                _let_go(reader)
            answers = [_answer(reader) for reader in readers]
    if trouble := next((answer["error"] for answer in answers if "error" in answer), ""):
        return Speed(trouble=trouble)
    megapixels = count * piece.size.area / 1e6 / max(answer["seconds"] for answer in answers)
    return Speed(megapixels, Counter(answers[0]["words"].split()), max(answer["megabytes"] for answer in answers))


def agreement(one: "Counter[str]", other: "Counter[str]") -> float:
    """Give the share of words, wherever they stand, that both have; 1 where neither has any."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 1.0


@contextmanager
def _readers(spec: str, count: int, settings: Settings, patience: float) -> Iterator[list["subprocess.Popen[str]"]]:
    variables = os.environ | settings.to_env()
    command = [sys.executable, "-m", "ocrfarm.trial.reader", spec]
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
    clock = Timer(patience, _kill, [readers])
    clock.start()
    try:
        yield readers
    finally:
        clock.cancel()
        _kill(readers)
        for reader in readers:
            reader.communicate()


def _kill(readers: list["subprocess.Popen[str]"]) -> None:
    for reader in readers:
        reader.kill()


def _let_go(reader: "subprocess.Popen[str]") -> None:
    assert reader.stdin
    reader.stdin.write("go\n")
    reader.stdin.flush()


def _answer(reader: "subprocess.Popen[str]") -> dict[str, Any]:
    """Give the next line of a reader; where it ends without a word, that."""
    assert reader.stdout
    line = reader.stdout.readline()
    if line:
        found: dict[str, Any] = json.loads(line)
        return found
    code = reader.wait()
    return {
        "error": f"it took too long or all memory, and was killed by signal {-code}" if code < 0 else f"exit {code}"
    }
