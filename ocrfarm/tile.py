"""Tile, Fragment and Reading: what split, recognize and stitch hand to one another."""

import gzip
import json
import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, NamedTuple, overload

from ocrfarm.geometry import Box, Quad, Size

LATTICE = 32
"""Pixels. The detector gives shifted text the same answer only for shifts by its stride of 32, and it resamples any
array whose sides are no multiples of 32."""

LOOK = "x"
"""The part that marks the tiles of a second look; these are numbered by column."""

CLEAR_PIXELS, CLEAR_HEIGHTS = 16.0, 1.0
"""How far a line lies from a border that surely does not cut it: pixels, or times its height where that is more."""

CROSSES = 0.342
"""Sine of 20 degrees: a border steeper than this to the reading direction cuts ends of lines, any other one sides."""

_NAME = re.compile(r"p(\d+)-l(\d+)-r(\d+)-c(\d+)(?:-q([0-3]+|x))?")


@dataclass(frozen=True, slots=True, order=True)
class TileId:
    """Which tile: page, level (0 = native pixels, 1 = half size, ...), row and column of the grid.

    `part` is empty for a whole tile; a tile that is read again in four has the parts "0" (top left), "1", "2" and "3"
    (bottom right), and a part of a part has two digits. `LOOK` is the part of the tiles that are cut for a second look.
    """

    page: int
    level: int
    row: int
    col: int
    part: str = ""

    def __str__(self) -> str:
        name = f"p{self.page:04d}-l{self.level}-r{self.row:04d}-c{self.col:04d}"
        return f"{name}-q{self.part}" if self.part else name

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
    def interior(self) -> Sides:
        """Which sides cut through the page; the page's own edges do not count."""
        box, page = self.box, self.page
        return Sides(box.x0 > 0, box.y0 > 0, box.x1 < page.width, box.y1 < page.height)

    def leaves(self, line: Quad) -> bool:
        """Say whether a neighbour reads the line: its middle lies in the neighbour's core, which shows it whole.

        What a border cuts through along the text is left too; an end that is cut is read by both, to be joined.
        """
        if self.core is None:
            return False
        margin = max(CLEAR_PIXELS, CLEAR_HEIGHTS * line.height)
        whose = []
        for axis, (low, high) in enumerate(((self.box.x0, self.box.x1), (self.box.y0, self.box.y1))):
            at = [point[axis] for point in line.points]
            core = (self.core.x0, self.core.x1) if axis == 0 else (self.core.y0, self.core.y1)
            crossing = abs(at[1] - at[0]) >= CROSSES * line.length
            whose.append(_whose(at, (low, high), core=core, margin=margin, crossing=crossing))
        return _UNSURE not in whose and _THEIRS in whose


_OURS, _THEIRS, _UNSURE = range(3)


def _whose(at: list[float], span: tuple[int, int], *, core: tuple[int, int], margin: float, crossing: bool) -> int:
    """Say along one axis whose core holds the middle of the corners, and whether its tile shows all that is known."""
    (low, high), (first, end), middle = span, core, sum(at) / len(at)
    if end < high and middle >= end:
        begins, cut = 2 * end - high, crossing and max(at) > high - margin
        return _THEIRS if min(at) >= begins + margin and not cut else _UNSURE
    if first > low and middle < first:
        ends, cut = 2 * first - low, crossing and min(at) < low + margin
        return _THEIRS if max(at) <= ends - margin and not cut else _UNSURE
    return _OURS


class Char(NamedTuple):
    """One character of a fragment: where its centre lies along the quad (0 = start, 1 = end), and how sure it is."""

    text: str
    at: float
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


_NUMBERS = 10
"""Of each fragment, beside those of its characters."""


class Fragments(Sequence[Fragment]):
    """The fragments of a reading in columns, a third of what they take one by one; each is made when it is asked for.

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
        row = self._numbers[end - _NUMBERS - 2 * len(chars) : end].tolist()
        places, sure = row[_NUMBERS : _NUMBERS + len(chars)], row[_NUMBERS + len(chars) :]
        x0, y0, x1, y1, x2, y2, x3, y3, confidence, detection = row[:_NUMBERS]
        quad = Quad((x0, y0), (x1, y1), (x2, y2), (x3, y3))
        return Fragment(quad, tuple(map(Char, chars, places, sure)), confidence, detection)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


@dataclass(frozen=True, slots=True)
class Reading:
    """All that the recognizer found on one tile (or on one part of it).

    `seconds` is the time spent inside the engine; `squeezed` counts lines longer than the recognizer's widest input;
    `saturated` says that the detector's contour limit was still reached, so some text may be missing; `scale` is the
    detector's pixels per page pixel; `retries` counts how often the tile had been begun before; `left` are the lines
    that were found but left to a neighbour; `columns` is how wide the recognizer's inputs were together, in pixels, and
    `padding` how much of that was none of a line.
    """

    tile: Tile
    fragments: Sequence[Fragment]
    model: str
    seconds: float = 0.0
    squeezed: int = 0
    saturated: bool = False
    scale: float = 1.0
    retries: int = 0
    left: tuple[Quad, ...] = ()
    columns: int = 0
    padding: int = 0


LookKind = Literal["joined", "open", "left", "doubted"]
"""Why a place is read again: a joined line whose seams prove nothing, lines that end though their letters go on, a line
that a tile left to a neighbour which does not have it, or lines whose letters are doubted."""


@dataclass(frozen=True, slots=True)
class Look:
    """A place that is read a second time, cut from what the first tiles show of it.

    "open": everything in the tile is looked for, and what continues one of `lines` counts. Otherwise the lines are
    read as they are, their quads being known; only "doubted" places have more than one.
    """

    tile: Tile
    lines: tuple[Quad, ...]
    kind: LookKind


def readings_to_bytes(readings: Iterable[Reading]) -> bytes:
    """Give gzipped JSON; the same readings give the same bytes."""
    data = [_reading_to_json(reading) for reading in readings]
    return gzip.compress(json.dumps(data, ensure_ascii=False).encode(), 5, mtime=0)


def readings_from_bytes(data: bytes) -> tuple[Reading, ...]:
    """Read what `readings_to_bytes` wrote; ValueError for anything else."""
    try:
        return tuple(_reading_from_json(item) for item in json.loads(gzip.decompress(data)))
    except (OSError, EOFError, KeyError, TypeError) as error:
        raise ValueError(f"not readings: {error}") from error


def tile_to_json(tile: Tile) -> dict[str, Any]:
    """Give the tile as JSON values: name, box (x0, y0, x1, y1) and page size."""
    box, page = tile.box, tile.page
    return {"id": str(tile.id), "box": [box.x0, box.y0, box.x1, box.y1], "page": [page.width, page.height]}


def tile_from_json(data: dict[str, Any]) -> Tile:
    """Read what `tile_to_json` gave."""
    return Tile(TileId.parse(data["id"]), Box(*data["box"]), Size(*data["page"]))


def looks_to_bytes(looks: Iterable[Look]) -> bytes:
    """Give JSON; quads come back exactly as they were."""
    data = [
        {"tile": tile_to_json(look.tile), "lines": [quad.points for quad in look.lines], "kind": look.kind}
        for look in looks
    ]
    return json.dumps(data).encode()


def looks_from_bytes(data: bytes) -> tuple[Look, ...]:
    """Read what `looks_to_bytes` wrote."""
    return tuple(
        Look(tile_from_json(item["tile"]), tuple(map(Quad.of, item["lines"])), item["kind"])
        for item in json.loads(data)
    )


def _reading_to_json(reading: Reading) -> dict[str, Any]:
    return {
        "tile": tile_to_json(reading.tile),
        "model": reading.model,
        "seconds": round(reading.seconds, 4),
        "squeezed": reading.squeezed,
        "saturated": reading.saturated,
        "scale": reading.scale,
        "retries": reading.retries,
        "left": [_rounded(quad) for quad in reading.left],
        "columns": reading.columns,
        "padding": reading.padding,
        "fragments": [_fragment_to_json(fragment) for fragment in reading.fragments],
    }


def _reading_from_json(data: dict[str, Any]) -> Reading:
    return Reading(
        tile=tile_from_json(data["tile"]),
        fragments=Fragments(map(_row_from_json, data["fragments"])),
        model=data["model"],
        seconds=data["seconds"],
        squeezed=data["squeezed"],
        saturated=data["saturated"],
        scale=data["scale"],
        retries=data["retries"],
        left=tuple(map(Quad.of, data["left"])),
        columns=data["columns"],
        padding=data["padding"],
    )


def _rounded(quad: Quad) -> list[list[float]]:
    return [[round(x, 2), round(y, 2)] for x, y in quad.points]


def _fragment_to_json(fragment: Fragment) -> dict[str, Any]:
    return {
        "quad": _rounded(fragment.quad),
        "confidence": round(fragment.confidence, 4),
        "detection": round(fragment.detection, 4),
        "chars": [char.text for char in fragment.chars],
        "at": [round(char.at, 5) for char in fragment.chars],
        "sure": [round(char.confidence, 4) for char in fragment.chars],
    }


def _row_from_json(data: dict[str, Any]) -> tuple[Sequence[str], Iterable[float]]:
    chars, at, sure = data["chars"], data["at"], data["sure"]
    if not len(chars) == len(at) == len(sure):
        raise ValueError(f"not readings: {len(chars)} characters, {len(at)} places, {len(sure)} confidences")
    corners = chain.from_iterable(Quad.of(data["quad"]).points)
    return chars, (*corners, data["confidence"], data["detection"], *at, *sure)
