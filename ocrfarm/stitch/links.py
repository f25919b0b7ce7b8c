"""Which fragments of different tiles are views of the same line.

Two fragments are compared in the frame of the longer one, so every angle is alike and every threshold is in text
heights: a number of pixels that suits one text size glues the cells of a table of another size.
"""

from dataclasses import dataclass

import numpy as np

from ocrfarm.stitch.cuts import FREE, Cuts
from ocrfarm.stitch.nearby import AT_ONCE, Pairs
from ocrfarm.stitch.pieces import SMALLEST, Flags, Floats, Ints, Pieces
from ocrfarm.stitch.seams import Span, same_text

SAME_ANGLE = 0.139
"""Sine of 8 degrees, the most that two views of one line differ."""

STUB = 2.0
"""Text heights; the angle of a shorter fragment tells nothing."""

SAME_HEIGHT = 0.55
"""Least ratio of the heights of two views of one line."""

SAME_ROW, NEAR_ROW = 0.4, 0.55
"""Text heights between the axes of two views at most, and at most where they read the same text; rows of dense text are
1.0 apart."""

OVERLAP = 0.35
"""Text heights that two views share at least."""

SHARED_LETTER = 0.1
"""Text heights of overlap from where on two views may share a letter; whether they do, its text says."""

SAME_END = 0.9
"""Text heights; where ends lie further apart one view stops short, and that end must be a cut one."""

CONTAINED = 0.7
"""Share of the shorter view inside the longer one from where on they are the same words, grouped differently."""

ABUT = 0.8
"""Text heights between two cut ends at most; a wider gap parts two cells of a table."""


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs a < b of fragments that are views of one line; `offset` is how far apart their axes are, text heights."""

    a: Ints
    b: Ints
    offset: Floats


@dataclass(frozen=True, slots=True)
class _Views:
    """Pairs seen in the frame of the longer one, which spans -half..half, the short one low..high."""

    long: Ints
    short: Ints
    half: Floats
    low: Floats
    high: Floats
    cosine: Floats
    overlap: Floats
    least: Floats
    height: Floats
    smaller: Floats
    height_ratio: Floats
    offset: Floats


def find_links(pieces: Pieces, cuts: Cuts, *, pairs: Pairs) -> Links:
    """Choose from pairs of fragments of different tiles those that show the same line."""
    a, b = pairs
    parts = [_link(pieces, cuts, a[at : at + AT_ONCE], b[at : at + AT_ONCE]) for at in range(0, len(a), AT_ONCE)]
    keep = np.concatenate([part[0] for part in parts]) if parts else np.empty(0, np.bool_)
    offset = np.concatenate([part[1] for part in parts]) if parts else np.empty(0)
    return Links(a[keep], b[keep], offset[keep])


def _link(pieces: Pieces, cuts: Cuts, a: Ints, b: Ints) -> tuple[Flags, Floats]:
    views = _views(pieces, a, b)
    alike = _alike(pieces, views)
    low_ok, low_facing = _ends(cuts, views, end=0)
    high_ok, high_facing = _ends(cuts, views, end=1)
    shared = views.overlap >= OVERLAP * views.height
    alike &= cuts.sliced[a] == cuts.sliced[b]  # half letters agree with no whole ones
    linked = (alike & (np.abs(views.offset) <= SAME_ROW * views.smaller)) & (
        (shared & (low_ok | high_ok))
        | (views.overlap >= CONTAINED * views.least)
        | (~shared & (views.overlap >= -ABUT * views.height) & (low_facing | high_facing))
    )
    regrouped = alike & ~linked & (views.overlap >= SHARED_LETTER * views.height)
    for index in np.flatnonzero(regrouped).tolist():
        linked[index] = _same_words(pieces, views, index)
    return linked, np.abs(views.offset) / views.height


def _views(pieces: Pieces, a: Ints, b: Ints) -> _Views:
    swap = pieces.length[b] > pieces.length[a]
    long, short = np.where(swap, b, a), np.where(swap, a, b)
    along = pieces.along[long]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    corners = pieces.corners[short] - pieces.centre[long][:, None, :]
    s = np.sort(_dot(corners, along[:, None, :]), axis=1)
    t = np.sort(_dot(corners, across[:, None, :]), axis=1)
    low, high = (s[:, 0] + s[:, 1]) / 2, (s[:, 2] + s[:, 3]) / 2
    half = pieces.length[long] / 2
    tall, other = pieces.height[long], (t[:, 2] + t[:, 3] - t[:, 0] - t[:, 1]) / 2
    cosine, sine = _dot(pieces.along[short], along), _dot(pieces.along[short], across)
    # Both axes are compared in the middle of the overlap: the angle of a long view, a little off, matters least there.
    middle = (np.maximum(low, -half) + np.minimum(high, half)) / 2
    slope = np.where(np.abs(sine) <= SAME_ANGLE, sine / np.where(cosine == 0, 1.0, cosine), 0.0)
    away = pieces.centre[short] - pieces.centre[long]
    return _Views(
        long=long,
        short=short,
        half=half,
        low=low,
        high=high,
        cosine=cosine,
        overlap=np.minimum(high, half) - np.maximum(low, -half),
        least=np.minimum(pieces.length[long], high - low),
        height=(tall + other) / 2,
        smaller=np.minimum(tall, other),
        height_ratio=np.minimum(tall, other) / np.maximum(np.maximum(tall, other), SMALLEST),
        offset=_dot(away, across) + slope * (middle - _dot(away, along)),
    )


def _dot(one: Floats, two: Floats) -> Floats:
    """Multiply vectors, x and y in the last axis."""
    product: Floats = one[..., 0] * two[..., 0] + one[..., 1] * two[..., 1]
    return product


def _alike(pieces: Pieces, views: _Views) -> Flags:
    """Say which pairs have one angle (or its reverse), one height and nearly one axis."""
    sine = np.sqrt(np.maximum(1.0 - views.cosine**2, 0.0))
    stub = pieces.length[views.short] < STUB * pieces.height[views.short]
    alike: Flags = (
        ((sine <= SAME_ANGLE) | stub)
        & (views.height_ratio >= SAME_HEIGHT)
        & (np.abs(views.offset) <= NEAR_ROW * views.smaller)
    )
    return alike


def _ends(cuts: Cuts, views: _Views, *, end: int) -> tuple[Flags, Flags]:
    """Look at the low (0) or high (1) end of all pairs.

    Gives where the two agree or the one that stops short is cut there; and where the short one lies beyond this end of
    the long one and the two ends that face one another are cut.
    """
    sign = 1.0 if end else -1.0
    out_long, out_short = views.half, views.high if end else -views.low
    cut_long = cuts.grade[views.long, end] < FREE
    cut_short, cut_short_far = _cut(cuts, views, end), _cut(cuts, views, 1 - end)
    agree = np.abs(out_long - out_short) <= SAME_END * views.height
    beyond = sign * (views.low + views.high) > 0
    return agree | np.where(out_short < out_long, cut_short, cut_long), beyond & cut_long & cut_short_far


def _cut(cuts: Cuts, views: _Views, end: int) -> Flags:
    """Say whether the short view is cut at the low (0) or high (1) end of the pair's frame."""
    cut = cuts.grade[views.short] < FREE
    upright = np.where(views.cosine > 0, cut[:, end], cut[:, 1 - end])
    return np.where(np.abs(views.cosine) >= np.sqrt(0.5), upright, cut.any(axis=1))


def _same_words(pieces: Pieces, views: _Views, index: int) -> bool:
    if views.cosine[index] <= 0:
        return False
    half = float(views.half[index])
    long = Span(pieces.fragment(views.long[index]).chars, -half, half)
    short = Span(pieces.fragment(views.short[index]).chars, float(views.low[index]), float(views.high[index]))
    first, second = sorted((long, short), key=lambda span: (span.start, span.end))
    return same_text(first, second, height=float(views.height[index]))
