"""The Store protocol: named objects of bytes, written once and whole."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """Holds the bytes of all jobs as named objects; `storage.layout` lists every object name.

    A key is a relative path such as jobs/a1/result.json (see `storage.key_rules`). Readers see an object either whole
    or not at all. Stores can be shared by threads and processes; the last writer of a key wins.

    Every method raises `StoreUnreachable` (retryable), `StoreDenied`, `StoreFull` or another `StoreError`.

    Attributes:
        url: URL that `open_store` opens as this store; it contains no credentials.

    Examples:
        >>> from ocrfarm.storage import open_store
        >>> store = open_store("memory:")
        >>> store.put("jobs/a1/source", b"pixels")
        True
        >>> store.put("jobs/a1/source", b"others", if_absent=True)
        False
        >>> store.get("jobs/a1/source")
        b'pixels'
        >>> list(store.list("jobs/a1/"))
        ['jobs/a1/source']
        >>> list(store.list("jobs/a", only_folders=True))
        ['a1']
        >>> store.delete(["jobs/a1/source"])
        >>> store.exists("jobs/a1/source")
        False
        >>> store.close()
    """

    url: str

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Write an object.

        Args:
            key: Name of the object.
            data: Its content.
            if_absent: Do not write if the object exists. Of several concurrent writers at most one succeeds.

        Returns:
            Whether the object was written.
        """
        ...

    def get(self, key: str) -> bytes:
        """Return the content of an object; raise `ObjectNotFound` if it does not exist."""
        ...

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file of any size, in bounded memory.

        Args:
            key: Name of the object.
            path: File to read.
        """
        ...

    def get_file(self, key: str, path: Path) -> None:
        """Write the content of an object to a file, in bounded memory.

        Args:
            key: Name of the object.
            path: File to write; it appears only when it is complete.

        Raises:
            ObjectNotFound: The object does not exist.
        """
        ...

    def exists(self, key: str) -> bool:
        """Return whether an object of this name exists."""
        ...

    def list(self, prefix: str, *, only_folders: bool = False) -> Iterator[str]:
        """Yield the names of all objects that start with `prefix`, sorted.

        Args:
            prefix: The start of the names.
            only_folders: Yield the names of the folders that start with `prefix` instead, without the folders above
                them. The cost does not depend on how many objects they hold.
        """
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; names without an object are ignored."""
        ...

    def server_time(self) -> float:
        """Return the time of the store's own clock, in seconds since 1970."""
        ...

    def close(self) -> None:
        """Close the connections of this process; the next use opens new ones.

        A block that opens a store for itself says `with closing(open_store(url)) as store`.
        """
        ...
