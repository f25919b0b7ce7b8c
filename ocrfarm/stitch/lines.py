"""Parts of fragments -> a line with its words, each with its place on the page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from ocrfarm.document import Line, Word
from ocrfarm.document import Look as Verdict
from ocrfarm.geometry import Point, Quad
from ocrfarm.stitch.chains import Joined, Part
from ocrfarm.stitch.pieces import Pieces
from ocrfarm.stitch.second import Answer, Text, Zone, mend, replaced
from ocrfarm.stitch.words import split_words
from ocrfarm.tile import Fragment

DISTURBED = 0.5
"""Line heights beyond the overlap of two parts in which a letter may have been cut too."""


def make_line(pieces: Pieces, joined: Joined, *, answers: Mapping[Quad, Answer]) -> Line:
    """Make the line; a word's quad is cut out of the quad of the tile that saw it, so long lines may bend.

    `answers` are what was read on whole lines at a second look, by their quads, with places from 0 (the start) to 1.
    """
    parts, whole = joined.parts, line_quad(pieces, joined)
    fragments = [pieces.fragment(part.piece) for part in parts]
    text = _gather(parts, fragments)
    look: Verdict = ""
    model = _model(pieces, parts)
    if answer := answers.get(whole):
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
        p0, p3 = _edge(parts[one], fragments[one].quad, bounds[i])
        p1, p2 = _edge(parts[two], fragments[two].quad, bounds[j])
        words.append(Word("".join(text.chars[i:j]), Quad(p0, p1, p2, p3)))
    return Line("".join(text.chars), whole, text.confidence(), tuple(words), model, look)


def _zones(pieces: Pieces, parts: Sequence[Part]) -> list[Zone]:
    """Give where neighbouring parts overlap, or nearly meet."""
    margin = DISTURBED * float(pieces.height[[part.piece for part in parts]].mean())
    edges = [sorted((after.start, before.end)) for before, after in pairwise(parts)]
    return [(low - margin, high + margin) for low, high in edges]


def line_quad(pieces: Pieces, joined: Joined) -> Quad:
    """Give the quad from the start of the first view to the end of the last."""
    first, last = (pieces.quad(joined.parts[at].piece) for at in (0, -1))
    return Quad(first.p0, last.p1, last.p2, first.p3)


def _gather(parts: Sequence[Part], fragments: Sequence[Fragment]) -> Text:
    """List the characters of all parts in order, with the spaces that stand between parts."""
    text = Text([], [], [], [])
    for number, (part, fragment) in enumerate(zip(parts, fragments, strict=True)):
        run = fragment.chars[part.first : part.stop]
        if not run:
            continue
        chars, at, sure = zip(*run, strict=True)
        scale = part.end - part.start
        places = [part.start + place * scale for place in at]
        if part.spaced and text.at:
            text.add([" "], [(text.at[-1] + places[0]) / 2], sure=[1.0], part=number)
        text.add(chars, places, sure=sure, part=number)
    return text


def _edge(part: Part, quad: Quad, at: float) -> tuple[Point, Point]:
    """Give the top and bottom of the quad where the axis is at `at`."""
    p0, p1, p2, p3 = (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad.points
    if at == part.start:
        return p0, p3
    if at == part.end:
        return p1, p2
    share = (at - part.start) / (part.end - part.start)
    return (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share), (x3 + (x2 - x3) * share, y3 + (y2 - y3) * share)


def _model(pieces: Pieces, parts: Sequence[Part]) -> str:
    """Name the model that read most of the characters."""
    if len(parts) == 1:
        return pieces.reading(parts[0].piece).model
    read: Counter[str] = Counter()
    for part in parts:
        read[pieces.reading(part.piece).model] += part.stop - part.first
    return min(read, key=lambda model: (-read[model], model))
