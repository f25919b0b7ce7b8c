"""A group of fragments -> the fewest of them that show the whole line, and where one goes over to the next.

Algorithm: greedy interval cover (Kleinberg and Tardos, "Algorithm Design", 2005, chapter 4). All views are put on one
axis. If one view shows the whole line, the deepest such view is taken alone. Otherwise the chain begins with the best
view at the line's start and goes on with the one that reaches furthest among those that match the last one.

     the start of the line                                      its end
     |                                                                |
     |A the pump ho)                                                  |
     |           (B pump house no. 4, first fl)                       |
     |                      (C no. 4, first)     <- shows nothing new |
     |                                  (D st floor, 12.05.2024 ======|
                 ^ seam A-B            ^ seam B-D        chain: A, B, D

With every overlap alike, taking the view that reaches furthest gives the least number of views. Here a view with
PREFERRED_OVERLAP goes before one that reaches further with less: its seam can be proved by letters. So the chain may
have a view more than the fewest, never a worse seam than needed.

Invariant: the views of a chain ascend in their ends (or in the grade of an end), each is used once, and each matches
the one before it. A view of which the chain hides text begins a chain of its own, so no text is lost. Chains are never
empty, so the loop over what is left ends. Cost: O(c^2) for a group of c fragments, which is two to four in general and
the number of tiles along the line at most, and one alignment for each seam.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ocrfarm.geometry import Quad
from ocrfarm.stitch.alignment import LineView, Seam, find_seam
from ocrfarm.stitch.fragment_table import Floats, FragmentTable
from ocrfarm.stitch.matching import Neighbours
from ocrfarm.stitch.truncation import WHOLE, Truncation

REFIT_RATIO = 1.3
"""Times the length of the longest view; the axis of a longer line runs from its first start to its last end instead,
because the angle of one view, a little off, would carry the far end off the line.
Calibrated: `scripts/bench calibrate --only REFIT_RATIO`, see docs/calibration.md."""

CHAIN_END_TOLERANCE = 0.5
"""Text heights within which two views end at the same place.
Calibrated: `scripts/bench calibrate --only CHAIN_END_TOLERANCE`, see docs/calibration.md."""

MAX_CHAIN_GAP = 1.0
"""Text heights that may lie between two views of a chain.
Calibrated: `scripts/bench calibrate --only MAX_CHAIN_GAP`, see docs/calibration.md."""

PREFERRED_OVERLAP = 1.5
"""Text heights of overlap that hold two or three whole letters to agree on.
Calibrated: `scripts/bench calibrate --only PREFERRED_OVERLAP`, see docs/calibration.md."""

MAX_TURNED_COVERED_SHARE = 0.6
"""Share of a turned view that better ones must show for it to be left out.
Calibrated: `scripts/bench calibrate --only MAX_TURNED_COVERED_SHARE`, see docs/calibration.md."""

MIN_SHOWN_SHARE, MAX_HIDDEN_LENGTH = 0.5, 0.35
"""Share of a view that the chain must show, and text heights that it may hide of it in any case: less than a letter.
If more is hidden text would be lost, so the view makes a line of its own.
Calibrated: `scripts/bench calibrate --only chain.M`, see docs/calibration.md."""

MIN_UPRIGHT_COSINE = 0.707
"""Cosine of 45 degrees: a view turned further than this from the others is not read with them. Detectors give vertical
text a quad that is off by 90 or 180 degrees, never by 45, so anything in between serves as well.
Calibrated: `scripts/bench calibrate --only MIN_UPRIGHT_COSINE`, see docs/calibration.md."""


class Segment(NamedTuple):
    """A run of characters of one fragment in a line; the fragment spans start..end on the line's axis, pixels."""

    row: int
    first: int
    stop: int
    start: float = 0.0
    end: float = 1.0
    has_space_before: bool = False  # a space stands before it that no tile saw


@dataclass(frozen=True, slots=True)
class JoinedLine:
    """A line as segments of fragments, in reading order, with what tells whether the join can be trusted.

    `agreement` and `anchors` are the least of all its seams (see `Seam`), `anchors` None for a line without any;
    `has_turned_view` is true if some tile read the line the other way round or across.
    """

    segments: tuple[Segment, ...]
    agreement: float = 1.0
    anchors: int | None = None
    has_turned_view: bool = False


@dataclass(frozen=True, slots=True)
class _View:
    """A fragment on the line's axis, from `start` to `end`, pixels; `depth` is `Truncation.depth`."""

    row: int
    start: float
    end: float
    start_grade: int  # grade of the start, see truncation.py
    end_grade: int
    is_turned: bool
    depth: float
    quality: tuple[float, float]  # side depth, confidence

    def covered_share(self, others: Sequence["_View"]) -> float:
        """Return the share (0..1) of this view that the others show too: the length of a union of intervals.

        >>> views = [_View(0, start, end, 2, 2, False, 0.0, (0.0, 1.0)) for start, end in ((0, 10), (-5, 4), (2, 6))]
        >>> views[0].covered_share(views[1:])
        0.6
        """
        shown, at = 0.0, self.start
        for other in sorted(others, key=lambda view: view.start):
            low, high = max(other.start, at), min(other.end, self.end)
            if high > low:
                shown, at = shown + high - low, high
        return shown / max(self.end - self.start, 1e-9)


def join_group(
    table: FragmentTable, truncation: Truncation, *, group: Sequence[int], neighbours: Neighbours
) -> Iterator[JoinedLine]:
    """Yield the lines that a group of fragments makes: one, and more if one alone would lose text.

    Args:
        table: The fragments of the page.
        truncation: Which of their ends are cut.
        group: Rows of the fragments that are views of one line.
        neighbours: Which of them match one another; only such follow one another in a chain.
    """
    height = float(np.sort(table.height[group])[len(group) // 2])
    views = _project_views(table, truncation, group)
    turned = any(view.is_turned for view in views)
    while views:  # it ends: a chain is never empty, and its views are not looked at again
        chain = _choose_chain(_select_views(views), neighbours, height)
        yield _join_chain(table, chain, height, has_turned_view=turned)
        used = {view.row for view in chain}
        views = [view for view in views if view.row not in used and _has_hidden_text(view, chain, height)]


def line_quad(table: FragmentTable, joined_line: JoinedLine) -> Quad:
    """Return the quad from the start of the first view to the end of the last, page pixels.

    Args:
        table: The fragments of the page.
        joined_line: A line made of them.
    """
    first, last = (table.quad(joined_line.segments[at].row) for at in (0, -1))
    return Quad(first.p0, last.p1, last.p2, first.p3)


def _has_hidden_text(view: _View, chain: Sequence[_View], height: float) -> bool:
    """Return whether the view has text that the chain does not show."""
    shown = view.covered_share(chain)
    return shown < MIN_SHOWN_SHARE and (1 - shown) * (view.end - view.start) > MAX_HIDDEN_LENGTH * height


def _project_views(table: FragmentTable, truncation: Truncation, group: Sequence[int]) -> list[_View]:
    """Put the group on one axis, which runs the way that most of its text is read.

    ::

        mids[0]   mids[1]         the middles of a fragment's start and end
           x---------x            are projected on the axis of the longest view; if the line is much longer than that
                  x-----------x   view, on the way from the first start to the last end
           |---------|-------->
         start      end
    """
    rows = np.asarray(group)
    length, along = table.length[rows], table.direction[rows]
    confidence = [table.fragment(piece).confidence for piece in group]
    weight = length * np.array(confidence)
    longest = int(length.argmax())
    cosine = along[:, 0] * along[longest, 0] + along[:, 1] * along[longest, 1]
    sign = -1.0 if (weight * cosine).sum() < 0 else 1.0
    turned = sign * cosine < MIN_UPRIGHT_COSINE
    half = along * (length / 2)[:, None]
    mids = np.stack([table.centre[rows] - half, table.centre[rows] + half])
    spans = _project_spans(mids, sign * along[longest])
    if spans[1].max() - spans[0].min() > REFIT_RATIO * length[longest] and not turned.all():
        straight = np.flatnonzero(~turned)
        first, last = straight[spans[0][straight].argmin()], straight[spans[1][straight].argmax()]
        spans = _project_spans(mids, mids[1, last] - mids[0, first])
    columns = zip(
        group,
        *spans.tolist(),
        truncation.grade[rows].tolist(),
        turned.tolist(),
        truncation.depth[rows].tolist(),
        zip(truncation.side_depth[rows].tolist(), confidence, strict=True),
        strict=True,
    )
    return [
        _View(piece, start, end, start_grade, end_grade, turn, deep, quality)
        for piece, start, end, (start_grade, end_grade), turn, deep, quality in columns
    ]


def _project_spans(mids: Floats, axis: Floats) -> Floats:
    """Project the middles of all starts and ends (2, n, 2) on an axis (2); return lows and highs (2, n), pixels."""
    x, y = axis.tolist()
    norm = math.hypot(x, y) or 1.0
    return np.sort(mids[..., 0] * (x / norm) + mids[..., 1] * (y / norm), axis=0)


def _select_views(views: Sequence[_View]) -> list[_View]:
    """Leave out the turned views that the others show."""
    sure = [view for view in views if not view.is_turned]
    pool = sure + [view for view in views if view.is_turned and view.covered_share(sure) < MAX_TURNED_COVERED_SHARE]
    return [view for view in pool if not view.is_turned] or pool


def _choose_chain(pool: Sequence[_View], neighbours: Neighbours, height: float) -> list[_View]:
    """Return the deepest view that shows all, or else a chain of views from the start to the end of the line.

    `at_start` holds at least the view that starts first, so the chain is never empty.

    >>> spans = [(0.0, 40.0), (25.0, 70.0), (30.0, 60.0), (55.0, 99.0)]
    >>> views = [_View(row, *span, 2, 2, False, 64.0, (64.0, 0.9)) for row, span in enumerate(spans)]
    >>> [view.row for view in _choose_chain(views, {0: [1, 2], 1: [0, 2, 3], 3: [1]}, 10.0)]
    [0, 1, 3]
    """
    tolerance = CHAIN_END_TOLERANCE * height
    low, high = min(view.start for view in pool) + tolerance, max(view.end for view in pool) - tolerance
    at_start = [view for view in pool if view.start <= low]
    whole = [view for view in at_start if view.end >= high and view.start_grade == view.end_grade == WHOLE]
    if whole:
        return [max(whole, key=lambda view: (view.depth, view.quality[1], -view.row))]
    chain = [max(at_start, key=lambda view: (view.start_grade, *_rank_view(view, height)))]
    by_row = {view.row: view for view in pool if not view.is_turned}
    while following := _find_successors(chain, by_row, neighbours, height):
        end = chain[-1].end - PREFERRED_OVERLAP * height
        chain.append(max(following, key=lambda view: (view.start <= end, *_rank_view(view, height))))
    return chain


def _find_successors(
    chain: Sequence[_View], by_row: dict[int, _View], neighbours: Neighbours, height: float
) -> list[_View]:
    """List the views that match the last one of the chain and show more of the line's end."""
    last, tolerance = chain[-1], CHAIN_END_TOLERANCE * height
    used = {view.row for view in chain}
    matching = [by_row[row] for row in neighbours.get(last.row, ()) if row in by_row and row not in used]
    return [
        view
        for view in matching
        if view.start <= last.end + MAX_CHAIN_GAP * height
        and (view.end > last.end + tolerance or (view.end_grade > last.end_grade and view.end >= last.end - tolerance))
    ]


def _rank_view(view: _View, height: float) -> tuple[float, int, float, float, int]:
    """Order views by what they are worth: how far they reach, in steps of the tolerance, then how whole their end is.

    Then those come that are deeper in their tile across the text, and those that are surer. The row comes last and only
    makes the order total: rows do not depend on the order of the tiles, so neither does the choice between equal views.
    """
    return round(view.end / (CHAIN_END_TOLERANCE * height)), view.end_grade, *view.quality, -view.row


def _join_chain(table: FragmentTable, chain: Sequence[_View], height: float, *, has_turned_view: bool) -> JoinedLine:
    chars = [table.fragment(view.row).chars for view in chain]
    if len(chain) == 1:
        return JoinedLine((Segment(chain[0].row, 0, len(chars[0])),), has_turned_view=has_turned_view)
    spans = [
        LineView(own, view.start, view.end, view.start_grade, view.end_grade)
        for own, view in zip(chars, chain, strict=True)
    ]
    seams = _find_seams(spans, height)
    begins = [0] + [seam.begin for seam in seams]
    stops = [seam.stop for seam in seams] + [len(chars[-1])]
    spaced = [False] + [seam.has_space for seam in seams]
    parts = tuple(
        Segment(view.row, begin, max(stop, begin), view.start, view.end, space)
        for view, begin, stop, space in zip(chain, begins, stops, spaced, strict=True)
    )
    return JoinedLine(
        parts, min(seam.agreement for seam in seams), min(seam.anchors for seam in seams), has_turned_view
    )


def _find_seams(views: Sequence[LineView], height: float) -> list[Seam]:
    seams: list[Seam] = []
    after = 0
    for first, second in pairwise(views):
        seams.append(find_seam(first, second, height=height, used_chars=after))
        after = seams[-1].begin
    return seams
