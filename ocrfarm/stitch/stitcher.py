"""Readings of many tiles -> the lines of one page, step by step."""

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

    The same readings give the same lines, whatever their order and however often one of them comes. `size` is the
    page's, in pixels. Missing tiles are no error: what the others saw is joined. `second_pass` holds what came of the
    regions that `select_second_pass` gave for the same readings; where one failed, the first reading stands.
    """
    levels = _group_by_level(readings)
    regions = list(second_pass)
    by_level = [_stitch_level(size, levels[level], () if level else regions) for level in sorted(levels)]
    return sort_in_reading_order(reduce(merge_levels, by_level).lines if by_level else [])


def select_second_pass(
    size: Size, readings: Iterable[TileResult], *, criteria: SecondPassCriteria = DEFAULT_CRITERIA
) -> tuple[SecondPassRegion, ...]:
    """Give the places of the page whose text the first readings leave in doubt, in a fixed order.

    `criteria` say which lines a stronger model is to read, if there is one.
    """
    native = _group_by_level(readings).get(0, [])
    table = build_fragment_table(size, native)
    return (
        build_second_pass_regions(
            size,
            table,
            joined_lines=join_fragments(table),
            deferred=find_missing_deferred_lines(table, native),
            criteria=criteria,
        )
        if native
        else ()
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
    """Give what was read on whole lines that are known."""
    if region.kind in ("seam", "low_confidence"):
        for line, fragment in zip(region.lines, reading.fragments, strict=True):
            if fragment.chars:
                yield line, Reread(fragment.chars, reading.model, region.kind == "low_confidence")


def join_fragments(table: FragmentTable) -> list[JoinedLine]:
    """Choose the parts of fragments that make the lines of the page, each text once."""
    truncation = find_truncation(table)
    pairs = find_candidate_pairs(table)
    joined = _join_groups(table, truncation, match_fragments(table, truncation, pairs=pairs))
    false_detections = find_false_detections(table, truncation, pairs=pairs)
    kept = suppress_covered_lines(table, truncation, joined_lines=joined, pairs=pairs)
    return [line for line in kept if len(line.segments) > 1 or not false_detections[line.segments[0].row]]


def _join_groups(table: FragmentTable, truncation: Truncation, matches: Matches) -> list[JoinedLine]:
    groups, neighbours = group_fragments(table, matches)
    alone = np.ones(len(table), np.bool_)
    alone[[piece for group in groups for piece in group]] = False
    lines = [
        JoinedLine((Segment(piece, 0, len(table.fragment(piece).chars)),)) for piece in np.flatnonzero(alone).tolist()
    ]
    for group in groups:
        lines += join_group(table, truncation, group=group, neighbours=neighbours)
    return lines
