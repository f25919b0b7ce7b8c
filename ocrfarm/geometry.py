"""Size, Box and Quad: the geometry of a page, in pixels.

The origin is the page's top left corner; x grows to the right and y grows downwards. Boxes are half-open and made of
whole numbers, quads are made of floats.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import total_ordering
from typing import Self

Point = tuple[float, float]
"""x and y, in pixels."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of a raster.

    Attributes:
        width: Pixels from left to right.
        height: Pixels from top to bottom.

    Examples:
        >>> Size(800, 600).area
        480000
    """

    width: int
    height: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A half-open rectangle of whole pixels: x0 <= x < x1, y0 <= y < y1.

    Attributes:
        x0: Left edge, inside the box.
        y0: Top edge, inside the box.
        x1: Right edge, outside the box.
        y1: Bottom edge, outside the box.

    Examples:
        >>> box = Box(10, 20, 110, 50)
        >>> box.width, box.height, box.area
        (100, 30, 3000)
    """

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
        """Number of pixels inside the box."""
        return self.width * self.height

    def shift(self, dx: int, dy: int) -> "Box":
        """Return this box, moved.

        Args:
            dx: Pixels to the right; negative to the left.
            dy: Pixels down; negative up.

        Examples:
            >>> Box(0, 0, 10, 10).shift(5, -2)
            Box(x0=5, y0=-2, x1=15, y1=8)
        """
        return Box(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)

    def intersection(self, other: "Box") -> "Box | None":
        """Return the box of the pixels that both boxes share, or None if they share none.

        Examples:
            >>> Box(0, 0, 10, 10).intersection(Box(5, 5, 20, 20))
            Box(x0=5, y0=5, x1=10, y1=10)
            >>> Box(0, 0, 10, 10).intersection(Box(10, 0, 20, 10)) is None
            True
        """
        box = Box(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))
        return box if box.x0 < box.x1 and box.y0 < box.y1 else None

    def contains(self, other: "Box") -> bool:
        """Return whether every pixel of the other box lies in this one.

        Examples:
            >>> Box(0, 0, 10, 10).contains(Box(5, 5, 10, 10))
            True
        """
        return self.x0 <= other.x0 and self.y0 <= other.y0 and other.x1 <= self.x1 and other.y1 <= self.y1


_POINT, _POINTS = struct.Struct("2d"), struct.Struct("8d")


class _Corner:
    """Descriptor that unpacks one corner of a quad."""

    def __init__(self, number: int) -> None:
        self._offset = number * _POINT.size

    def __get__(self, quad: "Quad", _: type) -> Point:
        x, y = _POINT.unpack_from(quad._packed, self._offset)
        return x, y


@total_ordering
class Quad:
    """Four corners of a piece of text, clockwise from the start of the text.

        p0 start-top ------- p1 end-top
           |   reading direction ->  |
        p3 start-bottom ---- p2 end-bottom

    "Top" is the top of the letters, so the edge from p0 to p1 runs in reading direction at any angle. The corners are
    stored packed, which takes a third of the memory of tuples: a large page has a quad for each word.

    Attributes:
        p0: Start-top corner, (x, y) in pixels.
        p1: End-top corner.
        p2: End-bottom corner.
        p3: Start-bottom corner.

    Examples:
        >>> quad = Quad.from_bounds(10, 20, 110, 50)
        >>> quad.length, quad.height, quad.centre
        (100.0, 30.0, (60.0, 35.0))
    """

    __slots__ = ("_packed",)

    p0, p1, p2, p3 = map(_Corner, range(4))

    def __init__(self, p0: Point, p1: Point, p2: Point, p3: Point) -> None:
        """Create a quad from its corners.

        Args:
            p0: Start-top corner, (x, y) in pixels.
            p1: End-top corner.
            p2: End-bottom corner.
            p3: Start-bottom corner.
        """
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
        """Create a quad from four (x, y) pairs, such as a list read from JSON.

        Examples:
            >>> Quad.from_points([[0, 0], [9, 0], [9, 4], [0, 4]]).p2
            (9.0, 4.0)
        """
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
        return cls((float(x0), float(y0)), (float(x1), float(y1)), (float(x2), float(y2)), (float(x3), float(y3)))

    @classmethod
    def from_bounds(cls, x0: float, y0: float, x1: float, y1: float) -> Self:
        """Create the quad of a horizontal line of text.

        Args:
            x0: Left edge, in pixels.
            y0: Top edge.
            x1: Right edge.
            y1: Bottom edge.
        """
        return cls((x0, y0), (x1, y0), (x1, y1), (x0, y1))

    @property
    def points(self) -> tuple[Point, ...]:
        """The four corners, p0 to p3."""
        return tuple(_POINT.iter_unpack(self._packed))

    @property
    def length(self) -> float:
        """Mean extent in reading direction, in pixels."""
        p0, p1, p2, p3 = self.points
        return (math.dist(p0, p1) + math.dist(p3, p2)) / 2

    @property
    def height(self) -> float:
        """Mean extent across the reading direction, in pixels: the height of the line."""
        p0, p1, p2, p3 = self.points
        return (math.dist(p0, p3) + math.dist(p1, p2)) / 2

    @property
    def centre(self) -> Point:
        """Mean of the four corners."""
        xs, ys = zip(*self.points, strict=True)
        return sum(xs) / 4, sum(ys) / 4

    def transform(self, dx: float, dy: float, scale: float = 1.0) -> "Quad":
        """Return this quad, scaled about the origin and then moved.

        Args:
            dx: Pixels to the right, added after scaling.
            dy: Pixels down, added after scaling.
            scale: Factor of every coordinate.

        Examples:
            >>> Quad.from_bounds(0, 0, 10, 5).transform(100, 200, scale=2).bounds()
            Box(x0=100, y0=200, x1=120, y1=210)
        """
        return Quad.from_points([(x * scale + dx, y * scale + dy) for x, y in self.points])

    def segment(self, start: float, end: float) -> "Quad":
        """Return the part of this quad between two positions along the reading direction.

        Args:
            start: Where the part begins; 0 is the start of the text and 1 its end.
            end: Where the part ends, on the same scale.

        Examples:
            >>> Quad.from_bounds(0, 0, 100, 20).segment(0.25, 0.5).bounds()
            Box(x0=25, y0=0, x1=50, y1=20)
        """
        p0, p1, p2, p3 = self.points
        return Quad(
            _interpolate(p0, p1, start),
            _interpolate(p0, p1, end),
            _interpolate(p3, p2, end),
            _interpolate(p3, p2, start),
        )

    def rotate_180(self) -> "Quad":
        """Return the same four corners for text that runs the other way (rotated by 180 degrees)."""
        return Quad(self.p2, self.p3, self.p0, self.p1)

    def bounds(self) -> Box:
        """Return the smallest box of whole pixels that contains this quad.

        Examples:
            >>> Quad.from_bounds(0.5, 0.5, 9.2, 4).bounds()
            Box(x0=0, y0=0, x1=10, y1=4)
        """
        xs, ys = zip(*self.points, strict=True)
        return Box(math.floor(min(xs)), math.floor(min(ys)), math.ceil(max(xs)), math.ceil(max(ys)))


def _interpolate(a: Point, b: Point, at: float) -> Point:
    return (a[0] + (b[0] - a[0]) * at, a[1] + (b[1] - a[1]) * at)
