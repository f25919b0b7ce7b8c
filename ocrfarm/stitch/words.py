"""Characters -> words: runs without a space, and single characters in scripts that write none."""

import re
from collections.abc import Sequence

_HAN = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Han characters, their radicals and kana; Hangul is written with spaces."""

_WORD = re.compile(rf"[{_HAN}]|[^\s{_HAN}]+")
_NO_SPACES = re.compile(rf"[{_HAN}\u3001-\u303f\uff00-\uff65]")


def split_words(chars: Sequence[str]) -> list[tuple[int, int]]:
    """Give the words as (first, after last) indices of the characters, each of which may be several code points."""
    text = "".join(chars)
    if len(text) != len(chars):
        text = "".join(char[:1] or " " for char in chars)
    return [match.span() for match in _WORD.finditer(text)]


def writes_spaces(char: str) -> bool:
    """Say whether words of the character's script are set apart by spaces."""
    return not _NO_SPACES.match(char)
