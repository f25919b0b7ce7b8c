"""Objects as files in a folder: the embedded default."""

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

_STALE_AGE = (
    24 * 3600
)  # seconds: no write takes a day, so an older unfinished file belongs to a process that was killed
_MAX_PLACE_ATTEMPTS = 10  # tries; another process may remove the empty folder between its making and the file's arrival
_CHUNK_BYTES = 1 << 20  # bytes held in memory while copying
_NOT_FOUND_ERRORS = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class LocalStore:
    """A folder, shared by any number of processes; `jobs/a/source` is the file of this name in it.

    A file is written under a temporary name and moved into place, so nobody sees a part of it. A name cannot be an
    object and a folder of objects at once: writing `a/b` where `a` is an object is a StoreError.
    """

    def __init__(self, folder: Path) -> None:
        self.url = folder.as_uri()
        self._root = folder
        _remove_stale(folder / TEMPORARY_FOLDER)

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Write the object; with `if_absent`, give False and write nothing where one of this name exists."""
        path = self._path(key)
        with translate_os_errors(f"cannot write {path}"), self._temporary_path() as temporary:
            temporary.write_bytes(data)
            return _place(temporary, path, if_absent=if_absent)

    def get(self, key: str) -> bytes:
        """Give the object's bytes; `ObjectNotFound` where there is none."""
        with _open_object(self._path(key)) as file:
            return file.read()

    def put_file(self, key: str, path: Path) -> None:
        """Write the object from a copy of the file, which its owner may go on changing."""
        target = self._path(key)
        with translate_os_errors(f"cannot copy {path} to {target}"), self._temporary_path() as temporary:
            shutil.copyfile(path, temporary)
            _place(temporary, target, if_absent=False)

    def get_file(self, key: str, path: Path) -> None:
        """Write a copy of the object to a file; `ObjectNotFound` where there is none."""
        with _open_object(self._path(key)) as file, atomic_write(path) as temporary, temporary.open("wb") as sink:
            shutil.copyfileobj(file, sink, _CHUNK_BYTES)

    def exists(self, key: str) -> bool:
        """Say whether there is an object of this name."""
        path = self._path(key)
        with translate_os_errors(f"cannot look at {path}"):
            try:
                return stat.S_ISREG(path.stat().st_mode)
            except _NOT_FOUND_ERRORS:
                return False

    def list(self, prefix: str) -> Iterator[str]:
        """Give the names of all objects that begin with `prefix`, in order."""
        folder = check_prefix(prefix).rpartition("/")[0]
        with translate_os_errors(f"cannot list {self._root}"):
            yield from _iter_keys(self._root / folder, f"{folder}/" if folder else "", prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove the objects and the folders that become empty; a name without an object is no error."""
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
        """Give the time by the clock of whoever keeps the folder, in seconds since 1970."""
        with translate_os_errors(f"cannot write to {self._root}"), self._temporary_path() as temporary:
            temporary.touch()
            return temporary.stat().st_mtime

    def _temporary_path(self) -> AbstractContextManager[Path]:
        folder = self._root / TEMPORARY_FOLDER
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
    """Give the finished file its name; False where `if_absent` and the name is taken."""
    for _ in range(_MAX_PLACE_ATTEMPTS - 1):
        with suppress(FileNotFoundError, FileExistsError):  # the folder went, or came, in between
            return _place_once(temporary, path, if_absent=if_absent)
    return _place_once(temporary, path, if_absent=if_absent)


def _place_once(temporary: Path, path: Path, *, if_absent: bool) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not if_absent:
        temporary.replace(path)
        return True
    try:
        path.hardlink_to(temporary)  # the one operation that fails where the name is taken and is never seen half done
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


def _list_entries(folder: Path) -> list[str]:
    """Give the names in a folder, sub-folders with a slash: so sorted, a walk yields the keys in their order."""
    try:
        with os.scandir(folder) as entries:
            return sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries)
    except _NOT_FOUND_ERRORS:
        return []


def _remove_empty_folders(folder: Path, root: Path) -> None:
    with suppress(OSError):  # not empty, already gone, or not ours to remove: all are well
        while folder != root:
            folder.rmdir()
            folder = folder.parent


def _remove_stale(folder: Path) -> None:
    for entry in _list_entries(folder):
        path = folder / entry
        with suppress(OSError):  # another process was quicker
            if path.stat().st_mtime < time.time() - _STALE_AGE:
                path.unlink()
