"""Tile, Fragment and Reading: what split, recognize and stitch hand to one another."""

import gzip
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ocrfarm.geometry import Box, Quad, Size

LATTICE = 32
"""Pixels. The detector gives shifted text the same answer only for shifts by its stride of 32, and it resamples any
array whose sides are no multiples of 32."""

LOOK = "x"
"""The part that marks the tiles of a second look; these are numbered by column."""

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
    """A rectangle of a page, in page pixels (level 0), with its overlap."""

    id: TileId
    box: Box
    page: Size = field(compare=False)

    @property
    def interior(self) -> Sides:
        """Which sides cut through the page; the page's own edges do not count."""
        box, page = self.box, self.page
        return Sides(box.x0 > 0, box.y0 > 0, box.x1 < page.width, box.y1 < page.height)


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


@dataclass(frozen=True, slots=True)
class Reading:
    """All that the recognizer found on one tile (or on one part of it).

    `seconds` is the time spent inside the engine; `squeezed` counts lines longer than the recognizer's widest input;
    `saturated` says that the detector's contour limit was still reached, so some text may be missing; `scale` is the
    detector's pixels per page pixel; `retries` counts how often the tile had been begun before.
    """

    tile: Tile
    fragments: tuple[Fragment, ...]
    model: str
    seconds: float = 0.0
    squeezed: int = 0
    saturated: bool = False
    scale: float = 1.0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """A place that is read a second time, cut from what the first tiles show of it.

    `whole`: the one line is read as it is, its quad being known. Otherwise `lines` are those that end in the tile
    though their letters go on: everything in it is looked for, and what continues them counts.
    """

    tile: Tile
    lines: tuple[Quad, ...]
    whole: bool


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
        {"tile": tile_to_json(look.tile), "lines": [quad.points for quad in look.lines], "whole": look.whole}
        for look in looks
    ]
    return json.dumps(data).encode()


def looks_from_bytes(data: bytes) -> tuple[Look, ...]:
    """Read what `looks_to_bytes` wrote."""
    return tuple(
        Look(tile_from_json(item["tile"]), tuple(map(Quad.of, item["lines"])), item["whole"])
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
        "fragments": [_fragment_to_json(fragment) for fragment in reading.fragments],
    }


def _reading_from_json(data: dict[str, Any]) -> Reading:
    return Reading(
        tile=tile_from_json(data["tile"]),
        fragments=tuple(_fragment_from_json(fragment) for fragment in data["fragments"]),
        model=data["model"],
        seconds=data["seconds"],
        squeezed=data["squeezed"],
        saturated=data["saturated"],
        scale=data["scale"],
        retries=data["retries"],
    )


def _fragment_to_json(fragment: Fragment) -> dict[str, Any]:
    return {
        "quad": [[round(x, 2), round(y, 2)] for x, y in fragment.quad.points],
        "confidence": round(fragment.confidence, 4),
        "detection": round(fragment.detection, 4),
        "chars": [char.text for char in fragment.chars],
        "at": [round(char.at, 5) for char in fragment.chars],
        "sure": [round(char.confidence, 4) for char in fragment.chars],
    }


def _fragment_from_json(data: dict[str, Any]) -> Fragment:
    chars = zip(data["chars"], data["at"], data["sure"], strict=True)
    return Fragment(Quad.of(data["quad"]), tuple(Char(*char) for char in chars), data["confidence"], data["detection"])
