"""A group of fragments -> the fewest of them that show the whole line, and the text where one follows another."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ocrfarm.stitch.cuts import FREE, Cuts
from ocrfarm.stitch.groups import Neighbours
from ocrfarm.stitch.pieces import Floats, Pieces
from ocrfarm.stitch.seams import Seam, Span, find_seam

REFIT = 1.3
"""Times the longest view: where the whole line is longer, its axis runs from end to end instead."""

SAME_END = 0.5
"""Text heights within which two views end at the same place."""

GAP = 1.0
"""Text heights that may lie between two views of a chain."""

GOOD_OVERLAP = 1.5
"""Text heights of overlap that hold two or three whole letters to agree on."""

SECOND_CHOICE = 0.6
"""Share of a turned view that better ones must show for it to be left out."""

SHOWN, LETTER = 0.5, 0.35
"""Share of a view that the chain must show, and text heights that it may hide of it in any case: less than a letter.
Where more is hidden text would be lost, so the view makes a line of its own."""

UPRIGHT = 0.707
"""Cosine of 45 degrees: a view turned further than this from the others is not read with them."""


class Part(NamedTuple):
    """A run of characters of one fragment in a line; the fragment spans start..end on the line's axis, pixels."""

    piece: int
    first: int
    stop: int
    start: float = 0.0
    end: float = 1.0
    spaced: bool = False  # a space stands before it that no tile saw


@dataclass(frozen=True, slots=True)
class Joined:
    """A line as parts of fragments, in reading order, with what tells whether the join can be trusted.

    `agreement` and `anchors` are the least of all its seams (see `Seam`); `turned` says that some tile read it the
    other way round or across.
    """

    parts: tuple[Part, ...]
    agreement: float = 1.0
    anchors: int | None = None
    turned: bool = False


@dataclass(frozen=True, slots=True)
class _View:
    piece: int
    start: float
    end: float
    opens: int  # grade of the start, see cuts.py
    closes: int
    turned: bool
    depth: float
    quality: tuple[float, float]  # side depth, confidence

    def shown_by(self, others: Sequence["_View"]) -> float:
        """Give the share (0..1) of this view that the others show too."""
        shown, at = 0.0, self.start
        for other in sorted(others, key=lambda view: view.start):
            low, high = max(other.start, at), min(other.end, self.end)
            if high > low:
                shown, at = shown + high - low, high
        return shown / max(self.end - self.start, 1e-9)


def chain_group(pieces: Pieces, cuts: Cuts, *, group: Sequence[int], neighbours: Neighbours) -> Iterator[Joined]:
    """Give the lines that a group of linked fragments makes: one, and more where one would lose text."""
    height = float(np.sort(pieces.height[group])[len(group) // 2])
    views = _views(pieces, cuts, group)
    turned = any(view.turned for view in views)
    while views:
        pool = _pool(views)
        chain = _chain(pool, neighbours, height)
        yield _join(pieces, chain, height, turned=turned)
        views = [view for view in views if view not in chain and _hidden(view, chain, height)]


def _hidden(view: _View, chain: Sequence[_View], height: float) -> bool:
    """Say whether the view has text that the chain does not show."""
    shown = view.shown_by(chain)
    return shown < SHOWN and (1 - shown) * (view.end - view.start) > LETTER * height


def _views(pieces: Pieces, cuts: Cuts, group: Sequence[int]) -> list[_View]:
    """Put the group on one axis, which runs the way that most of its text is read."""
    rows = np.asarray(group)
    length, along = pieces.length[rows], pieces.along[rows]
    confidence = [pieces.fragment(piece).confidence for piece in group]
    weight = length * np.array(confidence)
    longest = int(length.argmax())
    cosine = along[:, 0] * along[longest, 0] + along[:, 1] * along[longest, 1]
    sign = -1.0 if (weight * cosine).sum() < 0 else 1.0
    turned = sign * cosine < UPRIGHT
    half = along * (length / 2)[:, None]
    mids = np.stack([pieces.centre[rows] - half, pieces.centre[rows] + half])
    spans = _spans(mids, sign * along[longest])
    if spans[1].max() - spans[0].min() > REFIT * length[longest] and not turned.all():
        straight = np.flatnonzero(~turned)
        first, last = straight[spans[0][straight].argmin()], straight[spans[1][straight].argmax()]
        spans = _spans(mids, mids[1, last] - mids[0, first])
    table = zip(
        group,
        *spans.tolist(),
        cuts.grade[rows].tolist(),
        turned.tolist(),
        cuts.depth[rows].tolist(),
        zip(cuts.side_depth[rows].tolist(), confidence, strict=True),
        strict=True,
    )
    return [
        _View(piece, start, end, opens, closes, turn, deep, quality)
        for piece, start, end, (opens, closes), turn, deep, quality in table
    ]


def _spans(mids: Floats, axis: Floats) -> Floats:
    """Project the middles of all starts and ends (2, n, 2) on an axis; gives lows and highs (2, n)."""
    x, y = axis.tolist()
    norm = math.hypot(x, y) or 1.0
    return np.sort(mids[..., 0] * (x / norm) + mids[..., 1] * (y / norm), axis=0)


def _pool(views: Sequence[_View]) -> list[_View]:
    """Leave out the turned views that the others show."""
    sure = [view for view in views if not view.turned]
    pool = sure + [view for view in views if view.turned and view.shown_by(sure) < SECOND_CHOICE]
    return [view for view in pool if not view.turned] or pool


def _chain(pool: Sequence[_View], neighbours: Neighbours, height: float) -> list[_View]:
    """Give the deepest view that shows all, or else views from the start to the end of the line, as few as will do."""
    tolerance = SAME_END * height
    low, high = min(view.start for view in pool) + tolerance, max(view.end for view in pool) - tolerance
    at_start = [view for view in pool if view.start <= low]
    whole = [view for view in at_start if view.end >= high and view.opens == view.closes == FREE]
    if whole:
        return [max(whole, key=lambda view: (view.depth, view.quality[1], -view.piece))]
    chain = [max(at_start, key=lambda view: (view.opens, *_worth(view, height)))]
    by_piece = {view.piece: view for view in pool if not view.turned}
    while following := _following(chain, by_piece, neighbours, height):
        end = chain[-1].end - GOOD_OVERLAP * height
        chain.append(max(following, key=lambda view: (view.start <= end, *_worth(view, height))))
    return chain


def _following(
    chain: Sequence[_View], by_piece: dict[int, _View], neighbours: Neighbours, height: float
) -> list[_View]:
    """List the views, linked to the last one of the chain, that show more of the line's end."""
    last, tolerance = chain[-1], SAME_END * height
    linked = [by_piece[piece] for piece in neighbours.get(last.piece, ()) if piece in by_piece]
    return [
        view
        for view in linked
        if view not in chain
        and view.start <= last.end + GAP * height
        and (view.end > last.end + tolerance or (view.closes > last.closes and view.end >= last.end - tolerance))
    ]


def _worth(view: _View, height: float) -> tuple[float, int, float, float, int]:
    return round(view.end / (SAME_END * height)), view.closes, *view.quality, -view.piece


def _join(pieces: Pieces, chain: Sequence[_View], height: float, *, turned: bool) -> Joined:
    chars = [pieces.fragment(view.piece).chars for view in chain]
    if len(chain) == 1:
        return Joined((Part(chain[0].piece, 0, len(chars[0])),), turned=turned)
    spans = [Span(own, view.start, view.end, view.opens, view.closes) for own, view in zip(chars, chain, strict=True)]
    seams = _seams(spans, height)
    begins = [0] + [seam.begin for seam in seams]
    stops = [seam.stop for seam in seams] + [len(chars[-1])]
    spaced = [False] + [seam.spaced for seam in seams]
    parts = tuple(
        Part(view.piece, begin, max(stop, begin), view.start, view.end, space)
        for view, begin, stop, space in zip(chain, begins, stops, spaced, strict=True)
    )
    return Joined(parts, min(seam.agreement for seam in seams), min(seam.anchors for seam in seams), turned)


def _seams(spans: Sequence[Span], height: float) -> list[Seam]:
    seams: list[Seam] = []
    after = 0
    for first, second in pairwise(spans):
        seams.append(find_seam(first, second, height=height, after=after))
        after = seams[-1].begin
    return seams
