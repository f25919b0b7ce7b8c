"""Word, Line, Coverage, Page and Document: what OCR yields."""

from dataclasses import dataclass, field
from typing import Literal

from ocrfarm.geometry import Box, Quad, Size


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters without a space (a single character in Han text), and its place."""

    text: str
    quad: Quad


Look = Literal["", "confirmed", "corrected", "uncertain"]
"""What came of reading a line again as a whole: the same letters, better ones, or other ones that were not taken."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text: quad in page pixels, confidence 0..1, its words, which recognizer read it, its second look."""

    text: str
    quad: Quad
    confidence: float
    words: tuple[Word, ...] = ()
    model: str = ""
    look: Look = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of the page that was not read (in page pixels), and why."""

    box: Box
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of a page was really read.

    `area` is the share (0..1) of the page's pixels that were read or found blank; `scale` is the detector's pixels per
    page pixel, and `scales` says which share of the page it saw at which scale: small print enlarged, large letters
    shrunk; `squeezed` counts lines longer than the recognizer's widest input; `saturated` counts tiles that held more
    contours than the detector lists even after they were cut in four; `tiling` says how the page was cut and why;
    `looks` counts the places that were read a second time, `retries` how often a tile had to be begun anew. `left_out`
    is what nobody wanted read: it is no gap, and no part of `area`.
    """

    tiles: int
    blank: int = 0
    read: int = 0
    area: float = 1.0
    scale: float = 1.0
    squeezed: int = 0
    saturated: int = 0
    gaps: tuple[Gap, ...] = ()
    tiling: str = ""
    looks: int = 0
    scales: tuple[tuple[float, float], ...] = ()
    retries: int = 0
    left_out: tuple[Box, ...] = ()

    @property
    def failed(self) -> int:
        """Tiles that were neither read nor blank."""
        return self.tiles - self.blank - self.read

    @property
    def complete(self) -> bool:
        """Whether nothing is known to be missing."""
        return not self.gaps and not self.saturated


@dataclass(frozen=True, slots=True)
class Leaf:
    """Where a page comes from.

    `number` (0 = first) is given where not all pages of the source were read. Of a page of a PDF, `dpi` says how many
    pixels an inch it was drawn with, and `has_text` that it brought text of its own, seen or hidden.
    """

    number: int | None = None
    dpi: float = 0.0
    has_text: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One raster of the source with its lines in reading order."""

    size: Size
    lines: tuple[Line, ...]
    coverage: Coverage
    leaf: Leaf = field(default_factory=Leaf)


@dataclass(frozen=True, slots=True)
class Document:
    """Every page of one source; `timing` holds seconds by name (`wall`, `split`, `engine`, `stitch`)."""

    pages: tuple[Page, ...]
    timing: dict[str, float] = field(default_factory=dict)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all pages in order."""
        return tuple(line for page in self.pages for line in page.lines)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The number of each page in the source, 0 = first."""
        return tuple(place if page.leaf.number is None else page.leaf.number for place, page in enumerate(self.pages))

    @property
    def text(self) -> str:
        """All lines in reading order, one a row, an empty row between pages."""
        return "\n\n".join("\n".join(line.text for line in page.lines) for page in self.pages)

    @property
    def complete(self) -> bool:
        """Whether every page is complete; otherwise the document is partial and the coverage says where."""
        return all(page.coverage.complete for page in self.pages)
