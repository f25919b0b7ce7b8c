"""Files that are seen whole or not at all, and the operating system's errors as ocrfarm's."""

import errno
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocrfarm.errors import StoreDenied, StoreError, StoreFull, StoreUnreachable

_FULL = (StoreFull, "free some room, or name another folder")
_DENIED = (StoreDenied, "give this user the right to read and write there, or name another folder")
_UNREACHABLE = (StoreUnreachable, "see to the network disk, then try again")
_ERRORS_BY_ERRNO: dict[int | None, tuple[type[StoreError], str]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: (StoreFull, "raise the limit on file sizes (ulimit -f), or name a folder on another file system"),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _DENIED,
    errno.ESTALE: _UNREACHABLE,
    errno.ETIMEDOUT: _UNREACHABLE,
    errno.ENOTCONN: _UNREACHABLE,
}
_DEFAULT = (StoreError, "see that the path is right and the disk is sound")


@contextmanager
def translate_os_errors(action: str) -> Iterator[None]:
    """Turn an OSError into the StoreError that fits; `action` says what was tried, and where."""
    try:
        yield
    except OSError as error:
        kind, advice = _ERRORS_BY_ERRNO.get(error.errno, _DEFAULT)
        raise kind(f"{action}: {error.strerror or error}; {advice}") from error


@contextmanager
def temporary_path(folder: Path) -> Iterator[Path]:
    """Give the path of a file that is not there yet; what still lies there at the end is removed."""
    path = folder / f".{uuid.uuid4().hex}.part"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a path to write to; it takes the name `path` when the block ends well, and is removed when it does not."""
    with translate_os_errors(f"cannot write {path}"), temporary_path(path.parent) as temporary:
        yield temporary
        temporary.replace(path)
