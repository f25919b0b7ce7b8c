"""Crops too long for a recognizer -> overlapping pieces, and what was read on these -> one line again."""

import math
from collections.abc import Sequence
from itertools import pairwise

from ocrfarm.tile import Char

MAX_UNSPLIT_ASPECT = 40.0
"""Times as long as high: of longer lines the recognizers drop spaces, and from 66 times on they would be squeezed."""

MAX_CHUNK_ASPECT = 30.0
"""Line heights of a piece, at most."""

CHUNK_OVERLAP = 3.0
"""Line heights that neighbouring pieces share: room for two letters that both see whole."""

_UNRELIABLE_MARGIN = 0.6
"""Line heights from a piece's end within which a letter may be cut, and so read as another one."""

ChunkSpan = tuple[int, int]
Chars = tuple[Char, ...]


def split_into_chunks(width: int, height: int) -> list[ChunkSpan]:
    """Give the columns (first, after the last) of equal pieces that cover a crop; one where it is short enough."""
    if width <= MAX_UNSPLIT_ASPECT * height:
        return [(0, width)]
    shared = round(CHUNK_OVERLAP * height)
    count = math.ceil((width - shared) / (MAX_CHUNK_ASPECT * height - shared))
    length = math.ceil((width + (count - 1) * shared) / count)
    return [(start, start + length) for start in (round(k * (width - length) / (count - 1)) for k in range(count))]


def merge_chunks(spans: Sequence[ChunkSpan], texts: Sequence[Chars], *, height: int) -> Chars:
    """Put together what was read on the pieces of one crop; places are shares of the whole crop's width."""
    width = spans[-1][1]
    placed = [_to_line_positions(span, chars, width) for span, chars in zip(spans, texts, strict=True)]
    line = placed[0]
    for chars, (before, after) in zip(placed[1:], pairwise(spans), strict=True):
        low, high = after[0] + _UNRELIABLE_MARGIN * height, before[1] - _UNRELIABLE_MARGIN * height
        line = _join_at(line, chars, at=_find_widest_gap(line, low / width, high / width))
    return tuple(line)


def _to_line_positions(span: ChunkSpan, chars: Chars, width: int) -> list[Char]:
    start, end = span
    return [char._replace(position=(start + char.position * (end - start)) / width) for char in chars]


def _find_widest_gap(chars: Sequence[Char], low: float, high: float) -> float:
    """Give the middle of the widest gap between letters' centres from `low` to `high`."""
    inside = [char.position for char in chars if low < char.position < high and char.text != " "]
    before, after = max(pairwise([low, *inside, high]), key=lambda gap: gap[1] - gap[0])
    return (before + after) / 2


def _join_at(one: Sequence[Char], two: Sequence[Char], *, at: float) -> list[Char]:
    """Take the letters of `one` before the place, those of `two` behind it, and between them a space if either has."""
    stop = max((k + 1 for k, char in enumerate(one) if char.position < at and char.text != " "), default=0)
    begin = min((k for k, char in enumerate(two) if char.position >= at and char.text != " "), default=len(two))
    spaces = [char for char in (*one[stop : stop + 1], *two[max(begin - 1, 0) : begin]) if char.text == " "]
    return [*one[:stop], *spaces[:1], *two[begin:]]
