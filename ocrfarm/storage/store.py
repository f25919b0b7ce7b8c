"""The Store protocol: named objects of bytes, written once and whole."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """Where the bytes of all jobs live; `keys.py` names every object.

    Every method raises `StoreUnreachable` (try again), `StoreDenied`, `StoreFull` or another `StoreError`.
    An object is seen whole or not at all.
    """

    url: str

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Write the object; with `if_absent`, give False and write nothing where one of this name exists."""
        ...

    def get(self, key: str) -> bytes:
        """Give the object's bytes; `ObjectNotFound` where there is none."""
        ...

    def put_file(self, key: str, path: Path) -> None:
        """Write the object from a file of any size, in bounded memory."""
        ...

    def get_file(self, key: str, path: Path) -> None:
        """Write the object's bytes to a file, in bounded memory; `ObjectNotFound` where there is none."""
        ...

    def exists(self, key: str) -> bool:
        """Say whether there is an object of this name."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Give the names of all objects that begin with `prefix`, in order."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove the objects; a name without an object is no error."""
        ...

    def server_time(self) -> float:
        """Give the time by the store's own clock, in seconds since 1970."""
        ...
