r"""Make foreign text harmless in a terminal or a log: names of files, jobs and owners, and messages that hold them.

A file name may contain escape sequences that clear a terminal or change its colours, line breaks that forge a row of a
table or a line of a log, and marks that reverse the direction of what follows (CVE-2021-42574). Each such character is
shown as an escape sequence in Python's notation instead.
"""

import json
import re
import unicodedata

_UNDECODED, _FIRST_UNDECODED = range(0xDC80, 0xDD00), 0x80
"""Code points with which Python represents the bytes of a file name that is not UTF-8 (PEP 383), and the first byte."""

_NAMED = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
"""Escape sequences without a number."""

_ESCAPED = re.compile(r"\\([\\nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U00[01][0-9a-f]{5})")

_FORMULA = re.compile("'*(?:[\t\r\n]|\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20])")
"""Beginnings of a cell that spreadsheets run as a formula (OWASP, CSV injection), full-width forms included. A guarded
cell matches too, so that it gets one more apostrophe, and to remove one always restores a cell."""

_NUMBER = re.compile(r"[+-]?(?:\d[\d., ]*|[.,]\d+)(?:[eE][+-]?\d+)? ?%?", re.ASCII)
"""A number with a sign, of any country, and a telephone number: it has no formula's letters or operators."""


def printable(text: str) -> str:
    r"""Return the text with an escape sequence in place of each character that is not printable.

    Control characters, line breaks, marks of direction, unassigned characters and undecodable bytes are not printable.
    Spaces of all widths are.

    >>> print(printable("a\x1b[31m.png"), printable("gpj\u202e.exe"), printable("two\nrows"))
    a\x1b[31m.png gpj\u202e.exe two\nrows
    >>> print(printable(b"caf\xe9.png".decode(errors="surrogateescape")))
    caf\xe9.png
    """
    if text.isprintable():
        return text
    return "".join(char if _is_printable(char) else _escape(char) for char in text)


def printable_json(data: object) -> str:
    r"""Return JSON in one line, in which each character that is not printable is an escape sequence of JSON.

    A program that parses it gets the original text, but for half of a surrogate pair, which some parsers refuse.

    >>> print(printable_json({"name": "a\x9b2J\u202e.png", "text": "Größe"}))
    {"name": "a\u009b2J\u202e.png", "text": "Größe"}
    """
    text = json.dumps(data, ensure_ascii=False, default=str)
    if text.isprintable():
        return text
    return "".join(char if _is_printable(char) else json.dumps(char)[1:-1] for char in text)


def guard_formula(cell: str) -> str:
    """Return the text of a cell, with an apostrophe before it if a spreadsheet would run it as a formula.

    Numbers stay numbers. `unguard_formula` restores the text.

    >>> [guard_formula(cell) for cell in ("=1+1", "@SUM(1)", "-12.5", "+49 30 7", "-A1", "DN 80")]
    ["'=1+1", "'@SUM(1)", '-12.5', '+49 30 7', "'-A1", 'DN 80']
    """
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def unguard_formula(cell: str) -> str:
    """Return the text from which `guard_formula` made a cell.

    >>> [unguard_formula(guard_formula(cell)) for cell in ("=1+1", "'=1+1", "-12.5", "'s")]
    ['=1+1', "'=1+1", '-12.5', "'s"]
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def escape(text: str) -> str:
    r"""Return the text as `printable` does, and with each backslash doubled, so that `unescape` restores it.

    >>> print(escape("a\x1b\\b.png"))
    a\x1b\\b.png
    """
    return printable(text.replace("\\", r"\\"))


def unescape(text: str) -> str:
    r"""Return the text from which `escape` made this one.

    >>> unescape(r"a\x1b\\x1b") == "a\x1b" + r"\x1b"
    True
    """
    return _ESCAPED.sub(_unescape_match, text)


def _unescape_match(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] == "x" and int(code[1:], 16) >= _FIRST_UNDECODED:
        return chr(_UNDECODED.start - _FIRST_UNDECODED + int(code[1:], 16))
    return _NAMED.get(code) or chr(int(code[1:], 16))


def _is_printable(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    if ord(char) in _UNDECODED:
        return f"\\x{ord(char) - _UNDECODED.start + _FIRST_UNDECODED:02x}"
    if ord(char) in range(_FIRST_UNDECODED, 0x100):
        return f"\\u{ord(char):04x}"  # \x stands for a byte
    return char.encode("unicode_escape").decode()
