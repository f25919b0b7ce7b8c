"""Found lines against the truth of a page and the tiles that it was cut into -> counts and figures."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain

from ocrfarm.document import Line
from ocrfarm.geometry import Quad
from ocrfarm.tile import Tile
from tests.benchmarks.matching import Pair, distance, match, overlaps, overlaps_with_truth

MIN_COVERED_FRACTION = 0.5
"""Share of the smaller quad (IoS) from which two quads are taken to show the same text."""

SEAM_DISTANCE = 16.0
"""Pixels, or one text height where that is more: so near a tile's inner side a wrong line is the seam's fault."""


_Seam = tuple[int, int, int, int]
"""A tile's inner side: x0, y0, x1, y1."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over pages and tile sets; `cut` lines fit in no tile, `readable` ones are slanted and read right straight.

    `right` texts are equal after NFKC, `loose` ones but for their spaces. `extra` lines are unmatched and lie on a true
    line, `twice` are those that lie on a found one too; `ghosts` are all other unmatched ones near a seam, `false`
    those elsewhere. `edits` are those of matched lines, `letters` theirs; `all_edits` counts a missed line as wholly
    wrong. `same` of `compared` lines have the same text on a shifted grid. `read` and `merge` are seconds for `pages`.
    """

    true: int = 0
    found: int = 0
    matched: int = 0
    right: int = 0
    loose: int = 0
    cut: int = 0
    cut_right: int = 0
    cut_loose: int = 0
    extra: int = 0
    twice: int = 0
    ghosts: int = 0
    false: int = 0
    edits: int = 0
    letters: int = 0
    all_edits: int = 0
    all_letters: int = 0
    readable: int = 0
    readable_right: int = 0
    same: float = 0.0
    same_loose: float = 0.0
    compared: float = 0.0
    read: float = 0.0
    merge: float = 0.0
    pages: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    @property
    def f1(self) -> float:
        """Lines at their place with the right text, spaces and all."""
        return 2 * self.right / max(self.true + self.found, 1)

    @property
    def loose_f1(self) -> float:
        """The same, spaces ignored."""
        return 2 * self.loose / max(self.true + self.found, 1)


@dataclass(frozen=True, slots=True)
class LineError:
    """A line that is not as it should be; `found` is None where nothing was, `true` where nothing should be."""

    what: str
    index: int | None
    true: str | None
    found: str | None
    quad: Quad
    near_seam: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """The true lines of a page; `readable` holds the numbers of slanted lines that are read right when drawn level."""

    lines: tuple[Line, ...]
    readable: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class PageScore:
    """The counts of one page read in one way, what went wrong, and by number which true line has which text."""

    counts: Counts
    wrong: tuple[LineError, ...]
    texts: Mapping[int, str]


def normalize_text(text: str) -> str:
    """Give the text as it is compared: NFKC, runs of spaces as one."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def score_page(found: Sequence[Line], truth: Truth, tiles: Sequence[Tile]) -> PageScore:
    """Compare the lines found on a page with the true ones; `tiles` say which lines were cut and where seams are."""
    pairs = overlaps_with_truth([line.quad for line in truth.lines], [line.quad for line in found])
    partner = match(pairs)
    texts = {index: normalize_text(found[other].text) for index, other in partner.items()}
    true = [normalize_text(line.text) for line in truth.lines]
    right = {index for index, text in texts.items() if text == true[index]}
    loose = {index for index, text in texts.items() if _strip_spaces(text) == _strip_spaces(true[index])}
    cut = {index for index, line in enumerate(truth.lines) if is_cut(line.quad, tiles)}
    edits = [distance(text, true[index]) for index, text in texts.items()]
    missed = sum(len(text) for index, text in enumerate(true) if index not in texts)
    seams = list(chain.from_iterable(_seams(tile) for tile in tiles))
    spare = _classify_spare(found, partner, pairs, seams)
    counts = Counts(
        true=len(true),
        found=len(found),
        matched=len(partner),
        right=len(right),
        loose=len(loose),
        cut=len(cut),
        cut_right=len(cut & right),
        cut_loose=len(cut & loose),
        extra=sum(what in ("extra", "twice") for what in spare.values()),
        **{kind: sum(what == kind for what in spare.values()) for kind in ("twice", "ghosts", "false")},
        edits=sum(edits),
        letters=sum(len(true[index]) for index in texts),
        all_edits=sum(edits) + missed,
        all_letters=sum(map(len, true)),
        readable=len(truth.readable),
        readable_right=len(truth.readable & loose),
    )
    wrong = (
        LineError(
            _kind(index, texts, loose, cut),
            index,
            true[index],
            texts.get(index),
            *_locate(truth.lines[index].quad, seams),
        )
        for index in range(len(true))
        if index not in right
    )
    left_over = (
        LineError(what, None, None, found[index].text, *_locate(found[index].quad, seams))
        for index, what in spare.items()
    )
    return PageScore(counts, (*wrong, *left_over), texts)


def compare_grids(one: Sequence[Line], other: Sequence[Line]) -> Counts:
    """Count the lines that have the same text at the same place in both, and how many there are (the mean of both)."""
    partner = match(overlaps([line.quad for line in one], [line.quad for line in other]))
    pairs = [(normalize_text(one[a].text), normalize_text(other[b].text)) for a, b in partner.items()]
    same = sum(a == b for a, b in pairs)
    loose = sum(_strip_spaces(a) == _strip_spaces(b) for a, b in pairs)
    return Counts(same=same, same_loose=loose, compared=(len(one) + len(other)) / 2)


def is_cut(quad: Quad, tiles: Sequence[Tile]) -> bool:
    """Say whether the line fits in no tile."""
    bounds = quad.bounds()
    return not any(tile.box.contains(bounds) for tile in tiles)


def _kind(index: int, texts: Mapping[int, str], loose: set[int], cut: set[int]) -> str:
    kind = "spaces" if index in loose else "text" if index in texts else "missed"
    return f"{kind}, cut" if index in cut else kind


def _strip_spaces(text: str) -> str:
    return text.replace(" ", "")


def _classify_spare(
    found: Sequence[Line], partner: Mapping[int, int], pairs: Sequence[Pair], seams: Sequence[_Seam]
) -> dict[int, str]:
    """Say for each found line that is no true one what it is."""
    spare = sorted(set(range(len(found))) - set(partner.values()))
    on_truth = {b for _, b, _, ios in pairs if ios >= MIN_COVERED_FRACTION}
    own = overlaps([found[index].quad for index in spare], [line.quad for line in found])
    on_found = {spare[a] for a, b, _, ios in own if ios >= MIN_COVERED_FRACTION and spare[a] != b}
    return {
        index: _spare_kind(index in on_truth, index in on_found, _is_near_seam(found[index].quad, seams))
        for index in spare
    }


def _spare_kind(on_truth: bool, on_found: bool, near_seam: bool) -> str:
    if on_truth:
        return "twice" if on_found else "extra"
    return "ghosts" if near_seam else "false"


def _locate(quad: Quad, seams: Sequence[_Seam]) -> tuple[Quad, bool]:
    return quad, _is_near_seam(quad, seams)


def _seams(tile: Tile) -> Iterator[_Seam]:
    (x0, y0, x1, y1), inner = (tile.box.x0, tile.box.y0, tile.box.x1, tile.box.y1), tile.inner_edges
    sides = ((x0, y0, x0, y1), (x0, y0, x1, y0), (x1, y0, x1, y1), (x0, y1, x1, y1))
    return (side for side, is_inner in zip(sides, inner, strict=True) if is_inner)


def _is_near_seam(quad: Quad, seams: Sequence[_Seam]) -> bool:
    box, reach = quad.bounds(), max(SEAM_DISTANCE, quad.height)
    return any(
        x0 - reach <= box.x1 and box.x0 <= x1 + reach and y0 - reach <= box.y1 and box.y0 <= y1 + reach
        for x0, y0, x1, y1 in seams
    )
