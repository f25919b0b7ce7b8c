"""Atomic file writes, and the translation of operating system errors into `StoreError`."""

import errno
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocrfarm.errors import StoreDenied, StoreError, StoreFull, StoreUnreachable

_FULL = (StoreFull, "free some space, or use another folder")
_DENIED = (StoreDenied, "let this user read and write there, or use another folder")
_UNREACHABLE = (StoreUnreachable, "check the network file system, then try again")
_ERRORS_BY_ERRNO: dict[int | None, tuple[type[StoreError], str]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: (StoreFull, "raise the limit on file sizes (ulimit -f), or use a folder on another file system"),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _DENIED,
    errno.ESTALE: _UNREACHABLE,
    errno.ETIMEDOUT: _UNREACHABLE,
    errno.ENOTCONN: _UNREACHABLE,
}
_DEFAULT = (StoreError, "check the path and the disk")


@contextmanager
def translate_os_errors(action: str) -> Iterator[None]:
    """Translate an OSError in the block into a `StoreError`; `action` begins its message ("cannot write PATH")."""
    try:
        yield
    except OSError as error:
        kind, advice = _ERRORS_BY_ERRNO.get(error.errno, _DEFAULT)
        raise kind(f"{action}: {error.strerror or error}; {advice}") from error


@contextmanager
def temporary_path(folder: Path) -> Iterator[Path]:
    """Yield the path of a new file in the folder; if the file still exists at the end of the block, it is removed."""
    path = folder / f".{uuid.uuid4().hex}.part"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it is renamed to `path` if the block succeeds and removed if it fails.

    Raises:
        StoreError: The file cannot be written.
    """
    with translate_os_errors(f"cannot write {path}"), temporary_path(path.parent) as temporary:
        yield temporary
        temporary.replace(path)
