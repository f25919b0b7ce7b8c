"""Lines of the first stitching -> which places deserve a second look, each for a written reason.

A joined line is read again as a whole where its seams do not prove that the text is right. A line that ends where a
border cut through its letters, and that no other tile continues, is incomplete for certain: its end is searched again.
A line that a tile left to a neighbour is read where the neighbour has it not. A line of doubtful letters is read by a
stronger model, if the profile names one.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.stitch.chains import Joined, Part
from ocrfarm.stitch.cuts import HARD, Cuts, find_cuts
from ocrfarm.stitch.lines import line_quad
from ocrfarm.stitch.pieces import Pieces
from ocrfarm.tile import LATTICE, LOOK, Look, LookKind, Tile, TileId

AGREEMENT = 1.0
"""Share of the letters at a seam that both tiles must have read alike."""

ANCHORS = 3
"""Letters that both must have read alike at the same place."""

SURE_LETTERS, NEAR_SEAM = 0.6, 2
"""Least mean confidence of so many letters on each side of a seam."""

SURE = 0.6
"""Least confidence of every view that a line is made of."""

SEARCH_SIDE = 512
"""Pixels of the tile that is searched round an open end at least; it is half as large as a first tile, where that is
more, so that it sees as much of the line's rest as the detector needs to find it."""

SEARCH_GRID = 8
"""The tiles' places are multiples of this part of their side, so that ends near one another share one."""

AROUND = 0.5
"""Heights of a line that is shown on each side of it."""

ALONE = 2.5
"""Heights of a line that is shown alone on each side of it: no border of its tile seems to cut it."""

LARGEST = 32_000_000
"""Pixels of the box round a line that is read again: a slanted line across a very large page is left as it is."""


Place = tuple[Box, tuple[Quad, ...], LookKind]


class Doubt(NamedTuple):
    """Which lines a stronger model is to read: those less likely right than `below`, `most` of all lines at most."""

    below: float = 0.0
    most: float = 1.0


NO_DOUBT = Doubt()


def find_looks(
    size: Size, pieces: Pieces, *, joined: Sequence[Joined], left: Sequence[Quad], doubt: Doubt = NO_DOUBT
) -> tuple[Look, ...]:
    """Give the looks of a page in a fixed order; `left` are the lines that tiles left to others which have them not."""
    cuts, page = find_cuts(pieces), pieces.readings[0].tile.id.page
    doubted = _doubted(pieces, joined, doubt)
    open_ends = [end for line in joined for end in _open_ends(pieces, cuts, line)]
    searches = _searches(size, pieces, open_ends)
    doubtful = {line_quad(pieces, line) for line in joined if _is_doubtful(pieces, cuts, line)}.difference(doubted)
    wanted = [
        *searches,
        *_whole(size, doubtful, "joined", AROUND),
        *_whole(size, left, "left", ALONE),
        *_by_tile(size, pieces, doubted),
    ]
    return tuple(
        Look(Tile(TileId(page, 0, 0, index, LOOK), box, size), quads, kind)
        for index, (box, quads, kind) in enumerate(wanted)
    )


def _doubted(pieces: Pieces, joined: Sequence[Joined], doubt: Doubt) -> dict[Quad, int]:
    """Give the lines that are too likely wrong somewhere, each with the one tile that shows it whole, or -1."""
    if not doubt.below:
        return {}
    found = sorted((_chance(pieces, line), line_quad(pieces, line), line) for line in joined)
    chosen = [(quad, line.parts) for chance, quad, line in found if chance < doubt.below]
    return {
        quad: int(pieces.tile[parts[0].piece]) if len(parts) == 1 else -1
        for quad, parts in chosen[: math.ceil(doubt.most * len(found))]
    }


def _chance(pieces: Pieces, line: Joined) -> float:
    """Give the probability that every letter of a line is right, as far as the recognizer can tell."""
    runs = (pieces.fragment(part.piece).chars[part.first : part.stop] for part in line.parts)
    return math.prod(char.confidence for run in runs for char in run if char.text != " ")


def _by_tile(size: Size, pieces: Pieces, doubted: Mapping[Quad, int]) -> list[Place]:
    """Put the lines that one tile shows into one place, so that they are fetched at once and read together."""
    shown = defaultdict(list)
    for quad, tile in sorted(doubted.items()):
        shown[tile].append(quad)
    seams = _whole(size, shown.pop(-1, []), "doubted", AROUND)
    return seams + [(pieces.readings[tile].tile.box, tuple(quads), "doubted") for tile, quads in sorted(shown.items())]


def _whole(size: Size, quads: Iterable[Quad], kind: LookKind, margin: float) -> list[Place]:
    """Give the boxes round lines that are read as they are, with a margin of so many of their heights."""
    frame = Box(0, 0, size.width, size.height)
    boxes = [(_around(quad, margin).intersection(frame), quad) for quad in quads]
    return sorted((box, (quad,), kind) for box, quad in boxes if box and box.area <= LARGEST)


def _is_doubtful(pieces: Pieces, cuts: Cuts, line: Joined) -> bool:
    """Say whether the seams of a line fail to prove its text."""
    if line.anchors is None:
        return False
    models = {pieces.reading(part.piece).model for part in line.parts}
    weakest = min(pieces.fragment(part.piece).confidence for part in line.parts)
    return (
        line.agreement < AGREEMENT
        or line.anchors < ANCHORS
        or line.turned
        or len(models) > 1
        or weakest < SURE
        or any(bool(cuts.sliced[part.piece]) for part in line.parts)
        or any(_sure_at_seam(pieces, one, two) < SURE_LETTERS for one, two in pairwise(line.parts))
    )


def _sure_at_seam(pieces: Pieces, one: Part, two: Part) -> float:
    before = pieces.fragment(one.piece).chars[max(one.stop - NEAR_SEAM, one.first) : one.stop]
    after = pieces.fragment(two.piece).chars[two.first : min(two.first + NEAR_SEAM, two.stop)]
    sure = [char.confidence for char in (*before, *after)]
    return sum(sure) / max(len(sure), 1)


def _open_ends(pieces: Pieces, cuts: Cuts, line: Joined) -> Iterator[tuple[int, int]]:
    """Give the fragments at whose start (0) or end (1) the line was cut through letters and not continued."""
    if line.turned:
        return
    first, last = line.parts[0].piece, line.parts[-1].piece
    for piece, end in ((first, 0), (last, 1)):
        if cuts.grade[piece, end] == HARD and not cuts.sliced[piece]:
            yield piece, end


def _searches(size: Size, pieces: Pieces, ends: Sequence[tuple[int, int]]) -> list[Place]:
    """Give the boxes to search and the lines that end in each."""
    found: dict[Box, list[Quad]] = {}
    for piece, end in ends:
        quad = pieces.quad(piece)
        x, y = quad.part(end, end).centre
        box = pieces.reading(piece).tile.box
        side = max(SEARCH_SIDE, max(box.width, box.height) // (2 * LATTICE) * LATTICE)
        found.setdefault(_search_box(size, x, y, side), []).append(quad)
    return sorted((box, tuple(sorted(quads)), "open") for box, quads in found.items())


def _search_box(size: Size, x: float, y: float, side: int) -> Box:
    grid = side // SEARCH_GRID
    across, down = (round((at - side / 2) / grid) * grid for at in (x, y))
    x0, y0 = (max(min(at, extent - side), 0) for at, extent in ((across, size.width), (down, size.height)))
    return Box(x0, y0, min(x0 + side, size.width), min(y0 + side, size.height))


def _around(quad: Quad, heights: float) -> Box:
    box = quad.bounds()
    margin = round(quad.height * heights)
    return Box(box.x0 - margin, box.y0 - margin, box.x1 + margin, box.y1 + margin)
