"""API keys: the server knows their SHA-256 and whose they are, and nothing that lets anybody in."""

import hmac
import re
from hashlib import sha256
from pathlib import Path

from ocrfarm.errors import SettingsError
from ocrfarm.settings import Api

_ENTRY = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([0-9a-f]{64})")
_EXPECTED_FORMAT = "write owner:SHA256, with the SHA-256 of the key in hexadecimal"


class ApiKeys:
    """Which key is whose; one owner may have several, so that a key can be replaced."""

    def __init__(self, api: Api) -> None:
        """Read the settings; `SettingsError` where there is no key, or one that is not as it should be."""
        entries = [entry.strip() for entry in api.api_keys.split(",") if entry.strip()]
        entries += _read_keys_file(Path(api.api_keys_file)) if api.api_keys_file else []
        if not entries:
            raise SettingsError("the HTTP API needs keys: set OCRFARM_API_KEYS or OCRFARM_API_KEYS_FILE")
        self._owners = [_parse_entry(entry, number) for number, entry in enumerate(entries, 1)]

    def find_owner(self, key: str) -> str:
        """Give whose key it is, "" for nobody's; takes as long for a wrong key as for any other."""
        digest, found = sha256(key.encode()).hexdigest(), ""
        for owner, known in self._owners:
            if hmac.compare_digest(digest, known):
                found = owner
        return found


def _read_keys_file(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); OCRFARM_API_KEYS_FILE names it") from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _parse_entry(entry: str, number: int) -> tuple[str, str]:
    match = _ENTRY.fullmatch(entry)
    if not match:  # the entry itself may be a key that somebody did not hash
        raise SettingsError(f"API key number {number} is not as it should be: {_EXPECTED_FORMAT}")
    return match.group(1), match.group(2)
