"""Files that are seen whole or not at all, and the operating system's errors as ocrfarm's."""

import errno
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocrfarm.errors import StoreDenied, StoreError, StoreFull, StoreUnreachable

_FULL = (StoreFull, "free some room, or name another folder")
_DENIED = (StoreDenied, "give this user the right to read and write there, or name another folder")
_AWAY = (StoreUnreachable, "see to the network disk, then try again")
_VERDICTS: dict[int | None, tuple[type[StoreError], str]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: (StoreFull, "raise the limit on file sizes (ulimit -f), or name a folder on another file system"),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _DENIED,
    errno.ESTALE: _AWAY,
    errno.ETIMEDOUT: _AWAY,
    errno.ENOTCONN: _AWAY,
}
_OTHER = (StoreError, "see that the path is right and the disk is sound")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn an OSError into the StoreError that fits; `what` says what was tried, and where."""
    try:
        yield
    except OSError as error:
        kind, advice = _VERDICTS.get(error.errno, _OTHER)
        raise kind(f"{what}: {error.strerror or error}; {advice}") from error


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Give the path of a file that is not there yet; what still lies there at the end is removed."""
    path = folder / f".{uuid.uuid4().hex}.part"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; it takes the name `path` when the block ends well, and is removed when it does not."""
    with translated(f"cannot write {path}"), scratch(path.parent) as temporary:
        yield temporary
        temporary.replace(path)
