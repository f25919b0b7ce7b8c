"""Readings of many tiles -> the lines of one page, step by step.

     tile results of one level
       |  build_fragment_table       fragments in arrays, in one fixed order
       |  find_truncation            which ends did a border cut?
       |  find_candidate_pairs       broad phase: sweep and prune
       |  match_fragments            narrow phase: which pairs are views of one line?
       |  group_fragments            connected components: union-find
       |  join_group                 greedy interval cover; at each seam a weighted longest common subsequence
       |  suppress_covered_lines     non-maximum suppression by coverage
       v  make_line                  words and quads; what the second pass corrected
     lines of one level
       |  merge_levels               large letters from the coarse levels, everything else from the fine ones
       v  sort_in_reading_order      X-Y cut
     lines of the page

Invariant: the same tile results give the same lines, whatever their order and however often one of them comes. Cost:
O(n log n) for n fragments; tests/benchmarks/test_stitch_speed.py measures the seconds and the memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import chain, starmap

import numpy as np

from ocrfarm.document import Line
from ocrfarm.geometry import Quad, Size
from ocrfarm.stitch.chain import JoinedLine, Segment, join_group
from ocrfarm.stitch.fragment_table import FragmentTable, build_fragment_table, find_candidate_pairs
from ocrfarm.stitch.lines import Reread, make_line
from ocrfarm.stitch.matching import Matches, group_fragments, match_fragments
from ocrfarm.stitch.pyramid_merge import Level, measure_tile_overlap, merge_levels
from ocrfarm.stitch.reading_order import sort_in_reading_order
from ocrfarm.stitch.second_pass import (
    DEFAULT_CRITERIA,
    SecondPassCriteria,
    build_second_pass_regions,
    find_missing_deferred_lines,
    keep_continuations,
)
from ocrfarm.stitch.suppression import find_false_detections, suppress_covered_lines
from ocrfarm.stitch.truncation import Truncation, find_truncation
from ocrfarm.tile import SecondPassRegion, TileResult

RegionReading = tuple[SecondPassRegion, TileResult]
"""A region of the second pass, and what was read there."""


def stitch(
    size: Size, readings: Iterable[TileResult], *, second_pass: Iterable[RegionReading] = ()
) -> tuple[Line, ...]:
    """Join what overlapping tiles read into the lines of one page, in reading order.

    The same readings give the same lines, whatever their order and however often one of them comes. Missing tiles are
    no error: what the others saw is joined.

    Args:
        size: The page's size, pixels.
        readings: What the tiles of all levels read.
        second_pass: The regions that `select_second_pass` returned for the same readings, with what was read in each;
            the first reading stands for regions that are missing.

    >>> from ocrfarm.geometry import Box
    >>> from ocrfarm.tile import Char, Fragment, Tile, TileId
    >>> page = Size(150, 100)
    >>> def reading(column, box, text, start, end):
    ...     chars = tuple(Char(char, (k + 0.5) / len(text), 0.9) for k, char in enumerate(text))
    ...     fragment = Fragment(Quad.from_bounds(start, 40, end, 60), chars, 0.9)
    ...     return TileResult(Tile(TileId(0, 0, 0, column), box, page), (fragment,), "model")
    >>> left = reading(0, Box(0, 0, 90, 100), "PUMP HO", 20, 90)
    >>> right = reading(1, Box(60, 0, 150, 100), " HOUSE", 60, 120)
    >>> [line.text for line in stitch(page, [right, left])]
    ['PUMP HOUSE']
    """
    levels = _group_by_level(readings)
    regions = list(second_pass)
    by_level = [_stitch_level(size, levels[level], () if level else regions) for level in sorted(levels)]
    return sort_in_reading_order(reduce(merge_levels, by_level).lines if by_level else [])


def select_second_pass(
    size: Size, readings: Iterable[TileResult], *, criteria: SecondPassCriteria = DEFAULT_CRITERIA
) -> tuple[SecondPassRegion, ...]:
    """Return the regions of the page whose text the first readings leave in doubt, in a fixed order.

    Args:
        size: The page's size, pixels.
        readings: What the tiles of all levels read; only native tiles (level 0) are looked at.
        criteria: Which lines a stronger model reads, if there is one.
    """
    native = _group_by_level(readings).get(0, [])
    if not native:
        return ()
    table = build_fragment_table(size, native)
    return build_second_pass_regions(
        size,
        table,
        joined_lines=join_fragments(table),
        deferred=find_missing_deferred_lines(table, native),
        criteria=criteria,
    )


def _group_by_level(readings: Iterable[TileResult]) -> dict[int, list[TileResult]]:
    levels: dict[int, list[TileResult]] = {}
    for reading in readings:
        levels.setdefault(reading.tile.id.level, []).append(reading)
    return levels


def _stitch_level(size: Size, readings: Sequence[TileResult], second_pass: Sequence[RegionReading]) -> Level:
    """Join what the tiles of one level read."""
    searched = [keep_continuations(region, reading) for region, reading in second_pass if region.kind == "open_end"]
    deferred = [reading for region, reading in second_pass if region.kind == "deferred"]
    table = build_fragment_table(size, [*readings, *searched, *deferred])
    rereads = dict(chain.from_iterable(starmap(_collect_rereads, second_pass)))
    lines = [make_line(table, joined, rereads=rereads) for joined in join_fragments(table)]
    return Level(lines, measure_tile_overlap([reading.tile.box for reading in readings]))


def _collect_rereads(region: SecondPassRegion, reading: TileResult) -> Iterator[tuple[Quad, Reread]]:
    """Yield what was read on whole lines that are known."""
    if region.kind in ("seam", "low_confidence"):
        for line, fragment in zip(region.lines, reading.fragments, strict=True):
            if fragment.chars:
                yield line, Reread(fragment.chars, reading.model, region.kind == "low_confidence")


def join_fragments(table: FragmentTable) -> list[JoinedLine]:
    """Return the segments of fragments that make the lines of the page, each text once."""
    truncation = find_truncation(table)
    pairs = find_candidate_pairs(table)
    joined = _join_groups(table, truncation, match_fragments(table, truncation, pairs=pairs))
    false_detections = find_false_detections(table, truncation, pairs=pairs)
    kept = suppress_covered_lines(table, truncation, joined_lines=joined, pairs=pairs)
    return [line for line in kept if len(line.segments) > 1 or not false_detections[line.segments[0].row]]


def _join_groups(table: FragmentTable, truncation: Truncation, matches: Matches) -> list[JoinedLine]:
    groups, neighbours = group_fragments(table, matches)
    alone = np.ones(len(table), np.bool_)
    alone[[row for group in groups for row in group]] = False
    lines = [JoinedLine((Segment(row, 0, len(table.fragment(row).chars)),)) for row in np.flatnonzero(alone).tolist()]
    for group in groups:
        lines += join_group(table, truncation, group=group, neighbours=neighbours)
    return lines
