"""Tile, Fragment and TileResult: what split, recognize and stitch hand to one another."""

import gzip
import json
import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, NamedTuple, overload

from ocrfarm.geometry import Box, Quad, Size

DETECTOR_STRIDE = 32
"""Pixels. The detector gives shifted text the same answer only for shifts by its stride of 32, and it resamples any
array whose sides are no multiples of 32."""

SECOND_PASS_QUADKEY = "x"
"""The quadkey that marks the tiles of the second pass; these are numbered by column."""

CLEARANCE_PIXELS, CLEARANCE_HEIGHTS = 16.0, 1.0
"""How far a line lies from a border that surely does not cut it: pixels, or times its height where that is more."""

MIN_CROSSING_SINE = 0.342
"""Sine of 20 degrees: a border steeper than this to the reading direction cuts ends of lines, any other one sides."""

_NAME = re.compile(r"p(\d+)-l(\d+)-r(\d+)-c(\d+)(?:-q([0-3]+|x))?")


@dataclass(frozen=True, slots=True, order=True)
class TileId:
    """Which tile: page, level (0 = native pixels, 1 = half size, ...), row and column of the grid.

    `quadkey` is empty for a whole tile; a tile that is read again in four has the quadkeys "0" (top left), "1", "2" and
    "3" (bottom right), and a quarter of a quarter has two digits. `SECOND_PASS_QUADKEY` is that of the tiles that
    are cut for the second pass.
    """

    page: int
    level: int
    row: int
    col: int
    quadkey: str = ""

    def __str__(self) -> str:
        name = f"p{self.page:04d}-l{self.level}-r{self.row:04d}-c{self.col:04d}"
        return f"{name}-q{self.quadkey}" if self.quadkey else name

    @classmethod
    def parse(cls, name: str) -> "TileId":
        """Read what `str` wrote; ValueError for anything else."""
        if not (match := _NAME.fullmatch(name)):
            raise ValueError(f"{name!r} is no tile name")
        page, level, row, col = (int(digits) for digits in match.groups()[:4])
        return cls(page, level, row, col, match.group(5) or "")


class Sides(NamedTuple):
    """One truth for each side of a tile."""

    left: bool
    top: bool
    right: bool
    bottom: bool


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A rectangle of a page, in page pixels (level 0), with its overlap.

    `core` is the part of the box that is nearer to its own middle than to a neighbour's: it ends half way through each
    overlap, and the cores of a grid tile the page. Without one, everything in the tile is read.
    """

    id: TileId
    box: Box
    page: Size = field(compare=False)
    core: Box | None = field(default=None, compare=False)

    @property
    def inner_edges(self) -> Sides:
        """Which sides cut through the page; the page's own edges do not count."""
        box, page = self.box, self.page
        return Sides(box.x0 > 0, box.y0 > 0, box.x1 < page.width, box.y1 < page.height)

    def belongs_to_neighbour(self, line: Quad) -> bool:
        """Say whether a neighbour reads the line: its middle lies in the neighbour's core, which shows it whole.

        What a border cuts through along the text is left too; an end that is cut is read by both, to be joined.
        """
        if self.core is None:
            return False
        margin = max(CLEARANCE_PIXELS, CLEARANCE_HEIGHTS * line.height)
        whose = []
        for axis, (low, high) in enumerate(((self.box.x0, self.box.x1), (self.box.y0, self.box.y1))):
            at = [point[axis] for point in line.points]
            core = (self.core.x0, self.core.x1) if axis == 0 else (self.core.y0, self.core.y1)
            crossing = abs(at[1] - at[0]) >= MIN_CROSSING_SINE * line.length
            whose.append(_find_owner(at, (low, high), core=core, margin=margin, crossing=crossing))
        return _AMBIGUOUS not in whose and _NEIGHBOUR in whose


_OWN, _NEIGHBOUR, _AMBIGUOUS = range(3)


def _find_owner(at: list[float], span: tuple[int, int], *, core: tuple[int, int], margin: float, crossing: bool) -> int:
    """Say along one axis whose core holds the middle of the corners, and whether its tile shows all that is known."""
    (low, high), (first, end), middle = span, core, sum(at) / len(at)
    if end < high and middle >= end:
        begins, cut = 2 * end - high, crossing and max(at) > high - margin
        return _NEIGHBOUR if min(at) >= begins + margin and not cut else _AMBIGUOUS
    if first > low and middle < first:
        ends, cut = 2 * first - low, crossing and min(at) < low + margin
        return _NEIGHBOUR if max(at) <= ends - margin and not cut else _AMBIGUOUS
    return _OWN


class Char(NamedTuple):
    """One character of a fragment: where its centre lies along the quad (0 = start, 1 = end), and how sure it is."""

    text: str
    position: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Fragment:
    """A line as one tile saw it, perhaps cut at the tile's sides; the quad is in page pixels and may reach outside."""

    quad: Quad
    chars: tuple[Char, ...]
    confidence: float
    detection: float = 1.0

    @property
    def text(self) -> str:
        """The characters as one string."""
        return "".join(char.text for char in self.chars)


_FIXED_VALUES = 10
"""Of each fragment, beside those of its characters."""


class Fragments(Sequence[Fragment]):
    """The fragments of a tile result in columns, a third of what they take one by one; each is made when asked for.

    A page of 32,768 pixels a side has 35,000 of them, which a stitcher holds all at once.
    """

    __slots__ = ("_chars", "_ends", "_numbers")

    def __init__(self, rows: Iterable[tuple[Sequence[str], Iterable[float]]]) -> None:
        """Take of each its characters and its numbers.

        These are x and y of each corner, confidence, detection, then where each character is, then how sure each one.
        """
        self._chars: list[Sequence[str]] = []
        self._numbers, self._ends = array("d"), array("L")
        for chars, numbers in rows:
            self._chars.append("".join(chars) if all(len(char) == 1 for char in chars) else tuple(chars))
            self._numbers.extend(numbers)
            self._ends.append(len(self._numbers))

    def __len__(self) -> int:
        return len(self._chars)

    @overload
    def __getitem__(self, index: int) -> Fragment: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Fragment, ...]: ...
    def __getitem__(self, index: int | slice) -> Fragment | tuple[Fragment, ...]:
        if isinstance(index, slice):
            return tuple(self)[index]
        chars, end = self._chars[index], self._ends[index]
        row = self._numbers[end - _FIXED_VALUES - 2 * len(chars) : end].tolist()
        positions, confidences = row[_FIXED_VALUES : _FIXED_VALUES + len(chars)], row[_FIXED_VALUES + len(chars) :]
        x0, y0, x1, y1, x2, y2, x3, y3, confidence, detection = row[:_FIXED_VALUES]
        quad = Quad((x0, y0), (x1, y1), (x2, y2), (x3, y3))
        return Fragment(quad, tuple(map(Char, chars, positions, confidences)), confidence, detection)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


@dataclass(frozen=True, slots=True)
class TileResult:
    """All that the recognizer found on one tile (or on one part of it).

    `seconds` is the time spent inside the engine; `overlong_lines` counts lines longer than the recognizer's widest
    input; `detector_overflow` says that the detector's contour limit was still reached, so some text may be missing;
    `scale` is the detector's pixels per page pixel; `retries` counts how often the tile had been begun before;
    `deferred_lines` were found but left to a neighbour; `input_columns` is how wide the recognizer's inputs were
    together, in pixels, and `padding_columns` how much of that was none of a line.
    """

    tile: Tile
    fragments: Sequence[Fragment]
    model: str
    seconds: float = 0.0
    overlong_lines: int = 0
    detector_overflow: bool = False
    scale: float = 1.0
    retries: int = 0
    deferred_lines: tuple[Quad, ...] = ()
    input_columns: int = 0
    padding_columns: int = 0


SecondPassKind = Literal["seam", "open_end", "deferred", "low_confidence"]
"""Why a place is read again: a joined line whose seams prove nothing, lines that end though their letters go on, a line
that a tile left to a neighbour which does not have it, or lines whose letters are doubted."""


@dataclass(frozen=True, slots=True)
class SecondPassRegion:
    """A place that is read a second time, cut from what the first tiles show of it.

    "open_end": everything in the tile is looked for, and what continues one of `lines` counts. Otherwise the lines are
    read as they are, their quads being known; only "low_confidence" regions have more than one.
    """

    tile: Tile
    lines: tuple[Quad, ...]
    kind: SecondPassKind


def tile_results_to_bytes(results: Iterable[TileResult]) -> bytes:
    """Give gzipped JSON; the same results give the same bytes."""
    data = [_tile_result_to_json(result) for result in results]
    return gzip.compress(json.dumps(data, ensure_ascii=False).encode(), 5, mtime=0)


def tile_results_from_bytes(data: bytes) -> tuple[TileResult, ...]:
    """Read what `tile_results_to_bytes` wrote; ValueError for anything else."""
    try:
        return tuple(_tile_result_from_json(item) for item in json.loads(gzip.decompress(data)))
    except (OSError, EOFError, KeyError, TypeError) as error:
        raise ValueError(f"not tile results: {error}") from error


def tile_to_json(tile: Tile) -> dict[str, Any]:
    """Give the tile as JSON values: name, box (x0, y0, x1, y1) and page size."""
    box, page = tile.box, tile.page
    return {"id": str(tile.id), "box": [box.x0, box.y0, box.x1, box.y1], "page": [page.width, page.height]}


def tile_from_json(data: dict[str, Any]) -> Tile:
    """Read what `tile_to_json` gave."""
    return Tile(TileId.parse(data["id"]), Box(*data["box"]), Size(*data["page"]))


def second_pass_to_bytes(regions: Iterable[SecondPassRegion]) -> bytes:
    """Give JSON; quads come back exactly as they were."""
    data = [
        {"tile": tile_to_json(region.tile), "lines": [quad.points for quad in region.lines], "kind": region.kind}
        for region in regions
    ]
    return json.dumps(data).encode()


def second_pass_from_bytes(data: bytes) -> tuple[SecondPassRegion, ...]:
    """Read what `second_pass_to_bytes` wrote."""
    return tuple(
        SecondPassRegion(tile_from_json(item["tile"]), tuple(map(Quad.from_points, item["lines"])), item["kind"])
        for item in json.loads(data)
    )


def _tile_result_to_json(result: TileResult) -> dict[str, Any]:
    return {
        "tile": tile_to_json(result.tile),
        "model": result.model,
        "seconds": round(result.seconds, 4),
        "overlong_lines": result.overlong_lines,
        "detector_overflow": result.detector_overflow,
        "scale": result.scale,
        "retries": result.retries,
        "deferred_lines": [_quad_to_json(quad) for quad in result.deferred_lines],
        "input_columns": result.input_columns,
        "padding_columns": result.padding_columns,
        "fragments": [_fragment_to_json(fragment) for fragment in result.fragments],
    }


def _tile_result_from_json(data: dict[str, Any]) -> TileResult:
    return TileResult(
        tile=tile_from_json(data["tile"]),
        fragments=Fragments(map(_fragment_row_from_json, data["fragments"])),
        model=data["model"],
        seconds=data["seconds"],
        overlong_lines=data["overlong_lines"],
        detector_overflow=data["detector_overflow"],
        scale=data["scale"],
        retries=data["retries"],
        deferred_lines=tuple(map(Quad.from_points, data["deferred_lines"])),
        input_columns=data["input_columns"],
        padding_columns=data["padding_columns"],
    )


def _quad_to_json(quad: Quad) -> list[list[float]]:
    return [[round(x, 2), round(y, 2)] for x, y in quad.points]


def _fragment_to_json(fragment: Fragment) -> dict[str, Any]:
    return {
        "quad": _quad_to_json(fragment.quad),
        "confidence": round(fragment.confidence, 4),
        "detection": round(fragment.detection, 4),
        "chars": [char.text for char in fragment.chars],
        "positions": [round(char.position, 5) for char in fragment.chars],
        "confidences": [round(char.confidence, 4) for char in fragment.chars],
    }


def _fragment_row_from_json(data: dict[str, Any]) -> tuple[Sequence[str], Iterable[float]]:
    chars, positions, confidences = data["chars"], data["positions"], data["confidences"]
    if not len(chars) == len(positions) == len(confidences):
        counts = f"{len(chars)} characters, {len(positions)} positions, {len(confidences)} confidences"
        raise ValueError(f"not tile results: {counts}")
    corners = chain.from_iterable(Quad.from_points(data["quad"]).points)
    return chars, (*corners, data["confidence"], data["detection"], *positions, *confidences)
