"""Parts of fragments -> a line with its words, each with its place on the page."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ocrfarm.document import Line, Word
from ocrfarm.geometry import Quad
from ocrfarm.stitch.chains import Joined, Part
from ocrfarm.stitch.pieces import Pieces
from ocrfarm.stitch.words import split_words

_Point = tuple[float, float]


class _Text(NamedTuple):
    """The characters of a line in columns: what, where on the line's axis, how sure, and from which part."""

    chars: list[str]
    at: list[float]
    sure: list[float]
    part: list[int]


def make_line(pieces: Pieces, joined: Joined) -> Line:
    """Make the line; a word's quad is cut out of the quad of the tile that saw it, so long lines may bend."""
    parts = joined.parts
    quads = [pieces.fragments[part.piece].quad for part in parts]
    text = _gather(pieces, parts)
    bounds = [parts[0].start, *((a + b) / 2 for a, b in pairwise(text.at)), parts[-1].end]
    words = []
    for i, j in split_words(text.chars):
        one, two = text.part[i], text.part[j - 1]
        quad = _between(_edge(parts[one], quads[one], bounds[i]), _edge(parts[two], quads[two], bounds[j]))
        words.append(Word("".join(text.chars[i:j]), quad))
    sure = [sure for char, sure in zip(text.chars, text.sure, strict=True) if char.strip()]
    certainty = sum(sure) / max(len(sure), 1)
    return Line("".join(text.chars), line_quad(pieces, joined), certainty, tuple(words), _model(pieces, parts))


def line_quad(pieces: Pieces, joined: Joined) -> Quad:
    """Give the quad from the start of the first view to the end of the last."""
    first, last = (pieces.fragments[joined.parts[at].piece].quad for at in (0, -1))
    return Quad(first.p0, last.p1, last.p2, first.p3)


def _gather(pieces: Pieces, parts: Sequence[Part]) -> _Text:
    """List the characters of all parts in order, with the spaces that stand between parts."""
    text = _Text([], [], [], [])
    for number, part in enumerate(parts):
        run = pieces.fragments[part.piece].chars[part.first : part.stop]
        if not run:
            continue
        chars, at, sure = zip(*run, strict=True)
        scale = part.end - part.start
        places = [part.start + place * scale for place in at]
        if part.spaced and text.at:
            _extend(text, [" "], [(text.at[-1] + places[0]) / 2], [1.0], number)
        _extend(text, chars, places, sure, number)
    return text


def _extend(text: _Text, chars: Sequence[str], at: Sequence[float], sure: Sequence[float], part: int) -> None:
    text.chars.extend(chars)
    text.at.extend(at)
    text.sure.extend(sure)
    text.part.extend([part] * len(chars))


def _between(start: tuple[_Point, _Point], end: tuple[_Point, _Point]) -> Quad:
    """Give the quad between two edges, each from its top to its bottom."""
    return Quad(start[0], end[0], end[1], start[1])


def _edge(part: Part, quad: Quad, at: float) -> tuple[_Point, _Point]:
    """Give the top and bottom of the quad where the axis is at `at`."""
    if at == part.start:
        return quad.p0, quad.p3
    if at == part.end:
        return quad.p1, quad.p2
    share = (at - part.start) / (part.end - part.start)
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad.p0, quad.p1, quad.p2, quad.p3
    return (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share), (x3 + (x2 - x3) * share, y3 + (y2 - y3) * share)


def _model(pieces: Pieces, parts: Sequence[Part]) -> str:
    """Name the model that read most of the characters."""
    if len(parts) == 1:
        return pieces.models[int(pieces.tile[parts[0].piece])]
    read: Counter[str] = Counter()
    for part in parts:
        read[pieces.models[int(pieces.tile[part.piece])]] += part.stop - part.first
    return min(read, key=lambda model: (-read[model], model))
