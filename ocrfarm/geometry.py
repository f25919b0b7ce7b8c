"""Size, Box and Quad, in pixels; origin top left, x to the right, y down."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import total_ordering
from typing import Self

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of a raster, in pixels."""

    width: int
    height: int

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * self.height


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A half-open rectangle of whole pixels: x0 <= x < x1, y0 <= y < y1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.y1 - self.y0

    @property
    def area(self) -> int:
        """Pixels inside."""
        return self.width * self.height

    def shift(self, dx: int, dy: int) -> "Box":
        """Give the same box dx pixels further right and dy further down."""
        return Box(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)

    def intersection(self, other: "Box") -> "Box | None":
        """Give the pixels in both, or None where there are none."""
        box = Box(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))
        return box if box.x0 < box.x1 and box.y0 < box.y1 else None

    def contains(self, other: "Box") -> bool:
        """Say whether every pixel of the other box is in this one."""
        return self.x0 <= other.x0 and self.y0 <= other.y0 and other.x1 <= self.x1 and other.y1 <= self.y1


_POINT, _POINTS = struct.Struct("2d"), struct.Struct("8d")


class _Corner:
    """A corner of a quad, by its number."""

    def __init__(self, number: int) -> None:
        self._offset = number * _POINT.size

    def __get__(self, quad: "Quad", _: type) -> Point:
        x, y = _POINT.unpack_from(quad._packed, self._offset)
        return x, y


@total_ordering
class Quad:
    """Four corners, clockwise from the start of the text: start-top, end-top, end-bottom, start-bottom.

    Corners `p0` to `p3` are (x, y) floats; "top" is the top of the letters, so the edge from p0 to p1 runs in reading
    direction at any angle. They are kept packed, in a third of the memory: a large page has a quad for each word.
    """

    __slots__ = ("_packed",)

    p0, p1, p2, p3 = map(_Corner, range(4))

    def __init__(self, p0: Point, p1: Point, p2: Point, p3: Point) -> None:
        """Take the corners in order."""
        self._packed = _POINTS.pack(*p0, *p1, *p2, *p3)

    def __repr__(self) -> str:
        return f"Quad{self.points}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quad) and self.points == other.points

    def __lt__(self, other: "Quad") -> bool:
        return self.points < other.points

    def __hash__(self) -> int:
        return hash(self.points)

    @classmethod
    def from_points(cls, points: Sequence[Sequence[float]]) -> Self:
        """Make a quad from four (x, y) pairs."""
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
        return cls((float(x0), float(y0)), (float(x1), float(y1)), (float(x2), float(y2)), (float(x3), float(y3)))

    @classmethod
    def from_bounds(cls, x0: float, y0: float, x1: float, y1: float) -> Self:
        """Make the quad of a horizontal line of text."""
        return cls((x0, y0), (x1, y0), (x1, y1), (x0, y1))

    @property
    def points(self) -> tuple[Point, ...]:
        """The four corners in order."""
        return tuple(_POINT.iter_unpack(self._packed))

    @property
    def length(self) -> float:
        """Mean extent in reading direction, pixels."""
        p0, p1, p2, p3 = self.points
        return (math.dist(p0, p1) + math.dist(p3, p2)) / 2

    @property
    def height(self) -> float:
        """Mean extent across the reading direction, pixels: the height of the line."""
        p0, p1, p2, p3 = self.points
        return (math.dist(p0, p3) + math.dist(p1, p2)) / 2

    @property
    def centre(self) -> Point:
        """Mean of the corners."""
        xs, ys = zip(*self.points, strict=True)
        return sum(xs) / 4, sum(ys) / 4

    def transform(self, dx: float, dy: float, scale: float = 1.0) -> "Quad":
        """Multiply every corner by `scale`, then add (dx, dy) pixels."""
        return Quad.from_points([(x * scale + dx, y * scale + dy) for x, y in self.points])

    def segment(self, start: float, end: float) -> "Quad":
        """Give the piece between two positions (0 = start of the text, 1 = its end) along the reading direction."""
        p0, p1, p2, p3 = self.points
        return Quad(
            _interpolate(p0, p1, start),
            _interpolate(p0, p1, end),
            _interpolate(p3, p2, end),
            _interpolate(p3, p2, start),
        )

    def rotate_180(self) -> "Quad":
        """Give the same four corners for text that runs the other way (turned by 180 degrees)."""
        return Quad(self.p2, self.p3, self.p0, self.p1)

    def bounds(self) -> Box:
        """Give the smallest box of whole pixels around it."""
        xs, ys = zip(*self.points, strict=True)
        return Box(math.floor(min(xs)), math.floor(min(ys)), math.ceil(max(xs)), math.ceil(max(ys)))


def _interpolate(a: Point, b: Point, at: float) -> Point:
    return (a[0] + (b[0] - a[0]) * at, a[1] + (b[1] - a[1]) * at)
