"""Parts of fragments -> a line with its words, each with its place on the page."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from ocrfarm.document import Line, Word
from ocrfarm.document import Look as Verdict
from ocrfarm.geometry import Quad
from ocrfarm.stitch.chains import Joined, Part
from ocrfarm.stitch.pieces import Pieces
from ocrfarm.stitch.second import Answer, Text, Zone, mend, replaced
from ocrfarm.stitch.words import split_words

_Point = tuple[float, float]


DISTURBED = 0.5
"""Line heights beyond the overlap of two parts in which a letter may have been cut too."""


def make_line(pieces: Pieces, joined: Joined, *, answer: Answer | None = None) -> Line:
    """Make the line; a word's quad is cut out of the quad of the tile that saw it, so long lines may bend.

    `answer` is what was read on the whole line at a second look, with places from 0 (its start) to 1.
    """
    parts = joined.parts
    quads = [pieces.fragments[part.piece].quad for part in parts]
    text = _gather(pieces, parts)
    look: Verdict = ""
    model = _model(pieces, parts)
    if answer:
        start, length = parts[0].start, parts[-1].end - parts[0].start
        placed = [char._replace(at=start + char.at * length) for char in answer.chars]
        if answer.stronger:
            text, look = replaced(text, placed, ends=[part.end for part in parts])
            model = model if look == "uncertain" else answer.model
        else:
            text, look = mend(text, placed, zones=_zones(pieces, parts))
    text = text.trimmed()
    bounds = [parts[0].start, *((a + b) / 2 for a, b in pairwise(text.at)), parts[-1].end]
    words = []
    for i, j in split_words(text.chars):
        one, two = text.part[i], text.part[j - 1]
        quad = _between(_edge(parts[one], quads[one], bounds[i]), _edge(parts[two], quads[two], bounds[j]))
        words.append(Word("".join(text.chars[i:j]), quad))
    return Line("".join(text.chars), line_quad(pieces, joined), text.confidence(), tuple(words), model, look)


def _zones(pieces: Pieces, parts: Sequence[Part]) -> list[Zone]:
    """Give where neighbouring parts overlap, or nearly meet."""
    margin = DISTURBED * float(pieces.height[[part.piece for part in parts]].mean())
    edges = [sorted((after.start, before.end)) for before, after in pairwise(parts)]
    return [(low - margin, high + margin) for low, high in edges]


def line_quad(pieces: Pieces, joined: Joined) -> Quad:
    """Give the quad from the start of the first view to the end of the last."""
    first, last = (pieces.fragments[joined.parts[at].piece].quad for at in (0, -1))
    return Quad(first.p0, last.p1, last.p2, first.p3)


def _gather(pieces: Pieces, parts: Sequence[Part]) -> Text:
    """List the characters of all parts in order, with the spaces that stand between parts."""
    text = Text([], [], [], [])
    for number, part in enumerate(parts):
        run = pieces.fragments[part.piece].chars[part.first : part.stop]
        if not run:
            continue
        chars, at, sure = zip(*run, strict=True)
        scale = part.end - part.start
        places = [part.start + place * scale for place in at]
        if part.spaced and text.at:
            text.add([" "], [(text.at[-1] + places[0]) / 2], sure=[1.0], part=number)
        text.add(chars, places, sure=sure, part=number)
    return text


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
