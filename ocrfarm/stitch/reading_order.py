"""Lines -> reading order: lines of one angle together, column by column, row by row, each row from its start."""

import math
from collections.abc import Sequence

import numpy as np

from ocrfarm.document import Line
from ocrfarm.stitch.columns import ProjectedLine, xy_cut
from ocrfarm.stitch.fragment_table import Floats

MIN_BLOCK_ANGLE_GAP = math.radians(10)
"""Angles with a gap this wide between them belong to different blocks of text."""

MAX_ROW_OFFSET = 0.5
"""Text heights between the middles of two lines of one row at most."""


def sort_in_reading_order(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Sort the lines; the block with the most text comes first."""
    start, end, height = _measure_lines(lines)
    vectors = end - start
    blocks = _split_blocks(vectors)
    longest_first = sorted(blocks, key=lambda block: (-sum(math.hypot(*vectors[k].tolist()) for k in block), block))
    framed = (_project_block(block, start, vectors, height) for block in longest_first)
    return tuple(lines[k] for block in framed for group in xy_cut(block) for k in _sort_rows(group))


def _measure_lines(lines: Sequence[Line]) -> tuple[Floats, Floats, Floats]:
    """Give the middles of the lines' starts and ends (m, 2), and their heights (m), in pixels."""
    corners = np.array([line.quad.points for line in lines], np.float64).reshape(-1, 4, 2)
    height = np.array([line.quad.height for line in lines], np.float64)
    return (corners[:, 0] + corners[:, 3]) / 2, (corners[:, 1] + corners[:, 2]) / 2, height


def _split_blocks(vectors: Floats) -> list[list[int]]:
    """Part the lines where their angles, sorted round the circle, leave a wide gap."""
    angles = sorted((math.atan2(y, x), k) for k, (x, y) in enumerate(vectors.tolist()))
    blocks: list[list[int]] = []
    before = -math.inf
    for angle, k in angles:
        if angle - before > MIN_BLOCK_ANGLE_GAP:
            blocks.append([])
        blocks[-1].append(k)
        before = angle
    if len(blocks) > 1 and angles[0][0] + math.tau - before <= MIN_BLOCK_ANGLE_GAP:
        blocks[0] += blocks.pop()  # the circle closes
    return [sorted(block) for block in blocks]


def _project_block(block: Sequence[int], start: Floats, vectors: Floats, height: Floats) -> list[ProjectedLine]:
    """Turn the lines of one block so that they run along the first axis."""
    x, y = vectors[block].sum(axis=0).tolist()
    norm = math.hypot(x, y) or 1.0
    along, down = np.array([x, y]) / norm, np.array([-y, x]) / norm
    begin, middle = start[block] @ along, (start[block] + vectors[block] / 2) @ down
    measures = (each.tolist() for each in (begin, begin + vectors[block] @ along, middle, height[block]))
    return [ProjectedLine(*measured) for measured in zip(*measures, block, strict=True)]


def _sort_rows(group: Sequence[ProjectedLine]) -> list[int]:
    """Sort the lines of one column by row, then along the row."""
    rows: list[list[tuple[float, float, int]]] = []
    row_at, row_height = -math.inf, 0.0
    for line in sorted(group, key=lambda line: (line.middle, line.start, line.line_number)):
        if line.middle - row_at > MAX_ROW_OFFSET * min(row_height, line.height):
            rows.append([])
            row_at, row_height = line.middle, line.height
        rows[-1].append((line.start, line.middle, line.line_number))
    return [k for row in rows for _, _, k in sorted(row)]
