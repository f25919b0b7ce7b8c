"""What a second look found -> what of it counts."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import NamedTuple

from ocrfarm.document import Look as Verdict
from ocrfarm.geometry import Quad
from ocrfarm.stitch.links import NEAR_ROW, SAME_HEIGHT
from ocrfarm.tile import Char, Fragment, Look, Reading

LOST_CONFIDENCE = 0.05
"""What a second reading may be less sure of than the joined text, and still be believed."""

STRONG_LOST_CONFIDENCE = 0.1
"""The same for a stronger model, which knows better what it does not know: of 3,251 lines on scanned receipts, asking
for as much confidence as before would lose a tenth of what it mends, and this loses nothing."""

LEAST_COMMON = 0.7
"""Share of the characters that both must have in common: a crop that shows something else has fewer."""

BEND = 0.05
"""Pixels sideways that a line may drift for each pixel beyond its known part."""


class Text(NamedTuple):
    """The characters of a line in columns: what, where on the line's axis, how sure, and from which part."""

    chars: list[str]
    at: list[float]
    sure: list[float]
    part: list[int]

    def add(self, chars: Sequence[str], at: Sequence[float], *, sure: Sequence[float], part: int) -> None:
        """Append characters of one part."""
        self.chars.extend(chars)
        self.at.extend(at)
        self.sure.extend(sure)
        self.part.extend([part] * len(chars))

    def trimmed(self) -> "Text":
        """Leave out the spaces before the first letter and behind the last one."""
        inked = [k for k, char in enumerate(self.chars) if char.strip()] or [0]
        kept = slice(inked[0], inked[-1] + 1)
        return Text(self.chars[kept], self.at[kept], self.sure[kept], self.part[kept])

    def confidence(self) -> float:
        """Give the mean confidence, spaces aside."""
        sure = [sure for char, sure in zip(self.chars, self.sure, strict=True) if char.strip()]
        return sum(sure) / max(len(sure), 1)


class Answer(NamedTuple):
    """What was read on a whole line at a second look, by which model, and whether that is stronger than the first."""

    chars: Sequence[Char]
    model: str
    stronger: bool


Zone = tuple[float, float]
"""Where two parts of a line overlap, on the line's axis."""


def mend(text: Text, again: Sequence[Char], *, zones: Sequence[Zone]) -> tuple[Text, Verdict]:
    """Take from the second reading of a whole line what stands where two tiles overlap; the rest was whole before.

    `again` has its places on the line's axis. The second reading is believed where it is nearly as sure as the first
    one and has most of its characters; both may drop or mistake a letter anywhere, but only at a seam it is the better.
    Spaces alone are left as they are.
    """
    matcher = SequenceMatcher(None, text.chars, [char.text for char in again], autojunk=False)
    second = Text([char.text for char in again], [char.at for char in again], [char.confidence for char in again], [])
    if matcher.ratio() < LEAST_COMMON or second.confidence() < text.confidence() - LOST_CONFIDENCE:
        return text, "uncertain"
    mended, corrected = Text([], [], [], []), False
    for _, i, i_end, j, j_end in matcher.get_opcodes():
        differ = "".join(text.chars[i:i_end]).strip() != "".join(second.chars[j:j_end]).strip()
        taken = differ and _in_zone([*text.at[i:i_end], *second.at[j:j_end]], zones)
        source, first, stop = (second, j, j_end) if taken else (text, i, i_end)
        part = text.part[min(i, len(text.part) - 1)]
        for k in range(first, stop):
            own = part if taken else text.part[k]
            mended.add(source.chars[k : k + 1], source.at[k : k + 1], sure=source.sure[k : k + 1], part=own)
        corrected |= taken
    return mended, "corrected" if corrected else "confirmed"


def replaced(text: Text, again: Sequence[Char], *, ends: Sequence[float]) -> tuple[Text, Verdict]:
    """Take the reading of a stronger model whole, unless it is much less sure, as on a crop that shows something else.

    `again` has its places on the line's axis, on which the parts of the line end at `ends`.
    """
    second = Text([], [], [], [])
    for char in again:
        part = min(bisect_left(ends, char.at), len(ends) - 1)
        second.add([char.text], [char.at], sure=[char.confidence], part=part)
    if second.confidence() < text.confidence() - STRONG_LOST_CONFIDENCE:
        return text, "uncertain"
    return second, "confirmed" if second.chars == text.chars else "corrected"


def _in_zone(places: Sequence[float], zones: Sequence[Zone]) -> bool:
    return any(low <= min(places) and max(places) <= high for low, high in zones)


def continuing(look: Look, reading: Reading) -> Reading:
    """Leave of a searched tile only what lies on the axes of the lines that end in it: nothing else is to change."""
    kept = tuple(fragment for fragment in reading.fragments if any(_goes_on(line, fragment) for line in look.lines))
    return replace(reading, fragments=kept)


def _goes_on(line: Quad, fragment: Fragment) -> bool:
    low, high = sorted((line.height, fragment.quad.height))
    (x, y), (cx, cy) = line.centre, fragment.quad.centre
    dx, dy = (line.p1[0] - line.p0[0]) / max(line.length, 1), (line.p1[1] - line.p0[1]) / max(line.length, 1)
    along, across = (cx - x) * dx + (cy - y) * dy, (cy - y) * dx - (cx - x) * dy
    beyond = max(abs(along) - line.length / 2, 0)
    return low >= SAME_HEIGHT * high and abs(across) <= NEAR_ROW * low + BEND * beyond
