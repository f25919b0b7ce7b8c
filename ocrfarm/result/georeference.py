"""The position of an image on the map, from the tags of a GeoTIFF or from a world file beside it.

The tags are those of OGC GeoTIFF 1.1. A world file holds six numbers, a, d, b, e, c and f, for the centre of the
first pixel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocrfarm.result.tiff import read_first_directory

_SCALE, _TIEPOINT, _TRANSFORMATION, _GEO_KEYS, _ORIENTATION = 33550, 33922, 34264, 34735, 274
"""ModelPixelScale, ModelTiepoint, ModelTransformation, GeoKeyDirectory, Orientation."""

_RASTER_TYPE, _PROJECTED, _GEOGRAPHIC = 1025, 3072, 2048
"""GeoKeys: raster type (a pixel is an area or a point), and the EPSG code of the coordinate system."""

_PIXEL_IS_POINT = 2
_MAX_EPSG = 32766
"""Larger codes are user-defined and not EPSG codes."""


@dataclass(frozen=True, slots=True)
class Georeference:
    """An affine map from pixels to coordinates of the world: X = a x + b y + c, Y = d x + e y + f.

    The origin of the pixels is the outer corner of the first one.

    Attributes:
        a: World units in X for a pixel to the right.
        b: World units in X for a pixel down.
        c: X of the origin.
        d: World units in Y for a pixel to the right.
        e: World units in Y for a pixel down; negative if north is up.
        f: Y of the origin.
        epsg: EPSG code of the coordinate system, if it is known.

    Examples:
        >>> Georeference(a=0.5, c=600_000, e=-0.5, f=5_900_000, epsg=25832).to_world((100, 40))
        (600050.0, 5899980.0)
    """

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 1.0
    f: float = 0.0
    epsg: int | None = None

    def to_world(self, point: tuple[float, float]) -> tuple[float, float]:
        """Return the world coordinates of a point (x, y) in page pixels, rounded to twelve digits."""
        x, y = point
        return _round_significant(self.a * x + self.b * y + self.c), _round_significant(
            self.d * x + self.e * y + self.f
        )

    def from_pixel_centre(self) -> "Georeference":
        """Return the map for the corner of the first pixel, given one for its centre.

        Examples:
            >>> Georeference(a=2.0, c=10.0, e=-2.0, f=50.0).from_pixel_centre().to_world((0, 0))
            (9.0, 51.0)
        """
        return replace(self, c=self.c - (self.a + self.b) / 2, f=self.f - (self.d + self.e) / 2)


PIXELS = Georeference()


def read_georeference(path: Path) -> Georeference:
    """Return the map of an image, or `PIXELS` if its position is unknown or the image is stored rotated."""
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
    if len(tie) == 6 and len(scale) >= 2:  # several tie points describe a warp, which is not affine
        return Georeference(scale[0], 0.0, tie[3] - tie[0] * scale[0], 0.0, -scale[1], tie[4] + tie[1] * scale[1])
    return None


def _parse_geokeys(directory: Sequence[int]) -> dict[int, int]:
    """Return the keys whose value is a number: after a header of four numbers, an entry is (key, place, count, value).

    Examples:
        >>> _parse_geokeys([1, 1, 0, 2, 1025, 0, 1, 1, 3072, 0, 1, 25832])
        {1025: 1, 3072: 25832}
    """
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
