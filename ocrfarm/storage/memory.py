"""MemoryStore: objects in a dictionary, for tests and for single processes that keep nothing."""

import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ocrfarm.errors import ObjectNotFound
from ocrfarm.storage.atomic import atomic_write, translate_os_errors
from ocrfarm.storage.key_rules import check_key, check_prefix


class MemoryStore:
    """A `Store` in this process's memory; its URL opens a new, empty store."""

    url = "memory:"

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Write an object; see `Store.put`.

        Args:
            key: Name of the object.
            data: Its content.
            if_absent: Do not write if the object exists.
        """
        check_key(key)
        with self._lock:
            if if_absent and key in self._objects:
                return False
            self._objects[key] = bytes(data)
            return True

    def get(self, key: str) -> bytes:
        """Return the content of an object; raise `ObjectNotFound` if it does not exist."""
        try:
            return self._objects[check_key(key)]
        except KeyError:
            raise ObjectNotFound(f"there is no object {key} in memory; was it written?") from None

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file.

        Args:
            key: Name of the object.
            path: File to read.
        """
        with translate_os_errors(f"cannot read {path}"):
            data = path.read_bytes()
        self.put(key, data)

    def get_file(self, key: str, path: Path) -> None:
        """Write the content of an object to a file; raise `ObjectNotFound` if the object does not exist.

        Args:
            key: Name of the object.
            path: File to write.
        """
        data = self.get(key)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)

    def exists(self, key: str) -> bool:
        """Return whether an object of this name exists."""
        return check_key(key) in self._objects

    def list(self, prefix: str, *, only_folders: bool = False) -> Iterator[str]:
        """Return the names of all objects that start with `prefix`, sorted; see `Store.list`.

        Args:
            prefix: The start of the names.
            only_folders: Return the names of folders instead.
        """
        check_prefix(prefix)
        with self._lock:
            names = sorted(name for name in self._objects if name.startswith(prefix))
        if not only_folders:
            return iter(names)
        rest = (name[prefix.rfind("/") + 1 :].partition("/") for name in names)
        return iter(dict.fromkeys(folder for folder, slash, _ in rest if slash))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; names without an object are ignored."""
        for key in keys:
            self._objects.pop(check_key(key), None)

    def server_time(self) -> float:
        """Return the time of this process's clock, in seconds since 1970."""
        return time.time()

    def close(self) -> None:
        """Do nothing: there are no connections."""
