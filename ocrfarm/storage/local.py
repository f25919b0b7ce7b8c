"""LocalStore: objects as files in a folder, the default of the embedded farm."""

import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ocrfarm.errors import ObjectNotFound
from ocrfarm.storage.atomic import atomic_write, temporary_path, translate_os_errors
from ocrfarm.storage.key_rules import TEMPORARY_FOLDER, check_key, check_prefix

_STALE_AGE = 24 * 3600  # seconds: no write takes a day, so an older unfinished file belongs to a killed process
_MAX_PLACE_ATTEMPTS = 10  # another process may remove the empty folder before the file is moved into it
_CHUNK_BYTES = 1 << 20  # bytes held in memory while copying
_NOT_FOUND_ERRORS = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class LocalStore:
    """A `Store` in a folder that any number of processes may share; the key `jobs/a/source` is a path in the folder.

    A file is written under a temporary name and then renamed, so readers never see a part of it. A name cannot be both
    an object and a folder: writing `a/b` if `a` is an object raises `StoreError`.
    """

    def __init__(self, folder: Path) -> None:
        self.url = folder.as_uri()
        self._root = folder
        _remove_stale(folder / TEMPORARY_FOLDER)

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Write an object; see `Store.put`.

        Args:
            key: Name of the object.
            data: Its content.
            if_absent: Do not write if the object exists.
        """
        path = self._path(key)
        with translate_os_errors(f"cannot write {path}"), _temporary_path(self._root) as temporary:
            temporary.write_bytes(data)
            return _place(temporary, path, if_absent=if_absent)

    def get(self, key: str) -> bytes:
        """Return the content of an object; raise `ObjectNotFound` if it does not exist."""
        with _open_object(self._path(key)) as file:
            return file.read()

    def put_file(self, key: str, path: Path) -> None:
        """Write an object as a copy of a file.

        Args:
            key: Name of the object.
            path: File to copy; changing it later does not change the object.
        """
        target = self._path(key)
        with translate_os_errors(f"cannot copy {path} to {target}"), _temporary_path(self._root) as temporary:
            shutil.copyfile(path, temporary)
            _place(temporary, target, if_absent=False)

    def get_file(self, key: str, path: Path) -> None:
        """Write the content of an object to a file; raise `ObjectNotFound` if the object does not exist.

        Args:
            key: Name of the object.
            path: File to write.
        """
        with _open_object(self._path(key)) as file, atomic_write(path) as temporary, temporary.open("wb") as sink:
            shutil.copyfileobj(file, sink, _CHUNK_BYTES)

    def exists(self, key: str) -> bool:
        """Return whether an object of this name exists."""
        path = self._path(key)
        with translate_os_errors(f"cannot access {path}"):
            try:
                return stat.S_ISREG(path.stat().st_mode)
            except _NOT_FOUND_ERRORS:
                return False

    def list(self, prefix: str, *, only_folders: bool = False) -> Iterator[str]:
        """Yield the names of all objects that start with `prefix`, sorted; see `Store.list`.

        Args:
            prefix: The start of the names.
            only_folders: Yield the names of folders instead.
        """
        parent, _, start = check_prefix(prefix).rpartition("/")
        folder, above = self._root / parent, f"{parent}/" if parent else ""
        with translate_os_errors(f"cannot list {self._root}"):
            if only_folders:
                yield from _iter_folders(folder, start)
            else:
                yield from _iter_keys(folder, above, prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects and the folders that become empty; names without an object are ignored."""
        folders = set()
        for key in keys:
            path = self._path(key)
            folders.add(path.parent)
            with translate_os_errors(f"cannot remove {path}"), suppress(*_NOT_FOUND_ERRORS):
                path.unlink()
        for folder in folders:
            _remove_empty_folders(folder, self._root)

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def server_time(self) -> float:
        """Return the time of the file system's clock, which may be a file server's, in seconds since 1970."""
        with translate_os_errors(f"cannot write to {self._root}"), _temporary_path(self._root) as temporary:
            temporary.touch()
            return temporary.stat().st_mtime

    def close(self) -> None:
        """Do nothing: there are no connections."""


def _temporary_path(root: Path) -> AbstractContextManager[Path]:
    folder = root / TEMPORARY_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return temporary_path(folder)


@contextmanager
def _open_object(path: Path) -> Iterator[BinaryIO]:
    with translate_os_errors(f"cannot read {path}"):
        try:
            file = path.open("rb")
        except _NOT_FOUND_ERRORS:
            raise ObjectNotFound(f"there is no object at {path}; was it written?") from None
        with file:
            yield file


def _place(temporary: Path, path: Path, *, if_absent: bool) -> bool:
    """Rename the finished file to its path; return False if `if_absent` is set and the path exists."""
    for _ in range(_MAX_PLACE_ATTEMPTS - 1):
        with suppress(FileNotFoundError, FileExistsError):  # the folder was removed or created in between
            return _place_once(temporary, path, if_absent=if_absent)
    return _place_once(temporary, path, if_absent=if_absent)


def _place_once(temporary: Path, path: Path, *, if_absent: bool) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not if_absent:
        temporary.replace(path)
        return True
    try:
        path.hardlink_to(temporary)  # the only atomic operation that fails if the path exists
    except FileExistsError:
        return False
    return True


def _iter_keys(folder: Path, start: str, prefix: str) -> Iterator[str]:
    for entry in _list_entries(folder):
        key = f"{start}{entry}"
        if not key.startswith(prefix) or key == f"{TEMPORARY_FOLDER}/":
            continue
        if key.endswith("/"):
            yield from _iter_keys(folder / entry, key, prefix)
        else:
            yield key


def _iter_folders(parent: Path, start: str) -> Iterator[str]:
    names = (entry for entry in _list_entries(parent) if entry.endswith("/") and entry.startswith(start))
    yield from (name.rstrip("/") for name in names if name != f"{TEMPORARY_FOLDER}/")


def _list_entries(folder: Path) -> list[str]:
    """Return the names in a folder, subfolders with a slash: sorted like this, a walk yields the keys in order."""
    try:
        with os.scandir(folder) as entries:
            return sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries)
    except _NOT_FOUND_ERRORS:
        return []


def _remove_empty_folders(folder: Path, root: Path) -> None:
    with suppress(OSError):  # not empty, already removed, or no permission: none of these is an error
        while folder != root:
            folder.rmdir()
            folder = folder.parent


def _remove_stale(folder: Path) -> None:
    for entry in _list_entries(folder):
        path = folder / entry
        with suppress(OSError):  # another process removed it first
            if path.stat().st_mtime < time.time() - _STALE_AGE:
                path.unlink()
