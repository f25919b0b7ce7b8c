"""Long crops -> overlapping chunks that a recognizer can read, and the chunks' characters -> one line.

crop    |=======================================|
chunks  |---------------|
                    |---------------|              neighbouring chunks share CHUNK_OVERLAP line heights;
                                |---------------|  the text is joined at the widest gap in the shared part
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from ocrfarm.tile import Char

MAX_UNSPLIT_ASPECT = 40.0
"""Width / height. In longer lines the recognizers drop spaces, and from 66 on the line would have to be compressed."""

MAX_CHUNK_ASPECT = 30.0
"""Maximum width of a chunk, in line heights."""

CHUNK_OVERLAP = 3.0
"""Line heights that neighbouring chunks share: enough for two letters that both chunks show completely."""

_UNRELIABLE_MARGIN = 0.6
"""Line heights from a chunk's end within which a letter may be truncated and misread."""

ChunkSpan = tuple[int, int]
"""First column of a chunk, and the column after its last one."""

Chars = tuple[Char, ...]


def split_into_chunks(width: int, height: int) -> list[ChunkSpan]:
    """Return chunks of equal width that cover a crop; one chunk if the crop is short enough.

    Args:
        width: Width of the crop, in pixels.
        height: Height of the crop, in pixels.

    Examples:
        >>> split_into_chunks(320, 32)
        [(0, 320)]
        >>> split_into_chunks(2000, 32)
        [(0, 731), (634, 1365), (1269, 2000)]
    """
    if width <= MAX_UNSPLIT_ASPECT * height:
        return [(0, width)]
    shared = round(CHUNK_OVERLAP * height)
    count = math.ceil((width - shared) / (MAX_CHUNK_ASPECT * height - shared))
    length = math.ceil((width + (count - 1) * shared) / count)
    return [(start, start + length) for start in (round(k * (width - length) / (count - 1)) for k in range(count))]


def merge_chunks(spans: Sequence[ChunkSpan], texts: Sequence[Chars], *, height: int) -> Chars:
    """Join the characters of the chunks of one crop.

    Args:
        spans: The chunks, from `split_into_chunks`.
        texts: The characters of each chunk; positions are fractions of the chunk's width.
        height: Height of the crop, in pixels.

    Returns:
        The characters of the line; positions are fractions of the crop's width.
    """
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
    """Return the middle of the widest gap between the centres of letters, between the positions `low` and `high`."""
    inside = [char.position for char in chars if low < char.position < high and char.text != " "]
    before, after = max(pairwise([low, *inside, high]), key=lambda gap: gap[1] - gap[0])
    return (before + after) / 2


def _join_at(left: Sequence[Char], right: Sequence[Char], *, at: float) -> list[Char]:
    """Return the letters of `left` before `at` and those of `right` after it, with a space between if there is one."""
    stop = max((k + 1 for k, char in enumerate(left) if char.position < at and char.text != " "), default=0)
    start = min((k for k, char in enumerate(right) if char.position >= at and char.text != " "), default=len(right))
    spaces = [char for char in (*left[stop : stop + 1], *right[max(start - 1, 0) : start]) if char.text == " "]
    return [*left[:stop], *spaces[:1], *right[start:]]
