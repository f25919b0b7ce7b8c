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
from ocrfarm.tile import Char

_Point = tuple[float, float]
_Edge = tuple[int, float]


class _Placed(NamedTuple):
    """A character on the line's axis, and the part it comes from."""

    text: str
    at: float
    confidence: float
    part: int


def make_line(pieces: Pieces, joined: Joined) -> Line:
    """Make the line; a word's quad is cut out of the quad of the tile that saw it, so long lines may bend."""
    parts = joined.parts
    quads = [pieces.fragments[part.piece].quad for part in parts]
    chars = _place(pieces, parts)
    sure = [char.confidence for char in chars if not char.text.isspace()]
    texts = [char.text for char in chars]
    bounds = _bounds(parts, chars)
    words = tuple(
        Word("".join(texts[i:j]), _between(parts, quads, (chars[i].part, bounds[i]), (chars[j - 1].part, bounds[j])))
        for i, j in split_words(texts)
    )
    whole = _between(parts, quads, (0, bounds[0]), (len(parts) - 1, bounds[-1]))
    return Line("".join(texts), whole, sum(sure) / len(sure) if sure else 0.0, words, _model(pieces, parts))


def _place(pieces: Pieces, parts: Sequence[Part]) -> list[_Placed]:
    """List the line's characters in order, with the spaces that stand between parts."""
    placed: list[_Placed] = []
    for number, part in enumerate(parts):
        run = pieces.fragments[part.piece].chars[part.first : part.stop]
        if part.spaced and placed and run:
            placed.append(_Placed(" ", (placed[-1].at + _at(part, run[0])) / 2, 1.0, number))
        placed += [_Placed(char.text, _at(part, char), char.confidence, number) for char in run]
    return placed


def _at(part: Part, char: Char) -> float:
    return part.start + char.at * (part.end - part.start)


def _bounds(parts: Sequence[Part], chars: Sequence[_Placed]) -> list[float]:
    """Give the line's start, the middles between neighbouring characters, and the line's end."""
    places = [char.at for char in chars]
    return [parts[0].start, *((a + b) / 2 for a, b in pairwise(places)), parts[-1].end]


def _between(parts: Sequence[Part], quads: Sequence[Quad], begin: _Edge, end: _Edge) -> Quad:
    """Give the quad between two edges, each a part's number and a position on the axis."""
    (p0, p3), (p1, p2) = (_edge(parts[number], quads[number], at) for number, at in (begin, end))
    return Quad(p0, p1, p2, p3)


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
