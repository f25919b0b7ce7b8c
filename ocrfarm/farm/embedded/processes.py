"""Nothing outlives its owner: orphans are waited for, and temporary folders end with their processes.

A folder belongs to a process by a file lock, which the system releases when the process ends, for whatever reason:

```
 ocrfarm-new-XXXX    being made: lock file created, lock taken
        | rename     from here on, a folder without a held lock is abandoned
 ocrfarm-split-XXXX  in use; the next process that makes one of the same purpose removes abandoned ones
```
"""

import ctypes
import fcntl
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_PR_SET_CHILD_SUBREAPER = 36
"""The option's number in linux/prctl.h."""

_NEW_DIR_PREFIX, _LOCK_NAME = "ocrfarm-new-", "lock"
_MIN_ABANDONED_AGE = 60
"""Seconds. A younger folder without a lock file is just being made or removed."""


def become_subreaper() -> None:
    """Become the parent of descendants whose own parent has died, so that they can be waited for (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextmanager
def scratch_dir(purpose: str = "split", parent: Path | None = None) -> Iterator[Path]:
    """Return a context manager whose value is a private, empty folder, which is removed at its end.

    Folders of processes that were killed are removed first.

    Args:
        purpose: A word in the folder's name, by which abandoned folders are found.
        parent: The folder in which it is made; None: that for temporary files.

    >>> with scratch_dir() as folder:
    ...     _ = (folder / "image.tif").write_bytes(b"II*")
    >>> folder.exists()
    False
    """
    folder, lock = make_locked_dir(purpose, parent)
    with lock:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def make_locked_dir(purpose: str, parent: Path | None = None) -> tuple[Path, IO[bytes]]:
    """Remove the folders of this purpose that are abandoned, and make a private one.

    Args:
        purpose: A word in the folder's name, by which abandoned folders are found.
        parent: The folder in which it is made; None: that for temporary files.

    Returns:
        The folder, which only holds its lock file, and that file: the folder counts as abandoned when this process, and
        every process that inherits the file, has closed it or ended.
    """
    place, prefix = parent or Path(tempfile.gettempdir()), f"ocrfarm-{purpose}-"
    for beginning, is_abandoned in ((prefix, _is_unlocked), (_NEW_DIR_PREFIX, _is_old)):
        for old in place.glob(f"{beginning}*"):
            if is_abandoned(old):
                shutil.rmtree(old, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=_NEW_DIR_PREFIX, dir=place))
    folder = new.with_name(new.name.replace(_NEW_DIR_PREFIX, prefix))
    lock = (new / _LOCK_NAME).open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    new.rename(folder)  # not before: a folder of this name without a held lock counts as abandoned
    return folder, lock


def _is_unlocked(folder: Path) -> bool:
    """Return whether the process that made the folder has ended: the system has released its lock."""
    try:
        with (folder / _LOCK_NAME).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return _is_old(folder)
    except OSError:  # the lock is held, or the folder is another user's
        return False


def _is_old(folder: Path) -> bool:
    try:
        return folder.stat().st_mtime < time.time() - _MIN_ABANDONED_AGE
    except OSError:  # the folder has been removed in the meantime
        return False
