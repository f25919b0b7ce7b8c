"""The text where two views of one line overlap -> which characters to take from which view.

Algorithm: the heaviest common subsequence, a weighted longest common subsequence (Jacobson and Vo, "Heaviest
Increasing/Common Subsequence Problems", CPM 1992), over pairs of equal characters that stand at the same place.
Strings alone would not do: "0.00 0.00" matches itself in many ways.

                              first.end, cut through the O
     first   | T H E   P U M P   H O (          take [:stop]
     second            ) M P   H O U S E   N o. |       take [begin:]
                         ^ ^   ^ ^   characters of the same text within MAX_CHAR_OFFSET: candidate pairs
                       |.|       |.| UNRELIABLE_MARGIN: half a letter may be read as another one
                             ^ seam: the chosen pair nearest the middle of the overlap, outside of both margins

Invariant: the chosen pairs ascend strictly in both views, so no character is paired twice and no two pairs cross.
Going over at a pair takes that character once.

Cost: O(p^2) for p candidate pairs. Characters are listed within ALIGNMENT_WINDOW text heights of the overlap's middle
only, that is some 40 characters a side, and each has at most two or three equal ones within MAX_CHAR_OFFSET; so p stays
below a hundred, however long the line is.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from ocrfarm.stitch.truncation import TRUNCATED, WHOLE
from ocrfarm.tile import Char

MAX_CHAR_OFFSET = 0.45
"""Text heights between two views of one character at most; about the pitch of narrow digits.
Calibrated: `scripts/bench calibrate --only MAX_CHAR_OFFSET`, see docs/calibration.md."""

ALIGNMENT_WINDOW = 8.0
"""Text heights to both sides of an overlap's middle in which characters are paired. It bounds the work; the seam is the
pair nearest the middle, so pairs further away decide nothing but the agreement.
Calibrated: `scripts/bench calibrate --only ALIGNMENT_WINDOW`, see docs/calibration.md."""

WINDOW_SLACK = 0.3
"""Text heights beyond an overlap in which characters are still paired: the ends of quads are that inexact.
Calibrated: `scripts/bench calibrate --only WINDOW_SLACK`, see docs/calibration.md."""

DISTANCE_PENALTY = 0.25
"""Weight that a pair loses if its characters stand MAX_CHAR_OFFSET apart. A pair weighs 1 plus the mean confidence of
its two characters less this, so 0.75 to 2: the number of pairs counts most, then how sure they are, then how near.
Calibrated: `scripts/bench calibrate --only DISTANCE_PENALTY`, see docs/calibration.md."""

UNRELIABLE_MARGIN = 0.6
"""Text heights from a cut end within which a character may be read wrong: half a letter looks like another one.
Calibrated: `scripts/bench calibrate --only UNRELIABLE_MARGIN`, see docs/calibration.md."""

MIN_WORD_GAP = 0.95
"""Text heights between the centres of two characters from which on a space stands between them.
Calibrated: `scripts/bench calibrate --only MIN_WORD_GAP`, see docs/calibration.md."""

SAME_CHAR_DISTANCE = 0.2
"""Text heights; two different readings this close are of one character.
Calibrated: `scripts/bench calibrate --only SAME_CHAR_DISTANCE`, see docs/calibration.md."""

MIN_SHARED_TEXT = 0.6
"""Share of the characters that two groupings of the same words have in common at least where they overlap.
Calibrated: `scripts/bench calibrate --only MIN_SHARED_TEXT`, see docs/calibration.md."""

HAN = "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Han characters, their radicals and kana, as in a regular expression's brackets; Hangul is written with spaces."""

_NO_SPACES = re.compile(rf"[{HAN}\u3001-\u303f\uff00-\uff65]")


class LineView(NamedTuple):
    """A view of a line on the line's own axis: its characters, where it starts and ends (pixels), the ends' grades."""

    chars: Sequence[Char]
    start: float
    end: float
    start_grade: int = WHOLE
    end_grade: int = WHOLE


class Seam(NamedTuple):
    """How to go from one view to the next: the first gives chars[:stop], the second chars[begin:].

    `at` is the position on the axis, in pixels; `anchors` counts the characters on which both agree, `agreement`
    (0..1) is their share of all that both should see.
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


class _CharPair(NamedTuple):
    one: _PlacedChar
    two: _PlacedChar

    @property
    def at(self) -> float:
        """Half way between the two, pixels on the axis."""
        return (self.one.at + self.two.at) / 2


class _Subsequence(NamedTuple):
    """The heaviest sequence of pairs that ends with `pair`; `before` is the index of the one that it extends, or -1."""

    weight: float
    before: int
    pair: _CharPair


def find_seam(first: LineView, second: LineView, *, height: float, used_chars: int = 0) -> Seam:
    """Find where to go over from one view to the next, near the middle of their overlap.

    Args:
        first: The view that starts earlier on the line's axis.
        second: The view that goes on after it.
        height: The text height, pixels.
        used_chars: How many characters of the first view an earlier seam has passed already; the new seam comes after
            them.

    Returns:
        The seam; `anchors` is 0 if the views share no character at the same place, and then position alone decides.

    >>> from ocrfarm.tile import Char
    >>> def view(text, start, end):
    ...     return LineView([Char(c, (k + 0.5) / len(text), 0.9) for k, c in enumerate(text)], start, end)
    >>> first, second = view("PUMP HO", 0, 70), view("MP HOUSE", 20, 100)
    >>> seam = find_seam(first, second, height=20)
    >>> "PUMP HO"[: seam.stop] + "MP HOUSE"[seam.begin :]
    'PUMP HOUSE'
    >>> seam.anchors, seam.agreement
    (4, 1.0)
    """
    low = max(second.start, _locate_char(first, used_chars - 1)) if used_chars else second.start
    middle = (low + first.end) / 2
    ours = _list_chars(first, low, first.end, height, used_chars=used_chars)
    theirs = _list_chars(second, low, first.end, height)
    pairs = _align_chars(ours, theirs, height)
    if not pairs:
        return _split_at_position(first, second, _handover_position(first, second, middle), height, used_chars)
    reliable = _find_reliable_range(first, second, height)
    agreement = _measure_agreement(ours, theirs, pairs, reliable)
    seam = min(pairs, key=lambda pair: _seam_cost(pair, middle, reliable))
    return Seam(seam.one.number + 1, seam.two.number + 1, seam.at, False, len(pairs), agreement)


def has_same_text(first: LineView, second: LineView, *, height: float) -> bool:
    """Return whether two views that overlap read the same text there.

    Args:
        first: The view that starts earlier on the common axis.
        second: The other view.
        height: The text height, pixels.
    """
    ours = _list_chars(first, second.start, first.end, height)
    theirs = _list_chars(second, second.start, first.end, height)
    pairs = _align_chars(ours, theirs, height)
    agreement = _measure_agreement(ours, theirs, pairs, _find_reliable_range(first, second, height))
    return agreement >= MIN_SHARED_TEXT


def writes_spaces(char: str) -> bool:
    """Return whether words of the character's script are set apart by spaces.

    >>> writes_spaces("a"), writes_spaces("泵"), writes_spaces("펌")
    (True, False, True)
    """
    return not _NO_SPACES.match(char)


def _locate_char(view: LineView, index: int) -> float:
    return view.start + view.chars[index].position * (view.end - view.start)


def _list_chars(view: LineView, low: float, high: float, height: float, *, used_chars: int = 0) -> list[_PlacedChar]:
    """List the characters (no spaces) between two positions, from number `used_chars` on, near the middle."""
    middle, reach = (low + high) / 2, min((high - low) / 2 + WINDOW_SLACK * height, ALIGNMENT_WINDOW * height)
    start, length = view.start, view.end - view.start
    return [
        _PlacedChar(index, char.text, at, char.confidence)
        for index, char in enumerate(view.chars)
        if abs((at := start + char.position * length) - middle) <= reach and index >= used_chars and char.text.strip()
    ]


def _align_chars(ours: list[_PlacedChar], theirs: list[_PlacedChar], height: float) -> list[_CharPair]:
    """Pair equal characters at the same place, in order, so that the pairs weigh most in all."""
    near = MAX_CHAR_OFFSET * height
    best: list[_Subsequence] = []
    for one in ours:
        # The pairs of one character are complete before any of them is added: none may extend another one of them,
        # or the character would be paired twice.
        best += [
            _extend_best(best, _CharPair(one, two), near)
            for two in theirs
            if one.text == two.text and abs(one.at - two.at) <= near
        ]
    if not best:
        return []
    at = max(range(len(best)), key=lambda k: (best[k].weight, -k))
    pairs = []
    while at >= 0:
        pairs.append(best[at].pair)
        at = best[at].before
    return pairs[::-1]


def _extend_best(best: list[_Subsequence], pair: _CharPair, near: float) -> _Subsequence:
    """Append a pair to the heaviest sequence that ends before it in the second view too."""
    one, two = pair
    own = 1 + (one.confidence + two.confidence) / 2 - DISTANCE_PENALTY * abs(one.at - two.at) / near
    weight, before = 0.0, -1
    for k, (other, _, (_, last)) in enumerate(best):
        if other > weight and last.number < two.number:
            weight, before = other, k
    return _Subsequence(weight + own, before, pair)


def _find_reliable_range(first: LineView, second: LineView, height: float) -> tuple[float, float]:
    """Return the stretch of the overlap where no cut end disturbs either view."""
    margin = UNRELIABLE_MARGIN * height
    low = second.start + margin if second.start_grade == TRUNCATED else second.start
    high = first.end - margin if first.end_grade == TRUNCATED else first.end
    return low, high


def _measure_agreement(
    ours: list[_PlacedChar], theirs: list[_PlacedChar], pairs: list[_CharPair], reliable_range: tuple[float, float]
) -> float:
    """Return the share of the characters on which both agree: of the reliable ones, or of all if none is reliable."""
    low, high = reliable_range
    if not any(low <= char.at <= high for char in (*ours, *theirs)):
        low, high = -math.inf, math.inf
    count = max(sum(low <= char.at <= high for char in side) for side in (ours, theirs))
    both = sum(low <= pair.at <= high for pair in pairs)
    return min(both / count, 1.0) if count else 0.0


def _seam_cost(pair: _CharPair, middle: float, reliable_range: tuple[float, float]) -> tuple[bool, float, int]:
    """Order pairs: reliable ones first, then by the distance from the middle; the number breaks ties."""
    low, high = reliable_range
    return not low <= pair.at <= high, abs(pair.at - middle), pair.one.number


def _handover_position(first: LineView, second: LineView, middle: float) -> float:
    """Return where the second view takes over if no character is shared.

    An end that is whole is worth more than one that is cut, so the view with the whole end keeps all of the overlap.
    """
    if (first.end_grade == TRUNCATED) == (second.start_grade == TRUNCATED):
        return middle
    return second.start if first.end_grade == TRUNCATED else first.end


def _split_at_position(first: LineView, second: LineView, position: float, height: float, used_chars: int) -> Seam:
    """Go over at a position: both views read something else there, or do not overlap at all."""
    stop = max(sum(_locate_char(first, index) < position for index in range(len(first.chars))), used_chars)
    begin = sum(_locate_char(second, index) < position for index in range(len(second.chars)))
    if not stop or begin >= len(second.chars):
        return Seam(stop, begin, position, False, 0, 0.0)
    one, two = first.chars[stop - 1], second.chars[begin]
    gap = _locate_char(second, begin) - _locate_char(first, stop - 1)
    if not one.text.strip() or not two.text.strip():
        return Seam(stop, begin, position, False, 0, 0.0)
    if gap < SAME_CHAR_DISTANCE * height:  # one character with two readings: the surer one stays
        if one.confidence >= two.confidence or stop - 1 < used_chars:
            return Seam(stop, begin + 1, position, False, 0, 0.0)
        return Seam(stop - 1, begin, position, False, 0, 0.0)
    # A detector parts text at gaps only, so a whole end has a space behind it.
    apart = gap > MIN_WORD_GAP * height or WHOLE in (first.end_grade, second.start_grade)
    return Seam(stop, begin, position, apart and writes_spaces(one.text) and writes_spaces(two.text), 0, 0.0)
