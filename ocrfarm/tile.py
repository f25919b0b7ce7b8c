"""Tile, Fragment and TileResult: the values that the stages split, recognize and stitch exchange."""

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal, NamedTuple, overload

from ocrfarm.geometry import Box, Quad, Size

DETECTOR_STRIDE = 32
"""Pixels. The detector is shift-invariant only for shifts by its stride of 32, and it resamples any array whose sides
are not multiples of 32."""

SECOND_PASS_QUADKEY = "x"
"""The quadkey of the tiles of the second pass; these are numbered by column."""

CLEARANCE_PIXELS, CLEARANCE_HEIGHTS = 16.0, 1.0
"""Distance of a line from a border that certainly does not cut it, in pixels and in line heights; the larger of the two
counts."""

MIN_CROSSING_SINE = 0.342
"""Sine of 20 degrees: a border at a steeper angle to the reading direction cuts the ends of lines, any other border
cuts them lengthwise."""

_NAME = re.compile(r"p(\d+)-l(\d+)-r(\d+)-c(\d+)(?:-q([0-3]+|x))?")


@dataclass(frozen=True, slots=True, order=True)
class TileId:
    """Identity of a tile; `str` turns it into a name that is used in object keys, and `parse` reads that name.

    Attributes:
        page_index: Index of the page (0 = first).
        level: Level of the pyramid; 0 = native pixels, 1 = half size, ...
        row: Row in the grid of the level.
        col: Column in the grid of the level.
        quadkey: Empty for a whole tile. A tile that is read again in quarters has the quadkeys "0" (top left), "1",
            "2" and "3" (bottom right); a quarter of a quarter has two digits. `SECOND_PASS_QUADKEY` marks the tiles
            that are cut for the second pass.

    Examples:
        >>> str(TileId(page_index=0, level=1, row=2, col=3))
        'p0000-l1-r0002-c0003'
        >>> TileId.parse("p0000-l1-r0002-c0003-q30").quadkey
        '30'
    """

    page_index: int
    level: int
    row: int
    col: int
    quadkey: str = ""

    def __str__(self) -> str:
        name = f"p{self.page_index:04d}-l{self.level}-r{self.row:04d}-c{self.col:04d}"
        return f"{name}-q{self.quadkey}" if self.quadkey else name

    @classmethod
    def parse(cls, name: str) -> "TileId":
        """Parse the name that `str` returns; raise ValueError for any other text."""
        if not (match := _NAME.fullmatch(name)):
            raise ValueError(f"{name!r} is not a tile name")
        page_index, level, row, col = (int(digits) for digits in match.groups()[:4])
        return cls(page_index, level, row, col, match.group(5) or "")


class Sides(NamedTuple):
    """One boolean for each side of a tile."""

    left: bool
    top: bool
    right: bool
    bottom: bool


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A rectangle of a page, including its overlap with the neighbouring tiles.

        +-----------+- - +-----------+
        |  core     |  : |           |      `core` ends half way through each overlap,
        |           |  : |           |      so the cores of a grid partition the page.
        +-----------+- - +-----------+

    Attributes:
        id: Identity of the tile.
        box: The rectangle, in page pixels at every level.
        page_size: Size of the page, in page pixels.
        core: The part of the box that is nearer to its own centre than to a neighbour's. A line whose centre lies in
            a neighbour's core is read there. None: everything in the tile is read.
    """

    id: TileId
    box: Box
    page_size: Size = field(compare=False)
    core: Box | None = field(default=None, compare=False)

    @property
    def inner_edges(self) -> Sides:
        """Which sides of the tile lie inside the page, where they may cut text; the page's own edges do not."""
        box, page = self.box, self.page_size
        return Sides(box.x0 > 0, box.y0 > 0, box.x1 < page.width, box.y1 < page.height)

    def belongs_to_neighbour(self, line: Quad) -> bool:
        """Return whether a neighbour reads the line: its centre lies in the core of a neighbour that shows all of it.

        A line that this tile's border cuts lengthwise is left to the neighbour as well. A line whose end is cut is read
        by both tiles, so that the two parts can be joined.
        """
        if self.core is None:
            return False
        margin = max(CLEARANCE_PIXELS, CLEARANCE_HEIGHTS * line.height)
        owners = []
        for axis, (low, high) in enumerate(((self.box.x0, self.box.x1), (self.box.y0, self.box.y1))):
            corners = [point[axis] for point in line.points]
            core = (self.core.x0, self.core.x1) if axis == 0 else (self.core.y0, self.core.y1)
            crossing = abs(corners[1] - corners[0]) >= MIN_CROSSING_SINE * line.length
            owners.append(_find_owner(corners, (low, high), core=core, margin=margin, crossing=crossing))
        return _Owner.AMBIGUOUS not in owners and _Owner.NEIGHBOUR in owners


class _Owner(Enum):
    """The tile that reads a line, as far as one axis tells."""

    THIS_TILE = auto()
    NEIGHBOUR = auto()
    AMBIGUOUS = auto()  # the centre is in a neighbour's core, but the neighbour may not show all of the line


def _find_owner(
    corners: list[float], span: tuple[int, int], *, core: tuple[int, int], margin: float, crossing: bool
) -> _Owner:
    """Return the tile that reads a line, as far as one axis tells.

    A core ends in the middle of an overlap, so the neighbour's border mirrors this tile's border at the core's end.
    """
    (low, high), (core_start, core_end), centre = span, core, sum(corners) / len(corners)
    if core_end < high and centre >= core_end:
        neighbour_start, is_cut = 2 * core_end - high, crossing and max(corners) > high - margin
        return _Owner.NEIGHBOUR if min(corners) >= neighbour_start + margin and not is_cut else _Owner.AMBIGUOUS
    if core_start > low and centre < core_start:
        neighbour_end, is_cut = 2 * core_start - low, crossing and min(corners) < low + margin
        return _Owner.NEIGHBOUR if max(corners) <= neighbour_end - margin and not is_cut else _Owner.AMBIGUOUS
    return _Owner.THIS_TILE


class Char(NamedTuple):
    """One character of a fragment.

    Attributes:
        text: The character; some alphabets have classes of several code points.
        position: Where its centre lies along the quad; 0 = start, 1 = end.
        confidence: 0 to 1.
    """

    text: str
    position: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Fragment:
    """A line as one tile shows it, possibly truncated at the tile's sides.

    Attributes:
        quad: Place of the line, in page pixels; it may reach beyond the tile.
        chars: The characters in reading order.
        confidence: Mean confidence of the characters, 0 to 1.
        detection: The detector's score, 0 to 1.

    Examples:
        >>> chars = (Char("O", 0.25, 0.9), Char("K", 0.75, 0.8))
        >>> Fragment(Quad.from_bounds(0, 0, 40, 20), chars, confidence=0.85).text
        'OK'
    """

    quad: Quad
    chars: tuple[Char, ...]
    confidence: float
    detection: float = 1.0

    @property
    def text(self) -> str:
        """The characters as one string."""
        return "".join(char.text for char in self.chars)


_FIXED_VALUES = 10
"""Numbers stored for each fragment besides those of its characters: eight coordinates and two scores."""


class Fragments(Sequence[Fragment]):
    """The fragments of a tile result, stored in columns; a `Fragment` is created when its index is read.

    Columns take a third of the memory of separate objects. A page of 32,768 x 32,768 pixels has 35,000 fragments, all
    of which a stitcher holds at once.
    """

    __slots__ = ("_chars", "_ends", "_numbers")

    def __init__(self, rows: Iterable[tuple[Sequence[str], Iterable[float]]]) -> None:
        """Create the columns from rows of (characters, numbers).

        The numbers of a row are x and y of each corner, confidence, detection, then the position of each character,
        then the confidence of each character.
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
    """Everything that the recognizer found on one tile, or on one part of it.

    Attributes:
        tile: The tile, or the part of it.
        fragments: The lines that were read, in page pixels.
        model: Official name of the recognizer.
        seconds: Time spent in the engine.
        overlong_lines: Number of lines longer than the recognizer's widest input.
        detector_overflow: Whether the detector still reached its contour limit, so that text may be missing.
        scale: Detector pixels per page pixel.
        retries: How often the tile was started before this result.
        deferred_lines: Lines that were detected but left to a neighbour, in page pixels.
        input_columns: Total width of the recognizer's inputs, in pixels.
        padding_columns: How many of these columns were padding.
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
"""Why a region is read again: a joined line whose seams are inconclusive, a line that ends although its letters go on,
a line that a tile left to a neighbour which did not find it, or lines of low confidence."""


@dataclass(frozen=True, slots=True)
class SecondPassRegion:
    """A region that is read a second time, cut from the tiles of the first pass that show it.

    Attributes:
        tile: The region as a tile of its own.
        lines: Quads in page pixels. "open_end": the detector searches the whole tile, and text that continues one of
            these lines is kept. Any other kind: the lines are recognized at these quads, without detection; only
            "low_confidence" regions have more than one.
        kind: Why the region is read again.
    """

    tile: Tile
    lines: tuple[Quad, ...]
    kind: SecondPassKind
