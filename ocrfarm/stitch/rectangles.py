"""Rectangles around lines, in arrays, and how much of one lies inside another."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ocrfarm.stitch.fragment_table import MIN_EXTENT, Floats, row_norms


class OrientedBoxes(NamedTuple):
    """Of n lines: centre (n, 2), unit vector along the text (n, 2), and half extents along and across it (n, 2)."""

    centre: Floats
    direction: Floats
    half_extents: Floats

    @classmethod
    def from_axes(cls, start: Floats, end: Floats, *, height: Floats) -> Self:
        """Give the rectangles whose axes run from `start` to `end` (n, 2)."""
        length = np.maximum(row_norms(end - start), MIN_EXTENT)
        return cls((start + end) / 2, (end - start) / length[:, None], np.stack([length, height], axis=1) / 2)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Give some of them."""
        return type(self)(*(column[rows] for column in self))


def compute_covered_share(small: OrientedBoxes, large: OrientedBoxes, *, slack: Floats) -> Floats:
    """Give the share of each small rectangle inside the large one of its row, grown by so many of its heights."""
    along = large.direction
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    away = small.centre - large.centre
    cosine = np.abs((small.direction * along).sum(axis=1))
    sine = np.abs((small.direction * across).sum(axis=1))
    long, tall = small.half_extents.T
    room = large.half_extents + (2 * slack * large.half_extents[:, 1])[:, None]
    share = np.ones(len(away))
    for axis, (vector, half) in enumerate(
        ((along, long * cosine + tall * sine), (across, long * sine + tall * cosine))
    ):
        centre, limit = (away * vector).sum(axis=1), room[:, axis]
        inside = np.minimum(centre + half, limit) - np.maximum(centre - half, -limit)
        share *= np.clip(inside / np.maximum(2 * half, MIN_EXTENT), 0.0, 1.0)
    return share
