"""API keys: the server knows the SHA-256 and the owner of each key, and nothing that would let anyone in."""

import hmac
import re
from hashlib import sha256
from pathlib import Path

from ocrfarm.errors import SettingsError
from ocrfarm.settings import Api

_ENTRY = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([0-9a-f]{64})")
_EXPECTED_FORMAT = "write owner:SHA256, the digest in hexadecimal"


class ApiKeys:
    """The keys and their owners. An owner may have several keys, so that one can be replaced.

    >>> keys = ApiKeys(Api(api_keys=f"alice:{sha256(b'secret').hexdigest()}"))
    >>> keys.find_owner("secret"), keys.find_owner("guess")
    ('alice', '')
    """

    def __init__(self, api: Api) -> None:
        """Read the keys from the settings; raise `SettingsError` if there is none or one is malformed."""
        entries = [entry.strip() for entry in api.api_keys.split(",") if entry.strip()]
        entries += _read_keys_file(Path(api.api_keys_file)) if api.api_keys_file else []
        if not entries:
            raise SettingsError("the HTTP API needs keys: set OCRFARM_API_KEYS or OCRFARM_API_KEYS_FILE")
        self._owners = [_parse_entry(entry, number) for number, entry in enumerate(entries, 1)]

    def find_owner(self, key: str) -> str:
        """Return the owner of a key, "" if no one owns it. The time does not depend on how much of a key is right."""
        digest, found = sha256(key.encode()).hexdigest(), ""
        for owner, known in self._owners:
            if hmac.compare_digest(digest, known):
                found = owner
        return found


def _read_keys_file(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}, which OCRFARM_API_KEYS_FILE names, cannot be read: {error}") from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _parse_entry(entry: str, number: int) -> tuple[str, str]:
    """Return the owner and the digest of an entry.

    >>> _parse_entry("alice:short", 1)
    Traceback (most recent call last):
    ocrfarm.errors.SettingsError: API key number 1 is malformed: write owner:SHA256, the digest in hexadecimal
    """
    match = _ENTRY.fullmatch(entry)
    if not match:  # the entry is not shown, since it may be a key that was not hashed
        raise SettingsError(f"API key number {number} is malformed: {_EXPECTED_FORMAT}")
    return match.group(1), match.group(2)
