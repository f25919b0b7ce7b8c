"""Parts of fragments -> a line with its words, each with its place on the page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from ocrfarm.document import Line, SecondPassOutcome, Word
from ocrfarm.geometry import Point, Quad
from ocrfarm.stitch.chain import JoinedLine, Segment
from ocrfarm.stitch.fragment_table import FragmentTable
from ocrfarm.stitch.second_pass import LineText, Reread, Zone, merge_reread, replace_with_reread
from ocrfarm.stitch.words import split_words
from ocrfarm.tile import Fragment

ZONE_MARGIN = 0.5
"""Line heights beyond the overlap of two parts in which a letter may have been cut too."""


def make_line(table: FragmentTable, joined_line: JoinedLine, *, rereads: Mapping[Quad, Reread]) -> Line:
    """Make the line; a word's quad is cut out of the quad of the tile that saw it, so long lines may bend.

    `rereads` are what the second pass read on whole lines, by their quads, with places from 0 (the start) to 1.
    """
    parts, whole = joined_line.segments, line_quad(table, joined_line)
    fragments = [table.fragment(part.row) for part in parts]
    text = _collect_text(parts, fragments)
    outcome: SecondPassOutcome = ""
    model = _choose_model(table, parts)
    if reread := rereads.get(whole):
        start, length = parts[0].start, parts[-1].end - parts[0].start
        placed = [char._replace(position=start + char.position * length) for char in reread.chars]
        if reread.is_stronger:
            text, outcome = replace_with_reread(text, placed, ends=[part.end for part in parts])
            model = model if outcome == "uncertain" else reread.model
        else:
            text, outcome = merge_reread(text, placed, zones=_find_zones(table, parts))
    text = text.trim()
    bounds = [parts[0].start, *((a + b) / 2 for a, b in pairwise(text.positions)), parts[-1].end]
    words = []
    for i, j in split_words(text.chars):
        one, two = text.segments[i], text.segments[j - 1]
        p0, p3 = _interpolate_edge(parts[one], fragments[one].quad, bounds[i])
        p1, p2 = _interpolate_edge(parts[two], fragments[two].quad, bounds[j])
        words.append(Word("".join(text.chars[i:j]), Quad(p0, p1, p2, p3)))
    return Line("".join(text.chars), whole, text.mean_confidence(), tuple(words), model, outcome)


def _find_zones(table: FragmentTable, segments: Sequence[Segment]) -> list[Zone]:
    """Give where neighbouring parts overlap, or nearly meet."""
    margin = ZONE_MARGIN * float(table.height[[part.row for part in segments]].mean())
    edges = [sorted((after.start, before.end)) for before, after in pairwise(segments)]
    return [(low - margin, high + margin) for low, high in edges]


def line_quad(table: FragmentTable, joined_line: JoinedLine) -> Quad:
    """Give the quad from the start of the first view to the end of the last."""
    first, last = (table.quad(joined_line.segments[at].row) for at in (0, -1))
    return Quad(first.p0, last.p1, last.p2, first.p3)


def _collect_text(segments: Sequence[Segment], fragments: Sequence[Fragment]) -> LineText:
    """List the characters of all parts in order, with the spaces that stand between parts."""
    text = LineText([], [], [], [])
    for number, (part, fragment) in enumerate(zip(segments, fragments, strict=True)):
        run = fragment.chars[part.first : part.stop]
        if not run:
            continue
        chars, at, sure = zip(*run, strict=True)
        scale = part.end - part.start
        places = [part.start + place * scale for place in at]
        if part.has_space_before and text.positions:
            text.add([" "], [(text.positions[-1] + places[0]) / 2], confidences=[1.0], segment=number)
        text.add(chars, places, confidences=sure, segment=number)
    return text


def _interpolate_edge(segment: Segment, quad: Quad, at: float) -> tuple[Point, Point]:
    """Give the top and bottom of the quad where the axis is at `at`."""
    p0, p1, p2, p3 = (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad.points
    if at == segment.start:
        return p0, p3
    if at == segment.end:
        return p1, p2
    share = (at - segment.start) / (segment.end - segment.start)
    return (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share), (x3 + (x2 - x3) * share, y3 + (y2 - y3) * share)


def _choose_model(table: FragmentTable, segments: Sequence[Segment]) -> str:
    """Name the model that read most of the characters."""
    if len(segments) == 1:
        return table.reading(segments[0].row).model
    read: Counter[str] = Counter()
    for part in segments:
        read[table.reading(part.row).model] += part.stop - part.first
    return min(read, key=lambda model: (-read[model], model))
