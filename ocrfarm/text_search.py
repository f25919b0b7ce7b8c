"""Text as a search sees it: NFKC, without capitals, and where each of its characters came from."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial

SearchFunction = Callable[[str], list[tuple[int, int]]]
"""Gives the places start <= i < end of what it looks for in a text, from left to right."""

_nfkc = partial(unicodedata.normalize, "NFKC")


def compile_search(query: str | re.Pattern[str]) -> SearchFunction:
    """Give what finds a text, whatever its capitals, widths and spaces, or what a regular expression matches.

    A regular expression sees the text in NFKC, and minds capitals unless its own flags say otherwise. Nothing is found
    where nothing is looked for.
    """
    if isinstance(query, re.Pattern):
        return partial(_find, query, str)
    wanted, _ = _fold(query, str.casefold)
    return partial(_find, re.compile(r"\s+".join(map(re.escape, wanted.split()))), str.casefold)


def _find(pattern: re.Pattern[str], transform: Callable[[str], str], text: str) -> list[tuple[int, int]]:
    folded, origins = _fold(text, transform)
    spans = [match.span() for match in pattern.finditer(folded) if match.group()]
    return [(origins[start][0], origins[end - 1][1]) for start, end in spans] if origins else spans


def _fold(text: str, transform: Callable[[str], str]) -> tuple[str, list[tuple[int, int]]]:
    """Give the text in NFKC and changed, and from where in the original each character is; [] where none moved."""
    changed = transform(text)
    same = len(changed) == len(text) and all(unicodedata.is_normalized("NFKC", each) for each in (text, changed))
    if same:
        return changed, []
    pieces = [(_nfkc(transform(_nfkc(text[start:end]))), (start, end)) for start, end in iter_clusters(text)]
    return "".join(piece for piece, _ in pieces), [origin for piece, origin in pieces for _ in piece]


def iter_clusters(text: str) -> Iterator[tuple[int, int]]:
    """Part the text where NFKC of the parts, put together, is NFKC of the whole."""
    start = 0
    for end in range(1, len(text)):
        if _is_boundary(text[start:end], text[end]):
            yield start, end
            start = end
    if text:
        yield start, len(text)


def _is_boundary(before: str, char: str) -> bool:
    return not unicodedata.combining(char) and _nfkc(before + char) == _nfkc(before) + _nfkc(char)
