"""The text where two views of one line overlap: which characters to take from which view.

Characters are paired by what they are and where they stand, never by the string alone: "0.00 0.00" matches itself in
many ways.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from ocrfarm.stitch.cuts import FREE, HARD
from ocrfarm.stitch.words import writes_spaces
from ocrfarm.tile import Char

SAME_PLACE = 0.45
"""Text heights between two views of one character at most; about the pitch of narrow digits."""

WINDOW = 8.0
"""Text heights to both sides of an overlap's middle in which characters are paired: bounds the work."""

UNSAFE = 0.6
"""Text heights from a cut end within which a character may be read wrong: half a letter looks like another one."""

WORD_GAP = 0.95
"""Text heights between the centres of two characters from where on a space stands between them."""

SAME_GLYPH = 0.2
"""Text heights; two different readings this close are of one character."""

SHARED_TEXT = 0.6
"""Share of the characters that two groupings of the same words have in common at least where they overlap."""


class Span(NamedTuple):
    """A view of a line on the line's own axis: its characters, where it starts and ends (pixels), the ends' grades."""

    chars: Sequence[Char]
    start: float
    end: float
    opens: int = FREE
    closes: int = FREE


class Seam(NamedTuple):
    """How to go from one view to the next: the first gives chars[:stop], the second chars[begin:].

    `at` is the position on the axis; `anchors` counts the characters on which both agree, `agreement` (0..1) is their
    share of all that both should see.
    """

    stop: int
    begin: int
    at: float
    spaced: bool
    anchors: int
    agreement: float


class _Glyph(NamedTuple):
    number: int
    text: str
    at: float
    confidence: float


_Pair = tuple[_Glyph, _Glyph]


def find_seam(first: Span, second: Span, *, height: float, after: int = 0) -> Seam:
    """Find where to switch, near the middle of the overlap; `after` characters of the first view are taken already."""
    low = max(second.start, _place(first, after - 1)) if after else second.start
    middle = (low + first.end) / 2
    ours = _glyphs(first, low, first.end, height, after=after)
    theirs = _glyphs(second, low, first.end, height)
    pairs = _align(ours, theirs, height)
    agreement = _agreement(ours, theirs, pairs, _safe(first, second, height))
    if not pairs:
        return _by_position(first, second, _border(first, second, middle), height, after)
    one, two = min(pairs, key=lambda pair: _unfitness(pair, first, second, middle, height))
    return Seam(one.number + 1, two.number + 1, (one.at + two.at) / 2, False, len(pairs), agreement)


def same_text(first: Span, second: Span, *, height: float) -> bool:
    """Say whether two views that overlap read the same text there."""
    ours = _glyphs(first, second.start, first.end, height)
    theirs = _glyphs(second, second.start, first.end, height)
    pairs = _align(ours, theirs, height)
    agreement = _agreement(ours, theirs, pairs, _safe(first, second, height))
    return agreement >= SHARED_TEXT


def _place(span: Span, index: int) -> float:
    return span.start + span.chars[index].at * (span.end - span.start)


def _glyphs(span: Span, low: float, high: float, height: float, *, after: int = 0) -> list[_Glyph]:
    """List the characters (no spaces) between two positions, from number `after` on, near the middle."""
    middle, reach = (low + high) / 2, min((high - low) / 2 + 0.3 * height, WINDOW * height)
    start, length = span.start, span.end - span.start
    return [
        _Glyph(index, char.text, at, char.confidence)
        for index, char in enumerate(span.chars)
        if abs((at := start + char.at * length) - middle) <= reach and index >= after and char.text.strip()
    ]


def _align(ours: list[_Glyph], theirs: list[_Glyph], height: float) -> list[_Pair]:
    """Pair equal characters at the same place, in order, so that the pairs weigh most in all."""
    near = SAME_PLACE * height
    best: list[tuple[float, int, _Pair]] = []  # weight of the best chain that ends here, its last link but one, pair
    for one in ours:
        rows = [
            _extend(best, (one, two), near) for two in theirs if one.text == two.text and abs(one.at - two.at) <= near
        ]
        best += rows
    if not best:
        return []
    at = max(range(len(best)), key=lambda k: (best[k][0], -k))
    pairs = []
    while at >= 0:
        _, at_before, pair = best[at]
        pairs.append(pair)
        at = at_before
    return pairs[::-1]


def _extend(best: list[tuple[float, int, _Pair]], pair: _Pair, near: float) -> tuple[float, int, _Pair]:
    one, two = pair
    own = 1 + (one.confidence + two.confidence) / 2 - 0.25 * abs(one.at - two.at) / near
    weight, before = 0.0, -1
    for k, (other, _, (_, last)) in enumerate(best):
        if other > weight and last.number < two.number:
            weight, before = other, k
    return weight + own, before, pair


def _safe(first: Span, second: Span, height: float) -> tuple[float, float]:
    """Give the stretch of the overlap where no cut end disturbs either view."""
    margin = UNSAFE * height
    return second.start + margin * (second.opens == HARD), first.end - margin * (first.closes == HARD)


def _agreement(ours: list[_Glyph], theirs: list[_Glyph], pairs: list[_Pair], safe: tuple[float, float]) -> float:
    """Give the share of the characters on which both agree: of the safe ones, or of all where none is safe."""
    low, high = safe
    if not any(low <= glyph.at <= high for glyph in (*ours, *theirs)):
        low, high = -math.inf, math.inf
    count = max(sum(low <= glyph.at <= high for glyph in side) for side in (ours, theirs))
    both = sum(low <= (one.at + two.at) / 2 <= high for one, two in pairs)
    return min(both / count, 1.0) if count else 0.0


def _unfitness(pair: _Pair, first: Span, second: Span, middle: float, height: float) -> tuple[bool, float, int]:
    low, high = _safe(first, second, height)
    at = (pair[0].at + pair[1].at) / 2
    return not low <= at <= high, abs(at - middle), pair[0].number


def _border(first: Span, second: Span, middle: float) -> float:
    """Give the place where the second view takes over: an end that is whole is worth more than one that is cut."""
    if (first.closes == HARD) == (second.opens == HARD):
        return middle
    return second.start if first.closes == HARD else first.end


def _by_position(first: Span, second: Span, border: float, height: float, after: int) -> Seam:
    """Switch at a position: both views read something else there, or do not overlap at all."""
    stop = max(sum(_place(first, index) < border for index in range(len(first.chars))), after)
    begin = sum(_place(second, index) < border for index in range(len(second.chars)))
    if not stop or begin >= len(second.chars):
        return Seam(stop, begin, border, False, 0, 0.0)
    one, two = first.chars[stop - 1], second.chars[begin]
    gap = _place(second, begin) - _place(first, stop - 1)
    if not one.text.strip() or not two.text.strip():
        return Seam(stop, begin, border, False, 0, 0.0)
    if gap < SAME_GLYPH * height:
        ours_is_better = one.confidence >= two.confidence or stop - 1 < after
        return Seam(stop - (not ours_is_better), begin + ours_is_better, border, False, 0, 0.0)
    apart = gap > WORD_GAP * height or FREE in (first.closes, second.opens)  # a detector parts text at gaps only
    spaced = apart and writes_spaces(one.text) and writes_spaces(two.text)
    return Seam(stop, begin, border, spaced, 0, 0.0)
