"""Objects in a dictionary: the twin for tests, and for one process that keeps nothing."""

import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ocrfarm.errors import ObjectNotFound
from ocrfarm.storage.atomic import atomic_write, translate_os_errors
from ocrfarm.storage.key_rules import check_key, check_prefix


class MemoryStore:
    """A store that lives as long as the object; its URL opens another one, empty."""

    url = "memory:"

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Write the object; with `if_absent`, give False and write nothing where one of this name exists."""
        check_key(key)
        with self._lock:
            if if_absent and key in self._objects:
                return False
            self._objects[key] = bytes(data)
            return True

    def get(self, key: str) -> bytes:
        """Give the object's bytes; `ObjectNotFound` where there is none."""
        try:
            return self._objects[check_key(key)]
        except KeyError:
            raise ObjectNotFound(f"there is no object {key} in memory; was it written?") from None

    def put_file(self, key: str, path: Path) -> None:
        """Write the object from a file."""
        with translate_os_errors(f"cannot read {path}"):
            data = path.read_bytes()
        self.put(key, data)

    def get_file(self, key: str, path: Path) -> None:
        """Write the object's bytes to a file; `ObjectNotFound` where there is none."""
        data = self.get(key)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)

    def exists(self, key: str) -> bool:
        """Say whether there is an object of this name."""
        return check_key(key) in self._objects

    def list(self, prefix: str) -> Iterator[str]:
        """Give the names of all objects that begin with `prefix`, in order."""
        check_prefix(prefix)
        with self._lock:
            names = sorted(name for name in self._objects if name.startswith(prefix))
        return iter(names)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove the objects; a name without an object is no error."""
        for key in keys:
            self._objects.pop(check_key(key), None)

    def server_time(self) -> float:
        """Give the time by the store's own clock, in seconds since 1970."""
        return time.time()
