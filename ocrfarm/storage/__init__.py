"""url -> Store: where bytes live, in memory, in a folder or in an S3 bucket."""

from pathlib import Path
from urllib.parse import unquote

from ocrfarm.errors import SettingsError
from ocrfarm.storage.local import LocalStore
from ocrfarm.storage.memory import MemoryStore
from ocrfarm.storage.store import Store

__all__ = ["open_store"]

_URL_FORMATS = "use memory:, /a/folder, file:///a/folder or s3://bucket/prefix?endpoint=http://host:port&region=name"


def open_store(url: str) -> Store:
    """Give the store at `url`; nothing is contacted or made yet.

    `memory:` (new and empty), `/a/folder` or `file:///a/folder`, `s3://bucket[/prefix][?endpoint=URL&region=NAME]`;
    S3 credentials come from the usual AWS environment and files, never from the URL. SettingsError for anything else.
    """
    if url == "memory:":
        return MemoryStore()
    if url.startswith("s3://"):
        # boto3 takes 0.5 s to import: only those who keep bytes in S3 pay for it.
        from ocrfarm.storage.s3 import S3Store

        return S3Store(url)
    return LocalStore(_folder(url))


def _folder(url: str) -> Path:
    if url.startswith("/"):
        return Path(url)
    rest = url.removeprefix("file://").removeprefix("localhost")
    if not url.startswith("file://") or not rest.startswith("/") or "?" in rest or "#" in rest:
        raise SettingsError(f"{url.partition('://')[0]!r} begins the URL of no store: {_URL_FORMATS}")
    return Path(unquote(rest))
