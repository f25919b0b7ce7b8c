"""Segments of fragments -> a line with its words, each with its place on the page; what a second reading changes.

Algorithm: the characters of all segments stand on the line's axis, so that a word's edges are found by linear
interpolation in the quad of the fragment that showed it. A second reading is compared with the joined text by gestalt
pattern matching (Ratcliff and Metzener, 1988: Python's `difflib`), and taken only inside the zones of the seams.

     first reading    |THE PUMP H(0USE No. 4|
                                 <-> zone: the overlap of the two segments, and ZONE_MARGIN on both sides
     second reading   |THE PUMF HOUSE N0. 4|       of its three differences only the O lies in the zone
     result           |THE PUMP HOUSE No. 4|

Invariant: outside of the zones the text of the first reading stays, because there one tile showed it whole. The quads
of words follow the segments, so a line that bends from tile to tile has words that lie on the ink. Cost: O(c) for a
line of c characters, O(c^2) at worst to compare a second reading.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import NamedTuple

from ocrfarm.document import Line, SecondPassOutcome, Word
from ocrfarm.geometry import Point, Quad
from ocrfarm.stitch.alignment import HAN
from ocrfarm.stitch.chain import JoinedLine, Segment, line_quad
from ocrfarm.stitch.fragment_table import FragmentTable
from ocrfarm.tile import Char, Fragment

MAX_CONFIDENCE_LOSS = 0.05
"""What a second reading may be less sure of than the joined text, and still be believed.
Calibrated: `scripts/bench calibrate --only MAX_CONFIDENCE_LOSS`, see docs/calibration.md."""

MAX_STRONG_CONFIDENCE_LOSS = 0.1
"""The same for a stronger model, which knows better what it does not know: of 3,251 lines on scanned receipts, asking
for as much confidence as before would lose a tenth of what it corrects, and this loses nothing.
Calibrated: `scripts/bench cascade`, on a sheet of scanned receipts."""

MIN_COMMON_SHARE = 0.7
"""Share of the characters that both must have in common: a crop that shows something else has fewer.
Calibrated: `scripts/bench calibrate --only MIN_COMMON_SHARE`, see docs/calibration.md."""

Zone = tuple[float, float]
"""From where to where two segments of a line overlap, pixels on the line's axis."""

_WORD = re.compile(rf"[{HAN}]|[^\s{HAN}]+")

ZONE_MARGIN = 0.5
"""Line heights beyond the overlap of two segments in which a letter may have been cut too.
Calibrated: `scripts/bench calibrate --only ZONE_MARGIN`, see docs/calibration.md."""


class LineText(NamedTuple):
    """The characters of a line in columns: what, where on the line's axis (pixels), how sure, and of which segment."""

    chars: list[str]
    positions: list[float]
    confidences: list[float]
    segments: list[int]

    def add(
        self, chars: Sequence[str], positions: Sequence[float], *, confidences: Sequence[float], segment: int
    ) -> None:
        """Append characters of one segment.

        Args:
            chars: The characters.
            positions: Where their centres lie on the line's axis, pixels.
            confidences: How sure the recognizer is of each, 0 to 1.
            segment: The number of the segment.
        """
        self.chars.extend(chars)
        self.positions.extend(positions)
        self.confidences.extend(confidences)
        self.segments.extend([segment] * len(chars))

    def trim(self) -> "LineText":
        """Return the text without the spaces before the first letter and behind the last one."""
        inked = [k for k, char in enumerate(self.chars) if char.strip()] or [0]
        kept = slice(inked[0], inked[-1] + 1)
        return LineText(self.chars[kept], self.positions[kept], self.confidences[kept], self.segments[kept])

    def mean_confidence(self) -> float:
        """Return the mean confidence of the characters that are no spaces."""
        sure = [sure for char, sure in zip(self.chars, self.confidences, strict=True) if char.strip()]
        return sum(sure) / max(len(sure), 1)


class Reread(NamedTuple):
    """What the second pass read on a whole line, which model read it, and whether that is stronger than the first."""

    chars: Sequence[Char]
    model: str
    is_stronger: bool


def merge_reread(
    text: LineText, reread: Sequence[Char], *, zones: Sequence[Zone]
) -> tuple[LineText, SecondPassOutcome]:
    """Take from the second reading of a whole line what stands where two tiles overlap; the rest was whole before.

    The second reading is believed if it is nearly as sure as the first one and has most of its characters. Both may
    drop or mistake a letter anywhere, but only at a seam the second one is better. Spaces alone are left as they are.

    Args:
        text: The joined text.
        reread: The second reading; positions are pixels on the line's axis.
        zones: Where two segments overlap, on the same axis.

    Returns:
        The text to keep, and whether the second reading confirmed it, corrected it or was not believed.

    >>> from ocrfarm.tile import Char
    >>> text = LineText(list("PUMP H0USE"), [float(k) for k in range(10)], [0.9] * 10, [0] * 5 + [1] * 5)
    >>> reread = [Char(char, float(k), 0.9) for k, char in enumerate("PUNP HOUSE")]
    >>> merged, outcome = merge_reread(text, reread, zones=[(4.5, 7.5)])
    >>> "".join(merged.chars), outcome
    ('PUMP HOUSE', 'corrected')
    """
    matcher = SequenceMatcher(None, text.chars, [char.text for char in reread], autojunk=False)
    second = LineText(
        [char.text for char in reread], [char.position for char in reread], [char.confidence for char in reread], []
    )
    if matcher.ratio() < MIN_COMMON_SHARE or second.mean_confidence() < text.mean_confidence() - MAX_CONFIDENCE_LOSS:
        return text, "uncertain"
    merged, corrected = LineText([], [], [], []), False
    for _, i, i_end, j, j_end in matcher.get_opcodes():
        differ = "".join(text.chars[i:i_end]).strip() != "".join(second.chars[j:j_end]).strip()
        taken = differ and _is_in_zone([*text.positions[i:i_end], *second.positions[j:j_end]], zones)
        source, first, stop = (second, j, j_end) if taken else (text, i, i_end)
        part = text.segments[min(i, len(text.segments) - 1)]
        for k in range(first, stop):
            own = part if taken else text.segments[k]
            merged.add(
                source.chars[k : k + 1],
                source.positions[k : k + 1],
                confidences=source.confidences[k : k + 1],
                segment=own,
            )
        corrected |= taken
    return merged, "corrected" if corrected else "confirmed"


def replace_with_reread(
    text: LineText, reread: Sequence[Char], *, ends: Sequence[float]
) -> tuple[LineText, SecondPassOutcome]:
    """Take the reading of a stronger model whole, unless it is much less sure, as on a crop that shows something else.

    Args:
        text: The joined text.
        reread: The reading of the stronger model; positions are pixels on the line's axis.
        ends: Where the segments of the line end on the same axis, ascending.

    Returns:
        The text to keep, and whether the second reading confirmed it, corrected it or was not believed.
    """
    second = LineText([], [], [], [])
    for char in reread:
        part = min(bisect_left(ends, char.position), len(ends) - 1)
        second.add([char.text], [char.position], confidences=[char.confidence], segment=part)
    if second.mean_confidence() < text.mean_confidence() - MAX_STRONG_CONFIDENCE_LOSS:
        return text, "uncertain"
    return second, "confirmed" if second.chars == text.chars else "corrected"


def _is_in_zone(positions: Sequence[float], zones: Sequence[Zone]) -> bool:
    return any(low <= min(positions) and max(positions) <= high for low, high in zones)


def split_words(chars: Sequence[str]) -> list[tuple[int, int]]:
    """Return the words as (first, after last) indices of the characters, each of which may be several code points.

    A word is a run without a space, or a single character in scripts that write none.

    >>> split_words(list("No. 4 水泵"))
    [(0, 3), (4, 5), (6, 7), (7, 8)]
    """
    text = "".join(chars)
    if len(text) != len(chars):
        text = "".join(char[:1] or " " for char in chars)
    return [match.span() for match in _WORD.finditer(text)]


def make_line(table: FragmentTable, joined_line: JoinedLine, *, rereads: Mapping[Quad, Reread]) -> Line:
    """Make the line; a word's quad is cut out of the quad of the tile that saw it, so long lines may bend.

    Args:
        table: The fragments of the page.
        joined_line: The segments of the line.
        rereads: What the second pass read on whole lines, by their quads; positions run from 0 (the start) to 1.
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
    """Return where neighbouring segments overlap, or nearly meet."""
    margin = ZONE_MARGIN * float(table.height[[part.row for part in segments]].mean())
    edges = [sorted((after.start, before.end)) for before, after in pairwise(segments)]
    return [(low - margin, high + margin) for low, high in edges]


def _collect_text(segments: Sequence[Segment], fragments: Sequence[Fragment]) -> LineText:
    """List the characters of all segments in order, with the spaces that stand between segments."""
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
    """Return the top and bottom of the quad at a position on the axis."""
    p0, p1, p2, p3 = (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad.points
    if at == segment.start:
        return p0, p3
    if at == segment.end:
        return p1, p2
    share = (at - segment.start) / (segment.end - segment.start)
    return (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share), (x3 + (x2 - x3) * share, y3 + (y2 - y3) * share)


def _choose_model(table: FragmentTable, segments: Sequence[Segment]) -> str:
    """Return the name of the model that read most of the characters."""
    if len(segments) == 1:
        return table.reading(segments[0].row).model
    read: Counter[str] = Counter()
    for part in segments:
        read[table.reading(part.row).model] += part.stop - part.first
    return min(read, key=lambda model: (-read[model], model))
