"""A group of fragments -> the fewest of them that show the whole line, and the text where one follows another."""

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
"""Times the longest view: where the whole line is longer, its axis runs from end to end instead."""

CHAIN_END_TOLERANCE = 0.5
"""Text heights within which two views end at the same place."""

MAX_CHAIN_GAP = 1.0
"""Text heights that may lie between two views of a chain."""

PREFERRED_OVERLAP = 1.5
"""Text heights of overlap that hold two or three whole letters to agree on."""

MAX_TURNED_COVERED_SHARE = 0.6
"""Share of a turned view that better ones must show for it to be left out."""

MIN_SHOWN_SHARE, MAX_HIDDEN_LENGTH = 0.5, 0.35
"""Share of a view that the chain must show, and text heights that it may hide of it in any case: less than a letter.
Where more is hidden text would be lost, so the view makes a line of its own."""

MIN_UPRIGHT_COSINE = 0.707
"""Cosine of 45 degrees: a view turned further than this from the others is not read with them."""


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
    """A line as parts of fragments, in reading order, with what tells whether the join can be trusted.

    `agreement` and `anchors` are the least of all its seams (see `Seam`); `turned` says that some tile read it the
    other way round or across.
    """

    segments: tuple[Segment, ...]
    agreement: float = 1.0
    anchors: int | None = None
    has_turned_view: bool = False


@dataclass(frozen=True, slots=True)
class _View:
    row: int
    start: float
    end: float
    start_grade: int  # grade of the start, see truncation.py
    end_grade: int
    is_turned: bool
    depth: float
    quality: tuple[float, float]  # side depth, confidence

    def covered_share(self, others: Sequence["_View"]) -> float:
        """Give the share (0..1) of this view that the others show too."""
        shown, at = 0.0, self.start
        for other in sorted(others, key=lambda view: view.start):
            low, high = max(other.start, at), min(other.end, self.end)
            if high > low:
                shown, at = shown + high - low, high
        return shown / max(self.end - self.start, 1e-9)


def join_group(
    table: FragmentTable, truncation: Truncation, *, group: Sequence[int], neighbours: Neighbours
) -> Iterator[JoinedLine]:
    """Give the lines that a group of linked fragments makes: one, and more where one would lose text."""
    height = float(np.sort(table.height[group])[len(group) // 2])
    views = _project_views(table, truncation, group)
    turned = any(view.is_turned for view in views)
    while views:
        pool = _select_views(views)
        chain = _choose_chain(pool, neighbours, height)
        yield _join_chain(table, chain, height, has_turned_view=turned)
        views = [view for view in views if view not in chain and _has_hidden_text(view, chain, height)]


def _has_hidden_text(view: _View, chain: Sequence[_View], height: float) -> bool:
    """Say whether the view has text that the chain does not show."""
    shown = view.covered_share(chain)
    return shown < MIN_SHOWN_SHARE and (1 - shown) * (view.end - view.start) > MAX_HIDDEN_LENGTH * height


def _project_views(table: FragmentTable, truncation: Truncation, group: Sequence[int]) -> list[_View]:
    """Put the group on one axis, which runs the way that most of its text is read."""
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
    """Project the middles of all starts and ends (2, n, 2) on an axis; gives lows and highs (2, n)."""
    x, y = axis.tolist()
    norm = math.hypot(x, y) or 1.0
    return np.sort(mids[..., 0] * (x / norm) + mids[..., 1] * (y / norm), axis=0)


def _select_views(views: Sequence[_View]) -> list[_View]:
    """Leave out the turned views that the others show."""
    sure = [view for view in views if not view.is_turned]
    pool = sure + [view for view in views if view.is_turned and view.covered_share(sure) < MAX_TURNED_COVERED_SHARE]
    return [view for view in pool if not view.is_turned] or pool


def _choose_chain(pool: Sequence[_View], neighbours: Neighbours, height: float) -> list[_View]:
    """Give the deepest view that shows all, or else views from the start to the end of the line, as few as will do."""
    tolerance = CHAIN_END_TOLERANCE * height
    low, high = min(view.start for view in pool) + tolerance, max(view.end for view in pool) - tolerance
    at_start = [view for view in pool if view.start <= low]
    whole = [view for view in at_start if view.end >= high and view.start_grade == view.end_grade == WHOLE]
    if whole:
        return [max(whole, key=lambda view: (view.depth, view.quality[1], -view.row))]
    chain = [max(at_start, key=lambda view: (view.start_grade, *_rank_view(view, height)))]
    by_piece = {view.row: view for view in pool if not view.is_turned}
    while following := _find_successors(chain, by_piece, neighbours, height):
        end = chain[-1].end - PREFERRED_OVERLAP * height
        chain.append(max(following, key=lambda view: (view.start <= end, *_rank_view(view, height))))
    return chain


def _find_successors(
    chain: Sequence[_View], by_row: dict[int, _View], neighbours: Neighbours, height: float
) -> list[_View]:
    """List the views, linked to the last one of the chain, that show more of the line's end."""
    last, tolerance = chain[-1], CHAIN_END_TOLERANCE * height
    linked = [by_row[piece] for piece in neighbours.get(last.row, ()) if piece in by_row]
    return [
        view
        for view in linked
        if view not in chain
        and view.start <= last.end + MAX_CHAIN_GAP * height
        and (view.end > last.end + tolerance or (view.end_grade > last.end_grade and view.end >= last.end - tolerance))
    ]


def _rank_view(view: _View, height: float) -> tuple[float, int, float, float, int]:
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


def line_quad(table: FragmentTable, joined_line: JoinedLine) -> Quad:
    """Give the quad from the start of the first view to the end of the last."""
    first, last = (table.quad(joined_line.segments[at].row) for at in (0, -1))
    return Quad(first.p0, last.p1, last.p2, first.p3)
