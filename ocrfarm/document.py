"""Word, Line, Coverage, Page and Document: what OCR yields, and what it is asked."""

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Literal, NamedTuple

from ocrfarm.errors import MissingPackage
from ocrfarm.folding import finder
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.sketch import Mark, sketch

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("page", "line", "text", "confidence", "x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3", "model")
"""Of tables: pages and lines count from 1; the corners go clockwise from the start of the text."""


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters without a space (a single character in Han text), and its place."""

    text: str
    quad: Quad


class Span(NamedTuple):
    """A word of a line, its place, and which characters start <= i < end of the line's text it is."""

    text: str
    quad: Quad
    start: int
    end: int


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

    def spans(self) -> tuple[Span, ...]:
        """Give the words with their places in the text; where they do not make it up, it is cut at spaces."""
        if "".join(word.text for word in self.words) != "".join(self.text.split()):
            found = (match.span() for match in re.finditer(r"\S+", self.text))
            return tuple(Span(self.text[start:end], self._share(start, end), start, end) for start, end in found)
        at = [number for number, char in enumerate(self.text) if not char.isspace()]
        spans, count = [], 0
        for word in self.words:
            if word.text:
                begin, count = count, count + len(word.text)
                spans.append(Span(word.text, word.quad, at[begin], at[count - 1] + 1))
        return tuple(spans)

    def part(self, start: int, end: int) -> Quad:
        """Give the place of the characters start <= i < end, as the boxes of their words have it."""
        spans = [span for span in self.spans() if span.start < end and start < span.end]
        if not spans:
            return self._share(start, end)
        first, *_ = quads = [_cut(span, start, end=end) for span in spans]
        return Quad(first.p0, quads[-1].p1, quads[-1].p2, first.p3)

    def _share(self, start: int, end: int) -> Quad:
        length = max(len(self.text), 1)
        return self.quad.part(start / length, end / length)


def _cut(span: Span, start: int, *, end: int) -> Quad:
    """Give the part of a word's place that these characters of its line take."""
    length = span.end - span.start
    return span.quad.part((max(start, span.start) - span.start) / length, (min(end, span.end) - span.start) / length)


@dataclass(frozen=True, slots=True)
class Hit:
    """What a search found: page (0 = first), line, which characters start <= i < end of its text, and their place."""

    page: int
    line: Line
    start: int
    end: int
    quad: Quad

    @property
    def text(self) -> str:
        """What was found, as it was read."""
        return self.line.text[self.start : self.end]


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

    def lines_in(self, box: Box) -> tuple[Line, ...]:
        """Give the lines whose middle lies in the box."""
        return tuple(line for line in self.lines if _is_in(line.quad.centre, box))


def _is_in(point: tuple[float, float], box: Box) -> bool:
    x, y = point
    return box.x0 <= x < box.x1 and box.y0 <= y < box.y1


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

    def search(self, what: str | re.Pattern[str]) -> tuple[Hit, ...]:
        """Find a text, whatever its capitals, widths and spaces (NFKC), or what a regular expression matches.

        Hits stand within one line each, in reading order. A regular expression, as `re.compile` gives it, sees each
        line's text in NFKC.
        """
        find = finder(what)
        return tuple(
            Hit(number, line, start, end, line.part(start, end))
            for number, page in enumerate(self.pages)
            for line in page.lines
            for start, end in find(line.text)
        )

    def lines_in(self, box: Box, page: int = 0) -> tuple[Line, ...]:
        """Give the lines of a page (0 = first) whose middle lies in the box; IndexError where there is no such page."""
        return self.pages[page].lines_in(box)

    def rows(self, first: int = 0) -> Iterator[tuple[object, ...]]:
        """Give a row a line, as `COLUMNS` names them: tenths of a pixel; `first` is the number of the first page."""
        for number, page in zip(self.numbers, self.pages, strict=True):
            for order, line in enumerate(page.lines, 1):
                corners = [round(value, 1) for point in line.quad.points for value in point]
                yield 1 + first + number, order, line.text, round(line.confidence, 4), *corners, line.model

    def to_dataframe(self) -> "DataFrame":
        """Give a row a line, as `rows` does; `MissingPackage` without pandas (`ocrfarm[pandas]`)."""
        pandas = _needed("pandas", "pip install 'ocrfarm[pandas]'")
        frame: DataFrame = pandas.DataFrame.from_records(list(self.rows()), columns=COLUMNS)
        return frame

    def show(self, page: int = 0, picture: bytes = b"") -> None:
        """Show a page (0 = first) in a notebook, over its picture where one is given, as by `Job.overview(page)`.

        IndexError where there is no such page; `MissingPackage` where there is no notebook.
        """
        display = _needed("IPython.display", "call show() in a notebook")
        display.display(display.HTML(_sketched(self, page, picture)))

    def _repr_html_(self) -> str:
        return _sketched(self, 0) if self.pages else "<p>no page</p>"


def _sketched(document: Document, number: int, picture: bytes = b"") -> str:
    page = document.pages[number]
    marks = [Mark(line.quad, line.text, line.confidence) for line in page.lines]
    state = "complete" if page.coverage.complete else f"partial: {page.coverage.area:.2%} was read"
    size = f"{page.size.width} x {page.size.height} pixels"
    caption = f"page {number + 1} of {len(document.pages)}, {size}, {len(marks):,} lines, {state}"
    return sketch(page.size, marks, caption=caption, picture=picture)


def _needed(name: str, advice: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPackage(f"{name.partition('.')[0]} is not installed; {advice}") from error
