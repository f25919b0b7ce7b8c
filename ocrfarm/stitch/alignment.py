"""The text where two views of one line overlap: which characters to take from which view.

Characters are paired by what they are and where they stand, never by the string alone: "0.00 0.00" matches itself in
many ways.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from ocrfarm.stitch.truncation import TRUNCATED, WHOLE
from ocrfarm.tile import Char

HAN = "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Han characters, their radicals and kana; Hangul is written with spaces."""

_NO_SPACES = re.compile(rf"[{HAN}\u3001-\u303f\uff00-\uff65]")

MAX_CHAR_OFFSET = 0.45
"""Text heights between two views of one character at most; about the pitch of narrow digits."""

ALIGNMENT_WINDOW = 8.0
"""Text heights to both sides of an overlap's middle in which characters are paired: bounds the work."""

UNRELIABLE_MARGIN = 0.6
"""Text heights from a cut end within which a character may be read wrong: half a letter looks like another one."""

MIN_WORD_GAP = 0.95
"""Text heights between the centres of two characters from where on a space stands between them."""

SAME_CHAR_DISTANCE = 0.2
"""Text heights; two different readings this close are of one character."""

MIN_SHARED_TEXT = 0.6
"""Share of the characters that two groupings of the same words have in common at least where they overlap."""


class LineView(NamedTuple):
    """A view of a line on the line's own axis: its characters, where it starts and ends (pixels), the ends' grades."""

    chars: Sequence[Char]
    start: float
    end: float
    start_grade: int = WHOLE
    end_grade: int = WHOLE


class Seam(NamedTuple):
    """How to go from one view to the next: the first gives chars[:stop], the second chars[begin:].

    `at` is the position on the axis; `anchors` counts the characters on which both agree, `agreement` (0..1) is their
    share of all that both should see.
    """

    stop: int
    begin: int
    at: float
    has_space: bool
    anchors: int
    agreement: float


class _PlacedChar(NamedTuple):
    number: int
    text: str
    at: float
    confidence: float


_CharPair = tuple[_PlacedChar, _PlacedChar]


def find_seam(first: LineView, second: LineView, *, height: float, used_chars: int = 0) -> Seam:
    """Find where to switch, near the middle of the overlap; `after` characters of the first view are taken already."""
    low = max(second.start, _locate_char(first, used_chars - 1)) if used_chars else second.start
    middle = (low + first.end) / 2
    ours = _list_chars(first, low, first.end, height, used_chars=used_chars)
    theirs = _list_chars(second, low, first.end, height)
    pairs = _align_chars(ours, theirs, height)
    agreement = _measure_agreement(ours, theirs, pairs, _find_reliable_range(first, second, height))
    if not pairs:
        return _split_at_position(first, second, _handover_position(first, second, middle), height, used_chars)
    one, two = min(pairs, key=lambda pair: _seam_cost(pair, first, second, middle, height))
    return Seam(one.number + 1, two.number + 1, (one.at + two.at) / 2, False, len(pairs), agreement)


def has_same_text(first: LineView, second: LineView, *, height: float) -> bool:
    """Say whether two views that overlap read the same text there."""
    ours = _list_chars(first, second.start, first.end, height)
    theirs = _list_chars(second, second.start, first.end, height)
    pairs = _align_chars(ours, theirs, height)
    agreement = _measure_agreement(ours, theirs, pairs, _find_reliable_range(first, second, height))
    return agreement >= MIN_SHARED_TEXT


def _locate_char(view: LineView, index: int) -> float:
    return view.start + view.chars[index].position * (view.end - view.start)


def _list_chars(view: LineView, low: float, high: float, height: float, *, used_chars: int = 0) -> list[_PlacedChar]:
    """List the characters (no spaces) between two positions, from number `after` on, near the middle."""
    middle, reach = (low + high) / 2, min((high - low) / 2 + 0.3 * height, ALIGNMENT_WINDOW * height)
    start, length = view.start, view.end - view.start
    return [
        _PlacedChar(index, char.text, at, char.confidence)
        for index, char in enumerate(view.chars)
        if abs((at := start + char.position * length) - middle) <= reach and index >= used_chars and char.text.strip()
    ]


def _align_chars(ours: list[_PlacedChar], theirs: list[_PlacedChar], height: float) -> list[_CharPair]:
    """Pair equal characters at the same place, in order, so that the pairs weigh most in all."""
    near = MAX_CHAR_OFFSET * height
    best: list[
        tuple[float, int, _CharPair]
    ] = []  # weight of the best chain that ends here, its last link but one, pair
    for one in ours:
        rows = [
            _extend_alignment(best, (one, two), near)
            for two in theirs
            if one.text == two.text and abs(one.at - two.at) <= near
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


def _extend_alignment(
    best: list[tuple[float, int, _CharPair]], pair: _CharPair, near: float
) -> tuple[float, int, _CharPair]:
    one, two = pair
    own = 1 + (one.confidence + two.confidence) / 2 - 0.25 * abs(one.at - two.at) / near
    weight, before = 0.0, -1
    for k, (other, _, (_, last)) in enumerate(best):
        if other > weight and last.number < two.number:
            weight, before = other, k
    return weight + own, before, pair


def _find_reliable_range(first: LineView, second: LineView, height: float) -> tuple[float, float]:
    """Give the stretch of the overlap where no cut end disturbs either view."""
    margin = UNRELIABLE_MARGIN * height
    return second.start + margin * (second.start_grade == TRUNCATED), first.end - margin * (
        first.end_grade == TRUNCATED
    )


def _measure_agreement(
    ours: list[_PlacedChar], theirs: list[_PlacedChar], pairs: list[_CharPair], reliable_range: tuple[float, float]
) -> float:
    """Give the share of the characters on which both agree: of the safe ones, or of all where none is safe."""
    low, high = reliable_range
    if not any(low <= glyph.at <= high for glyph in (*ours, *theirs)):
        low, high = -math.inf, math.inf
    count = max(sum(low <= glyph.at <= high for glyph in side) for side in (ours, theirs))
    both = sum(low <= (one.at + two.at) / 2 <= high for one, two in pairs)
    return min(both / count, 1.0) if count else 0.0


def _seam_cost(
    pair: _CharPair, first: LineView, second: LineView, middle: float, height: float
) -> tuple[bool, float, int]:
    low, high = _find_reliable_range(first, second, height)
    at = (pair[0].at + pair[1].at) / 2
    return not low <= at <= high, abs(at - middle), pair[0].number


def _handover_position(first: LineView, second: LineView, middle: float) -> float:
    """Give the place where the second view takes over: an end that is whole is worth more than one that is cut."""
    if (first.end_grade == TRUNCATED) == (second.start_grade == TRUNCATED):
        return middle
    return second.start if first.end_grade == TRUNCATED else first.end


def _split_at_position(first: LineView, second: LineView, position: float, height: float, used_chars: int) -> Seam:
    """Switch at a position: both views read something else there, or do not overlap at all."""
    stop = max(sum(_locate_char(first, index) < position for index in range(len(first.chars))), used_chars)
    begin = sum(_locate_char(second, index) < position for index in range(len(second.chars)))
    if not stop or begin >= len(second.chars):
        return Seam(stop, begin, position, False, 0, 0.0)
    one, two = first.chars[stop - 1], second.chars[begin]
    gap = _locate_char(second, begin) - _locate_char(first, stop - 1)
    if not one.text.strip() or not two.text.strip():
        return Seam(stop, begin, position, False, 0, 0.0)
    if gap < SAME_CHAR_DISTANCE * height:
        ours_is_better = one.confidence >= two.confidence or stop - 1 < used_chars
        return Seam(stop - (not ours_is_better), begin + ours_is_better, position, False, 0, 0.0)
    apart = gap > MIN_WORD_GAP * height or WHOLE in (
        first.end_grade,
        second.start_grade,
    )  # a detector parts text at gaps only
    spaced = apart and writes_spaces(one.text) and writes_spaces(two.text)
    return Seam(stop, begin, position, spaced, 0, 0.0)


def writes_spaces(char: str) -> bool:
    """Say whether words of the character's script are set apart by spaces."""
    return not _NO_SPACES.match(char)
