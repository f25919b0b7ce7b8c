"""Readings of many tiles -> the lines of one page, step by step."""

from collections.abc import Iterable, Sequence
from functools import reduce

import numpy as np

from ocrfarm.document import Line
from ocrfarm.geometry import Size
from ocrfarm.stitch.chains import Joined, Part, chain_group
from ocrfarm.stitch.cuts import Cuts, find_cuts
from ocrfarm.stitch.groups import find_groups
from ocrfarm.stitch.levels import Level, merge_levels, shared_by_tiles
from ocrfarm.stitch.lines import make_line
from ocrfarm.stitch.links import Links, find_links
from ocrfarm.stitch.nearby import nearby
from ocrfarm.stitch.order import in_reading_order
from ocrfarm.stitch.pieces import Pieces, gather
from ocrfarm.stitch.sweep import find_ghosts, sweep
from ocrfarm.tile import Reading


def stitch(size: Size, readings: Iterable[Reading]) -> tuple[Line, ...]:
    """Join what overlapping tiles read into the lines of one page, in reading order.

    The same readings give the same lines, whatever their order and however often one of them comes. `size` is the
    page's, in pixels. Missing tiles are no error: what the others saw is joined.
    """
    levels: dict[int, list[Reading]] = {}
    for reading in readings:
        levels.setdefault(reading.tile.id.level, []).append(reading)
    by_level = [_level(size, of_level) for _, of_level in sorted(levels.items())]
    return in_reading_order(reduce(merge_levels, by_level).lines if by_level else [])


def _level(size: Size, readings: Sequence[Reading]) -> Level:
    """Join what the tiles of one level read."""
    pieces = gather(size, readings)
    lines = [make_line(pieces, joined) for joined in join(pieces)]
    return Level(lines, shared_by_tiles([reading.tile.box for reading in readings]))


def join(pieces: Pieces) -> list[Joined]:
    """Choose the parts of fragments that make the lines of the page, each text once."""
    cuts = find_cuts(pieces)
    pairs = nearby(pieces)
    joined = _joined(pieces, cuts, find_links(pieces, cuts, pairs=pairs))
    ghosts = find_ghosts(pieces, cuts, pairs=pairs)
    swept = sweep(pieces, cuts, joined=joined, pairs=pairs)
    return [line for line in swept if len(line.parts) > 1 or not ghosts[line.parts[0].piece]]


def _joined(pieces: Pieces, cuts: Cuts, links: Links) -> list[Joined]:
    groups, neighbours = find_groups(pieces, links)
    alone = np.ones(len(pieces), np.bool_)
    alone[[piece for group in groups for piece in group]] = False
    lines = [Joined((Part(piece, 0, len(pieces.fragments[piece].chars)),)) for piece in np.flatnonzero(alone).tolist()]
    for group in groups:
        lines += chain_group(pieces, cuts, group=group, neighbours=neighbours)
    return lines
