"""Readings of many tiles -> the lines of one page, step by step."""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import chain, starmap

import numpy as np

from ocrfarm.document import Line
from ocrfarm.geometry import Quad, Size
from ocrfarm.stitch.chains import Joined, Part, chain_group
from ocrfarm.stitch.cuts import Cuts, find_cuts
from ocrfarm.stitch.doubts import NO_DOUBT, Doubt, find_looks
from ocrfarm.stitch.groups import find_groups
from ocrfarm.stitch.left import unread
from ocrfarm.stitch.levels import Level, merge_levels, shared_by_tiles
from ocrfarm.stitch.lines import make_line
from ocrfarm.stitch.links import Links, find_links
from ocrfarm.stitch.nearby import nearby
from ocrfarm.stitch.order import in_reading_order
from ocrfarm.stitch.pieces import Pieces, gather
from ocrfarm.stitch.second import Answer, continuing
from ocrfarm.stitch.sweep import find_ghosts, sweep
from ocrfarm.tile import Look, Reading

Again = tuple[Look, Reading]
"""A place that was looked at a second time, and what was read there."""


def stitch(size: Size, readings: Iterable[Reading], *, again: Iterable[Again] = ()) -> tuple[Line, ...]:
    """Join what overlapping tiles read into the lines of one page, in reading order.

    The same readings give the same lines, whatever their order and however often one of them comes. `size` is the
    page's, in pixels. Missing tiles are no error: what the others saw is joined. `again` holds what came of the places
    that `look_again` gave for the same readings; where a look failed, the first reading stands.
    """
    levels = _by_level(readings)
    looks = list(again)
    by_level = [_level(size, levels[level], () if level else looks) for level in sorted(levels)]
    return in_reading_order(reduce(merge_levels, by_level).lines if by_level else [])


def look_again(size: Size, readings: Iterable[Reading], *, doubt: Doubt = NO_DOUBT) -> tuple[Look, ...]:
    """Give the places of the page whose text the first readings leave in doubt, in a fixed order.

    `doubt` says which lines a stronger model is to read, if there is one.
    """
    native = _by_level(readings).get(0, [])
    pieces = gather(size, native)
    return find_looks(size, pieces, joined=join(pieces), left=unread(pieces, native), doubt=doubt) if native else ()


def _by_level(readings: Iterable[Reading]) -> dict[int, list[Reading]]:
    levels: dict[int, list[Reading]] = {}
    for reading in readings:
        levels.setdefault(reading.tile.id.level, []).append(reading)
    return levels


def _level(size: Size, readings: Sequence[Reading], again: Sequence[Again]) -> Level:
    """Join what the tiles of one level read."""
    searched = [continuing(look, reading) for look, reading in again if look.kind == "open"]
    left = [reading for look, reading in again if look.kind == "left"]
    pieces = gather(size, [*readings, *searched, *left])
    answers = dict(chain.from_iterable(starmap(_answers, again)))
    lines = [make_line(pieces, joined, answers=answers) for joined in join(pieces)]
    return Level(lines, shared_by_tiles([reading.tile.box for reading in readings]))


def _answers(look: Look, reading: Reading) -> Iterator[tuple[Quad, Answer]]:
    """Give what was read on whole lines that are known."""
    if look.kind in ("joined", "doubted"):
        for line, fragment in zip(look.lines, reading.fragments, strict=True):
            if fragment.chars:
                yield line, Answer(fragment.chars, reading.model, look.kind == "doubted")


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
    lines = [Joined((Part(piece, 0, len(pieces.fragment(piece).chars)),)) for piece in np.flatnonzero(alone).tolist()]
    for group in groups:
        lines += chain_group(pieces, cuts, group=group, neighbours=neighbours)
    return lines
