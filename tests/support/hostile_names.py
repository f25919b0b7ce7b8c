"""Names of files, jobs and owners with which a stranger attacks a terminal, a log or a spreadsheet."""

import unicodedata

HOSTILE_NAMES = (
    "\x1b]0;title\x07\x1b[2J\x1b[31mred.png",
    "two\nrows\r.png",
    "tab\there\x0b\x0c.png",
    "gpj\u202eexe.png",
    "isolated\u2066\u2069\u200f\u061c.png",
    "csi\x9b2J\x85next\u2028line\u2029.png",
    "caf\udce9.png",
    "zero\u200bwidth\ufeff.png",
    "\x7fdelete\x00nul\x08back.png",
    "[red]markup[/red].png",
    "=cmd|'/C calc'!A0.png",
)
"""Each holds something that must not reach an output as it is."""

FILE_NAMES = tuple(name.replace("/", "_") for name in HOSTILE_NAMES if "\0" not in name)
"""Those that a file can have."""


def find_unprintable(text: str) -> list[str]:
    """Return the characters of one line that control a terminal, break the line or turn its direction."""
    return [char for char in text if not char.isprintable() and unicodedata.category(char) != "Zs"]
