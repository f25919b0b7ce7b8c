"""Rules for object names: every store refuses the names that any one of them would refuse or change."""

from ocrfarm.errors import StoreError

TEMPORARY_FOLDER = ".tmp"  # LocalStore writes unfinished files here, so no object may have a key in it

_MAX_KEY_BYTES = 1024  # S3's limit for a whole key, in UTF-8
_MAX_SEGMENT_BYTES = 255  # most file systems' limit for one name


def check_key(key: str) -> str:
    """Return the key if it is a valid object name: a relative path of printable names.

    Raises:
        StoreError: The key is not valid.

    Examples:
        >>> check_key("jobs/a1/result.json")
        'jobs/a1/result.json'
        >>> check_key("jobs/../secret")
        Traceback (most recent call last):
        ocrfarm.errors.StoreError: object name 'jobs/../secret' is empty, starts or ends with a slash, or has an ...
    """
    if problem := _find_problem(key):
        raise StoreError(f"object name {key!r} {problem}; use names like jobs/a1/result.json")
    return key


def check_prefix(prefix: str) -> str:
    """Return the prefix if a valid key can start with it.

    Raises:
        StoreError: No valid key starts with the prefix.

    Examples:
        >>> check_prefix("jobs/a1/"), check_prefix("")
        ('jobs/a1/', '')
    """
    check_key(f"{prefix}x")
    return prefix


def _find_problem(key: str) -> str:
    parts = key.split("/")
    # SeaweedFS turns a backslash into a slash; control characters and lone surrogates do not survive the XML of S3.
    if not key.isprintable() or "\\" in key:
        return "contains a backslash or a character that is not printable"
    if any(part in ("", ".", "..") for part in parts):
        return "is empty, starts or ends with a slash, or has an empty part, '.' or '..'"
    if parts[0] == TEMPORARY_FOLDER:
        return f"is in {TEMPORARY_FOLDER}, which is reserved for unfinished files"
    if len(key.encode()) > _MAX_KEY_BYTES or any(len(part.encode()) > _MAX_SEGMENT_BYTES for part in parts):
        return f"is longer than {_MAX_KEY_BYTES} bytes, or one of its parts is longer than {_MAX_SEGMENT_BYTES}"
    return ""
