"""Where on earth an image lies: by the tags of a GeoTIFF, or by a world file beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocrfarm.result.tiff import read_first_directory

_SCALE, _TIEPOINT, _TRANSFORMATION, _GEO_KEYS, _ORIENTATION = 33550, 33922, 34264, 34735, 274
"""ModelPixelScale, ModelTiepoint, ModelTransformation, GeoKeyDirectory, Orientation."""

_RASTER_TYPE, _PROJECTED, _GEOGRAPHIC = 1025, 3072, 2048
"""GeoKeys: whether a pixel is an area or a point, and the EPSG code of the coordinate system."""

_PIXEL_IS_POINT = 2
_MAX_EPSG = 32766
"""Codes above it mean: not by EPSG."""


@dataclass(frozen=True, slots=True)
class Georeference:
    """An affine map from pixels, whose origin is the outer corner of the first one, to coordinates of the world.

    X = a x + b y + c, Y = d x + e y + f; `epsg` names the coordinate system where it is known.
    """

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 1.0
    f: float = 0.0
    epsg: int | None = None

    def to_world(self, point: tuple[float, float]) -> tuple[float, float]:
        """Give the world's coordinates of a point of the page, to twelve digits."""
        x, y = point
        return _round_significant(self.a * x + self.b * y + self.c), _round_significant(
            self.d * x + self.e * y + self.f
        )

    def from_pixel_centre(self) -> "Georeference":
        """Give the map for one that was told from the middle of the first pixel."""
        return replace(self, c=self.c - (self.a + self.b) / 2, f=self.f - (self.d + self.e) / 2)


PIXELS = Georeference()


def read_georeference(path: Path) -> Georeference:
    """Give the map of an image; `PIXELS` where nothing says where it lies, or it is stored turned."""
    tags = read_first_directory(path)
    if tags.get(_ORIENTATION, 1) != 1:
        return PIXELS
    return _from_tags(tags) or _from_world_file(path) or PIXELS


def _from_tags(tags: Mapping[int, Any]) -> Georeference | None:
    keys = _parse_geokeys(tags.get(_GEO_KEYS, ()))
    code = keys.get(_PROJECTED) or keys.get(_GEOGRAPHIC)
    epsg = code if code and code <= _MAX_EPSG else None
    found = _affine_from_tags(tags.get(_TRANSFORMATION, ()), tags.get(_TIEPOINT, ()), tags.get(_SCALE, ()))
    if not found:
        return None
    placed = replace(found, epsg=epsg)
    return placed.from_pixel_centre() if keys.get(_RASTER_TYPE) == _PIXEL_IS_POINT else placed


def _affine_from_tags(matrix: Sequence[float], tie: Sequence[float], scale: Sequence[float]) -> Georeference | None:
    if len(matrix) == 16:
        return Georeference(matrix[0], matrix[1], matrix[3], matrix[4], matrix[5], matrix[7])
    if len(tie) == 6 and len(scale) >= 2:  # more than one tie point is a warp, which no affine map tells
        return Georeference(scale[0], 0.0, tie[3] - tie[0] * scale[0], 0.0, -scale[1], tie[4] + tie[1] * scale[1])
    return None


def _parse_geokeys(directory: Sequence[int]) -> dict[int, int]:
    """Give the keys that hold a number themselves: behind a head of four, each is key, place, count, value."""
    entries = [directory[i : i + 4] for i in range(4, len(directory) - 3, 4)]
    return {key: value for key, place, _, value in entries if place == 0}


def _from_world_file(path: Path) -> Georeference | None:
    kind = path.suffix.removeprefix(".")
    names = [f".{kind[:1]}{kind[-1:]}w", f".{kind}w", ".wld"]
    there = next((file for name in names if (file := path.with_suffix(name)).is_file()), None)
    if not there:
        return None
    try:
        a, d, b, e, c, f = map(float, there.read_text(encoding="ascii").split())
    except ValueError:  # not six numbers: some other program's file
        return None
    return Georeference(a, b, c, d, e, f).from_pixel_centre()


def _round_significant(value: float) -> float:
    return float(f"{value:.12g}")
