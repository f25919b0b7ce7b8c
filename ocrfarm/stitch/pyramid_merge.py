"""Lines of several levels -> one page: large letters from the coarse levels, everything else from the fine ones.

Algorithm: each level of an image pyramid (Burt and Adelson, "The Laplacian Pyramid as a Compact Image Code", IEEE
Transactions on Communications 1983) has been stitched by itself; levels are merged from fine to coarse. A fine tile
that is smaller than a letter sees strokes, and reads what it likes into them. A coarse tile sees rows of small text as
something like letters, and does the same. Which of the two is wrong shows in what lies inside what:

     the ink             the fine level reads     the coarse level reads     the page gets
     letters of 300 px   "/", "|-", "(", "l"      "SHEET"                    "SHEET": strokes are unreliable, they go
     six rows of notes   six reliable lines       "NRE"                      the six lines: reliable small text fills it
     a title of 60 px    "GROUND FLOOR"           "GROUND FLOOR"             the fine line, which is placed better
     a stamp on letters  "PAID", strokes          "SHEET"                    both: small text that is reliable stays

Invariant: a coarse line is taken only if it is believed by itself; then the fine lines inside it go, except reliable
text that is too small to be a part of its letters. Cost: O(m f) array operations for m coarse and f fine lines; coarse
levels have few lines.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ocrfarm.document import Line
from ocrfarm.geometry import Box
from ocrfarm.stitch.fragment_table import MIN_EXTENT, Flags, Floats

MIN_RELIABLE_CONFIDENCE = 0.75
"""Mean confidence of a line that can be believed by itself; garbage read into strokes has more only by chance.
Calibrated: `scripts/bench calibrate --only MIN_RELIABLE_CONFIDENCE`, see docs/calibration.md."""

MIN_COARSE_CONFIDENCE, MIN_SINGLE_CHAR_CONFIDENCE = 0.8, 0.95
"""The same for a coarse line, of which nothing else is known, and for one of a single letter: any blot may be one.
Calibrated: `scripts/bench calibrate --only pyramid_merge.MIN_`, see docs/calibration.md."""

MAX_SMALL_TEXT_HEIGHT = 0.4
"""Share of a coarse line's height up to which what lies inside it is text of another size, no letter of it.
Calibrated: `scripts/bench calibrate --only MAX_SMALL_TEXT`, see docs/calibration.md."""

MAX_SMALL_TEXT_SHARE = 0.15
"""Share of a coarse line's area in small text from which on it is no more than that text downscaled; lines of text with
their leading cover a third and more. Calibrated: `scripts/bench calibrate --only MAX_SMALL_TEXT`, see
docs/calibration.md."""

MIN_SAME_LINE_LENGTH = 0.7
"""Share of a coarse line's length that a fine line as high has to have, to be that line, better placed: coarse boxes
of short words are a good deal too long.
Calibrated: `scripts/bench calibrate --only MIN_SAME_LINE_LENGTH`, see docs/calibration.md."""

INSIDE_MARGIN = 0.05
"""Heights of a coarse line beyond its sides, up to which another line's middle lies inside it.
Calibrated: `scripts/bench calibrate --only INSIDE_MARGIN`, see docs/calibration.md."""


class Level(NamedTuple):
    """The lines of one level, and how many pixels of the page its neighbouring tiles share at least."""

    lines: Sequence[Line]
    tile_overlap: float


def measure_tile_overlap(boxes: Iterable[Box]) -> float:
    """Return the least overlap of neighbouring columns or rows of tiles, in pixels; infinity for a single tile.

    No tile shows letters whole that are higher than this and lie across a seam.

    >>> measure_tile_overlap([Box(0, 0, 640, 640), Box(544, 0, 1184, 640)])
    96.0
    """
    columns, rows = zip(*(((box.x0, box.x1), (box.y0, box.y1)) for box in boxes), strict=True)
    pairs = (pair for spans in (columns, rows) for pair in pairwise(sorted(set(spans))))
    return min((float(end - start) for (_, end), (start, _) in pairs if end > start), default=math.inf)


def merge_levels(fine: Level, coarse: Level) -> Level:
    """Put coarse lines where the fine level saw no more than parts of their letters, and drop those parts.

    Args:
        fine: The lines of the finer levels, merged so far.
        coarse: The lines of the next level.
    """
    kept, table = np.ones(len(fine.lines), np.bool_), _LineTable(fine)
    taken = []
    for line in coarse.lines:
        if not _is_reliable(line):
            continue
        one = _LineTable(Level([line], math.inf))
        inside = table.is_inside(one) & kept
        if table.is_already_read(one, inside):
            continue
        kept &= ~(inside & ~table.is_small_text(one))
        taken.append(line)
    left = [line for line, keep in zip(fine.lines, kept.tolist(), strict=True) if keep]
    return Level(left + taken, coarse.tile_overlap)


def _is_reliable(coarse: Line) -> bool:
    single = len(coarse.text.replace(" ", "")) == 1
    return coarse.confidence >= (MIN_SINGLE_CHAR_CONFIDENCE if single else MIN_COARSE_CONFIDENCE)


class _LineTable:
    """The f lines of a level in columns, or one coarse line.

    `_middle` (f, 2) float64 is in page pixels, `_direction` (f, 2) float64 is the unit vector along the text, `_length`
    and `_height` (f) float64 are pixels, `_reliable` (f) bool says which lines can be believed by themselves.
    """

    def __init__(self, level: Level) -> None:
        lines, self._tile_overlap = level
        corners = np.array([line.quad.points for line in lines], np.float64).reshape(-1, 4, 2)
        self._middle: Floats = corners.mean(axis=1)
        along = corners[:, 1] + corners[:, 2] - corners[:, 0] - corners[:, 3]
        self._direction: Floats = along / np.maximum(np.hypot(along[:, :1], along[:, 1:]), MIN_EXTENT)
        self._length = np.array([line.quad.length for line in lines], np.float64)
        self._height = np.array([line.quad.height for line in lines], np.float64)
        letters = np.array([len(line.text.replace(" ", "")) for line in lines], np.int64)
        self._reliable: Flags = (
            np.array([line.confidence for line in lines], np.float64) >= MIN_RELIABLE_CONFIDENCE
        ) & (letters > 1)

    def is_inside(self, coarse: "_LineTable") -> Flags:
        """Return which lines have their middle inside the coarse one, (f) bool."""
        margin = 2 * INSIDE_MARGIN * coarse._height
        return _is_within(
            self._middle - coarse._middle, coarse._direction, coarse._length + margin, coarse._height + margin
        )

    def is_small_text(self, coarse: "_LineTable") -> Flags:
        """Return which lines are reliable and too low to be letters of the coarse one, (f) bool."""
        small: Flags = self._reliable & (self._height < MAX_SMALL_TEXT_HEIGHT * coarse._height)
        return small

    def is_already_read(self, coarse: "_LineTable", inside: Flags) -> bool:
        """Return whether the fine level has the coarse line itself, or the small text that only looked like one.

        Args:
            coarse: The coarse line.
            inside: (f) bool, which lines lie inside it.
        """
        area = self._length * self._height
        small_area = float(area[inside & self.is_small_text(coarse)].sum())
        as_large = (self._height >= MAX_SMALL_TEXT_HEIGHT * coarse._height) & (
            self._length >= MIN_SAME_LINE_LENGTH * coarse._length
        )
        around_it = _is_within(coarse._middle - self._middle, self._direction, self._length, self._height)
        seen = self._reliable & as_large & (inside | around_it) & (self._height < self._tile_overlap)
        return bool(seen.any()) or small_area >= MAX_SMALL_TEXT_SHARE * float(coarse._length[0] * coarse._height[0])


def _is_within(offset: Floats, direction: Floats, length: Floats, height: Floats) -> Flags:
    """Return which points, given by the way (f, 2) to them from the middle of a box, lie inside it, (f) bool."""
    forth = (offset * direction).sum(axis=1)
    across = offset[:, 1] * direction[:, 0] - offset[:, 0] * direction[:, 1]
    within: Flags = (np.abs(forth) <= length / 2) & (np.abs(across) <= height / 2)
    return within
