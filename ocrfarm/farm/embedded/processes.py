"""Nothing outlives its owner: processes end with their parents, temporary folders with their processes."""

import ctypes
import fcntl
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
"""From linux/prctl.h."""

_DIR_PREFIX, _NEW_DIR_PREFIX, _LOCK_NAME = "ocrfarm-split-", "ocrfarm-new-", "lock"
_MIN_ABANDONED_AGE = 60
"""A folder without a lock that is younger than this is being made, or removed."""


def die_with_parent(*_: object, **__: object) -> None:
    """Let the system kill this process when its parent has died, in whatever way (Linux)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def become_subreaper() -> None:
    """Become the parent of children whose own parent has died, so that they can be waited for (Linux)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


@contextmanager
def scratch_dir() -> Iterator[Path]:
    """Give an empty folder that is gone afterwards; those of processes that were killed are removed first."""
    for kind, is_abandoned in ((_DIR_PREFIX, _is_unlocked), (_NEW_DIR_PREFIX, _is_old)):
        for old in Path(tempfile.gettempdir()).glob(f"{kind}*"):
            if is_abandoned(old):
                shutil.rmtree(old, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=_NEW_DIR_PREFIX))
    folder = new.with_name(new.name.replace(_NEW_DIR_PREFIX, _DIR_PREFIX))
    with (new / _LOCK_NAME).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        new.rename(folder)  # only now: others take a folder of this name without a lock for abandoned
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _is_unlocked(folder: Path) -> bool:
    """Say whether the process that made the folder is gone: the system has taken its lock away."""
    try:
        with (folder / _LOCK_NAME).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return _is_old(folder)
    except OSError:  # it is held, or another user's
        return False


def _is_old(folder: Path) -> bool:
    try:
        return folder.stat().st_mtime < time.time() - _MIN_ABANDONED_AGE
    except OSError:  # it has gone in between
        return False
