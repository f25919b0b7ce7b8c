"""Which object names every store takes: what one store would refuse or bend, all refuse."""

from ocrfarm.errors import StoreError

TEMPORARY_FOLDER = ".tmp"  # the folder in which LocalStore writes what is not whole yet; no object may lie there

_MAX_KEY_BYTES = 1024  # S3's limit for a whole key, in UTF-8
_MAX_SEGMENT_BYTES = 255  # most file systems' limit for one name


def check_key(key: str) -> str:
    """Give the key back; StoreError where it is no relative path of plain names."""
    if complaint := _find_problem(key):
        raise StoreError(f"object name {key!r} {complaint}; use names like jobs/a1/result.json")
    return key


def check_prefix(prefix: str) -> str:
    """Give the prefix back; StoreError where no valid key can begin with it."""
    check_key(f"{prefix}x")
    return prefix


def _find_problem(key: str) -> str:
    parts = key.split("/")
    # SeaweedFS turns a backslash into a slash; control characters and half surrogates do not survive the XML of S3.
    if not key.isprintable() or "\\" in key:
        return "holds a backslash or a character that is not printable"
    if any(part in ("", ".", "..") for part in parts):
        return "is empty, begins or ends with a slash, or has an empty part, '.' or '..'"
    if parts[0] == TEMPORARY_FOLDER:
        return f"lies in {TEMPORARY_FOLDER}, which is kept for files that are not whole yet"
    if len(key.encode()) > _MAX_KEY_BYTES or any(len(part.encode()) > _MAX_SEGMENT_BYTES for part in parts):
        return f"is longer than {_MAX_KEY_BYTES} bytes, or a part of it than {_MAX_SEGMENT_BYTES}"
    return ""
