"""Search that ignores case, character width and spacing, and reports positions in the original text."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial

SearchFunction = Callable[[str], list[tuple[int, int]]]
"""Returns the (start, end) positions of all matches in a text, from left to right."""

_nfkc = partial(unicodedata.normalize, "NFKC")


def compile_search(query: str | re.Pattern[str]) -> SearchFunction:
    """Return a function that finds a text or a regular expression.

    A text is matched regardless of case, character width (NFKC) and the number of spaces; an empty text matches
    nothing. A regular expression is matched against the text in NFKC, and its own flags decide about case.

    Examples:
        >>> find = compile_search("dn 80")
        >>> find("Valve DN  80")
        [(6, 12)]
        >>> find("\uff24\uff2e 80")  # full-width letters
        [(0, 5)]
        >>> compile_search(re.compile(r"[0-9]+"))("DN80, DN100")
        [(2, 4), (8, 11)]
    """
    if isinstance(query, re.Pattern):
        return partial(_find, query, str)
    folded, _ = _fold(query, str.casefold)
    return partial(_find, re.compile(r"\s+".join(map(re.escape, folded.split()))), str.casefold)


def _find(pattern: re.Pattern[str], transform: Callable[[str], str], text: str) -> list[tuple[int, int]]:
    folded, origins = _fold(text, transform)
    spans = [match.span() for match in pattern.finditer(folded) if match.group()]
    return [(origins[start][0], origins[end - 1][1]) for start, end in spans] if origins else spans


def _fold(text: str, transform: Callable[[str], str]) -> tuple[str, list[tuple[int, int]]]:
    """Return the text in NFKC, transformed, and the original span of each character; [] if no character moved."""
    changed = transform(text)
    same = len(changed) == len(text) and all(unicodedata.is_normalized("NFKC", each) for each in (text, changed))
    if same:
        return changed, []
    pieces = [(_nfkc(transform(_nfkc(text[start:end]))), (start, end)) for start, end in iter_clusters(text)]
    return "".join(piece for piece, _ in pieces), [origin for piece, origin in pieces for _ in piece]


def iter_clusters(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of clusters: normalizing each by itself and joining them gives the normalized text.

    Examples:
        >>> list(iter_clusters("e\u0301a"))  # e, combining acute accent, a
        [(0, 2), (2, 3)]
    """
    start = 0
    for end in range(1, len(text)):
        if _is_boundary(text[start:end], text[end]):
            yield start, end
            start = end
    if text:
        yield start, len(text)


def _is_boundary(before: str, char: str) -> bool:
    return not unicodedata.combining(char) and _nfkc(before + char) == _nfkc(before) + _nfkc(char)
