"""url -> Store: an object store in memory, in a folder or in an S3 bucket."""

from pathlib import Path
from urllib.parse import unquote

from ocrfarm.errors import SettingsError
from ocrfarm.storage.local import LocalStore
from ocrfarm.storage.memory import MemoryStore
from ocrfarm.storage.store import Store

__all__ = ["open_store"]

_URL_FORMATS = "use memory:, /a/folder, file:///a/folder or s3://bucket/prefix?endpoint=http://host:port&region=name"


def open_store(url: str) -> Store:
    """Return the store at a URL; nothing is contacted or created yet.

    The URL is one of `memory:` (a new, empty store), `/a/folder`, `file:///a/folder` and
    `s3://bucket[/prefix][?endpoint=URL&region=NAME]`. S3 credentials come from the usual AWS environment variables and
    files, never from the URL.

    Raises:
        SettingsError: The URL has none of these forms.

    Examples:
        >>> open_store("memory:").url
        'memory:'
        >>> open_store("ftp://host/folder")
        Traceback (most recent call last):
        ocrfarm.errors.SettingsError: 'ftp' is not the scheme of a store URL: use memory:, /a/folder, ...
    """
    if url == "memory:":
        return MemoryStore()
    if url.startswith("s3://"):
        # Importing boto3 takes 0.5 s, so it is imported only if the store is in S3.
        from ocrfarm.storage.s3 import S3Store

        return S3Store(url)
    return LocalStore(_folder(url))


def _folder(url: str) -> Path:
    if url.startswith("/"):
        return Path(url)
    rest = url.removeprefix("file://").removeprefix("localhost")
    if not url.startswith("file://") or not rest.startswith("/") or "?" in rest or "#" in rest:
        raise SettingsError(f"{url.partition('://')[0]!r} is not the scheme of a store URL: {_URL_FORMATS}")
    return Path(unquote(rest))
