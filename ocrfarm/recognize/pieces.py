"""Crops too long for a recognizer -> overlapping pieces, and what was read on these -> one line again."""

import math
from collections.abc import Sequence
from itertools import pairwise

from ocrfarm.tile import Char

LONGEST = 40.0
"""Times as long as high: of longer lines the recognizers drop spaces, and from 66 times on they would be squeezed."""

PIECE = 30.0
"""Line heights of a piece, at most."""

SHARED = 3.0
"""Line heights that neighbouring pieces share: room for two letters that both see whole."""

_DISTURBED = 0.6
"""Line heights from a piece's end within which a letter may be cut, and so read as another one."""

Span = tuple[int, int]
Chars = tuple[Char, ...]


def piece_spans(width: int, height: int) -> list[Span]:
    """Give the columns (first, after the last) of equal pieces that cover a crop; one where it is short enough."""
    if width <= LONGEST * height:
        return [(0, width)]
    shared = round(SHARED * height)
    count = math.ceil((width - shared) / (PIECE * height - shared))
    length = math.ceil((width + (count - 1) * shared) / count)
    return [(start, start + length) for start in (round(k * (width - length) / (count - 1)) for k in range(count))]


def join_pieces(spans: Sequence[Span], texts: Sequence[Chars], *, height: int) -> Chars:
    """Put together what was read on the pieces of one crop; places are shares of the whole crop's width."""
    width = spans[-1][1]
    placed = [_placed(span, chars, width) for span, chars in zip(spans, texts, strict=True)]
    line = placed[0]
    for chars, (before, after) in zip(placed[1:], pairwise(spans), strict=True):
        low, high = after[0] + _DISTURBED * height, before[1] - _DISTURBED * height
        line = _switched(line, chars, at=_gap(line, low / width, high / width))
    return tuple(line)


def _placed(span: Span, chars: Chars, width: int) -> list[Char]:
    start, end = span
    return [char._replace(at=(start + char.at * (end - start)) / width) for char in chars]


def _gap(chars: Sequence[Char], low: float, high: float) -> float:
    """Give the middle of the widest gap between letters' centres from `low` to `high`."""
    inside = [char.at for char in chars if low < char.at < high and char.text != " "]
    before, after = max(pairwise([low, *inside, high]), key=lambda gap: gap[1] - gap[0])
    return (before + after) / 2


def _switched(one: Sequence[Char], two: Sequence[Char], *, at: float) -> list[Char]:
    """Take the letters of `one` before the place, those of `two` behind it, and between them a space if either has."""
    stop = max((k + 1 for k, char in enumerate(one) if char.at < at and char.text != " "), default=0)
    begin = min((k for k, char in enumerate(two) if char.at >= at and char.text != " "), default=len(two))
    spaces = [char for char in (*one[stop : stop + 1], *two[max(begin - 1, 0) : begin]) if char.text == " "]
    return [*one[:stop], *spaces[:1], *two[begin:]]
