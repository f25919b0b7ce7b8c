"""Objects that ocrfarm wrote itself, read back and parsed."""

import zlib
from collections.abc import Callable
from typing import TypeVar

from ocrfarm.errors import DamagedObject, InputError
from ocrfarm.storage.store import Store

_PARSE_ERRORS = (ValueError, LookupError, TypeError, AttributeError, EOFError, zlib.error, InputError)
"""What the parsers of JSON, gzip and images raise if the bytes are not what was written."""

_T = TypeVar("_T")


def load_object(store: Store, key: str, *, parse: Callable[[bytes], _T]) -> _T:
    """Return what an object of ours holds.

    Args:
        store: Where it is.
        key: Name of the object.
        parse: Parses its content.

    Raises:
        ObjectNotFound: There is no such object.
        DamagedObject: The content is not what was written.

    Examples:
        >>> from ocrfarm.storage import open_store
        >>> store = open_store("memory:")
        >>> store.put("jobs/a1/count", b"<html>")
        True
        >>> load_object(store, "jobs/a1/count", parse=int)
        Traceback (most recent call last):
        ocrfarm.errors.DamagedObject: jobs/a1/count in memory: is not what was stored there; check the store and ...
    """
    data = store.get(key)
    try:
        return parse(data)
    except _PARSE_ERRORS as error:
        advice = "check the store and what lies between, then run `ocrfarm resume` on the job"
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedObject(f"{key} in {store.url} is not what was stored there; {advice} ({reason})") from error
