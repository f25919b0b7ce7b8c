"""What the second pass found -> what of it counts."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import NamedTuple

from ocrfarm.document import SecondPassOutcome
from ocrfarm.geometry import Quad
from ocrfarm.stitch.matching import MAX_AXIS_OFFSET_SAME_TEXT, MIN_HEIGHT_RATIO
from ocrfarm.tile import Char, Fragment, SecondPassRegion, TileResult

MAX_CONFIDENCE_LOSS = 0.05
"""What a second reading may be less sure of than the joined text, and still be believed."""

MAX_STRONG_CONFIDENCE_LOSS = 0.1
"""The same for a stronger model, which knows better what it does not know: of 3,251 lines on scanned receipts, asking
for as much confidence as before would lose a tenth of what it mends, and this loses nothing."""

MIN_COMMON_SHARE = 0.7
"""Share of the characters that both must have in common: a crop that shows something else has fewer."""

MAX_DRIFT = 0.05
"""Pixels sideways that a line may drift for each pixel beyond its known part."""


class LineText(NamedTuple):
    """The characters of a line in columns: what, where on the line's axis, how sure, and from which part."""

    chars: list[str]
    positions: list[float]
    confidences: list[float]
    segments: list[int]

    def add(
        self, chars: Sequence[str], positions: Sequence[float], *, confidences: Sequence[float], segment: int
    ) -> None:
        """Append characters of one part."""
        self.chars.extend(chars)
        self.positions.extend(positions)
        self.confidences.extend(confidences)
        self.segments.extend([segment] * len(chars))

    def trim(self) -> "LineText":
        """Leave out the spaces before the first letter and behind the last one."""
        inked = [k for k, char in enumerate(self.chars) if char.strip()] or [0]
        kept = slice(inked[0], inked[-1] + 1)
        return LineText(self.chars[kept], self.positions[kept], self.confidences[kept], self.segments[kept])

    def mean_confidence(self) -> float:
        """Give the mean confidence, spaces aside."""
        sure = [sure for char, sure in zip(self.chars, self.confidences, strict=True) if char.strip()]
        return sum(sure) / max(len(sure), 1)


class Reread(NamedTuple):
    """What was read on a whole line by the second pass, by which model, and whether that is stronger than the first."""

    chars: Sequence[Char]
    model: str
    is_stronger: bool


Zone = tuple[float, float]
"""Where two parts of a line overlap, on the line's axis."""


def merge_reread(
    text: LineText, reread: Sequence[Char], *, zones: Sequence[Zone]
) -> tuple[LineText, SecondPassOutcome]:
    """Take from the second reading of a whole line what stands where two tiles overlap; the rest was whole before.

    `reread` has its places on the line's axis. The second reading is believed where it is nearly as sure as the first
    one and has most of its characters; both may drop or mistake a letter anywhere, but only at a seam it is the better.
    Spaces alone are left as they are.
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

    `reread` has its places on the line's axis, on which the parts of the line end at `ends`.
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


def keep_continuations(region: SecondPassRegion, reading: TileResult) -> TileResult:
    """Leave of a searched tile only what lies on the axes of the lines that end in it: nothing else is to change."""
    kept = tuple(
        fragment for fragment in reading.fragments if any(_is_continuation(line, fragment) for line in region.lines)
    )
    return replace(reading, fragments=kept)


def _is_continuation(line: Quad, fragment: Fragment) -> bool:
    low, high = sorted((line.height, fragment.quad.height))
    (x, y), (cx, cy) = line.centre, fragment.quad.centre
    dx, dy = (line.p1[0] - line.p0[0]) / max(line.length, 1), (line.p1[1] - line.p0[1]) / max(line.length, 1)
    along, across = (cx - x) * dx + (cy - y) * dy, (cy - y) * dx - (cx - x) * dy
    beyond = max(abs(along) - line.length / 2, 0)
    return low >= MIN_HEIGHT_RATIO * high and abs(across) <= MAX_AXIS_OFFSET_SAME_TEXT * low + MAX_DRIFT * beyond
