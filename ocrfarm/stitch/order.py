"""Lines -> reading order: lines of one angle together, row by row, each row from its start."""

import math
from collections.abc import Sequence

import numpy as np

from ocrfarm.document import Line
from ocrfarm.stitch.pieces import Floats

OTHER_ANGLE = math.radians(10)
"""Angles with a gap this wide between them belong to different blocks of text."""

SAME_ROW = 0.5
"""Text heights between the middles of two lines of one row at most."""


def in_reading_order(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Sort the lines; the block with the most text comes first."""
    start, end, height = _measure(lines)
    vectors = end - start
    blocks = _blocks(vectors)
    longest_first = sorted(blocks, key=lambda block: (-sum(math.hypot(*vectors[k].tolist()) for k in block), block))
    return tuple(lines[k] for block in longest_first for k in _rows(block, start, vectors, height))


def _measure(lines: Sequence[Line]) -> tuple[Floats, Floats, Floats]:
    """Give the middles of the lines' starts and ends (m, 2), and their heights (m), in pixels."""
    corners = np.array([line.quad.points for line in lines], np.float64).reshape(-1, 4, 2)
    height = np.array([line.quad.height for line in lines], np.float64)
    return (corners[:, 0] + corners[:, 3]) / 2, (corners[:, 1] + corners[:, 2]) / 2, height


def _blocks(vectors: Floats) -> list[list[int]]:
    """Part the lines where their angles, sorted round the circle, leave a wide gap."""
    angles = sorted((math.atan2(y, x), k) for k, (x, y) in enumerate(vectors.tolist()))
    blocks: list[list[int]] = []
    before = -math.inf
    for angle, k in angles:
        if angle - before > OTHER_ANGLE:
            blocks.append([])
        blocks[-1].append(k)
        before = angle
    if len(blocks) > 1 and angles[0][0] + math.tau - before <= OTHER_ANGLE:
        blocks[0] += blocks.pop()  # the circle closes
    return [sorted(block) for block in blocks]


def _rows(block: Sequence[int], start: Floats, vectors: Floats, height: Floats) -> list[int]:
    """Sort the lines of one block by row, then along the row."""
    x, y = vectors[block].sum(axis=0).tolist()
    norm = math.hypot(x, y) or 1.0
    ux, uy = x / norm, y / norm
    middle = start[block] + vectors[block] / 2
    down = (middle[:, 1] * ux - middle[:, 0] * uy).tolist()
    along = (start[block][:, 0] * ux + start[block][:, 1] * uy).tolist()
    rows: list[list[tuple[float, float, int]]] = []
    row_at, row_height = -math.inf, 0.0
    for at, s, k in sorted(zip(down, along, block, strict=True)):
        if at - row_at > SAME_ROW * min(row_height, float(height[k])):
            rows.append([])
            row_at, row_height = at, float(height[k])
        rows[-1].append((s, at, k))
    return [k for row in rows for _, _, k in sorted(row)]
