"""Word, Line, Coverage, Page and Document: what OCR yields, and what it is asked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from ocrfarm.errors import MissingPackage
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.notebook import Mark, render_html
from ocrfarm.text_search import compile_search

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("page", "line", "text", "confidence", "x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3", "model")
"""Of tables: pages and lines count from 1; the corners go clockwise from the start of the text."""


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters without a space (a single character in Han text), and its place."""

    text: str
    quad: Quad


class WordSpan(NamedTuple):
    """A word of a line, its place, and which characters start <= i < end of the line's text it is."""

    text: str
    quad: Quad
    start: int
    end: int


SecondPassOutcome = Literal["", "confirmed", "corrected", "uncertain"]
"""What came of reading a line again as a whole: the same letters, better ones, or other ones that were not taken."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text: quad in page pixels, confidence 0..1, its words, which recognizer read it, its second pass."""

    text: str
    quad: Quad
    confidence: float
    words: tuple[Word, ...] = ()
    model: str = ""
    second_pass: SecondPassOutcome = ""

    def word_spans(self) -> tuple[WordSpan, ...]:
        """Give the words with their places in the text; where they do not make it up, it is cut at spaces."""
        if "".join(word.text for word in self.words) != "".join(self.text.split()):
            found = (match.span() for match in re.finditer(r"\S+", self.text))
            return tuple(
                WordSpan(self.text[start:end], self._proportional_quad(start, end), start, end) for start, end in found
            )
        at = [number for number, char in enumerate(self.text) if not char.isspace()]
        spans, count = [], 0
        for word in self.words:
            if word.text:
                begin, count = count, count + len(word.text)
                spans.append(WordSpan(word.text, word.quad, at[begin], at[count - 1] + 1))
        return tuple(spans)

    def locate(self, start: int, end: int) -> Quad:
        """Give the place of the characters start <= i < end, as the boxes of their words have it."""
        spans = [span for span in self.word_spans() if span.start < end and start < span.end]
        if not spans:
            return self._proportional_quad(start, end)
        first, *_ = quads = [_quad_of_span(span, start, end=end) for span in spans]
        return Quad(first.p0, quads[-1].p1, quads[-1].p2, first.p3)

    def _proportional_quad(self, start: int, end: int) -> Quad:
        length = max(len(self.text), 1)
        return self.quad.segment(start / length, end / length)


def _quad_of_span(span: WordSpan, start: int, *, end: int) -> Quad:
    """Give the part of a word's place that these characters of its line take."""
    length = span.end - span.start
    return span.quad.segment((max(start, span.start) - span.start) / length, (min(end, span.end) - span.start) / length)


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

    `fraction_read` is the share (0..1) of the page's pixels that were read or found blank; `scale` is the detector's
    pixels per page pixel, and `scales` says which share of the page it saw at which scale: small text enlarged, large
    letters shrunk; `overlong_lines` counts lines longer than the recognizer's widest input; `overflowed_tiles` counts
    tiles that held more contours than the detector lists even after they were cut in four; `tiling` says how the page
    was cut and why; `second_pass_count` counts the regions that were read a second time, `retries` how often a tile had
    to be started again. `excluded` is what nobody wanted read: it is no gap, and no part of `fraction_read`.
    """

    tiles: int
    blank: int = 0
    read: int = 0
    fraction_read: float = 1.0
    scale: float = 1.0
    overlong_lines: int = 0
    overflowed_tiles: int = 0
    gaps: tuple[Gap, ...] = ()
    tiling: str = ""
    second_pass_count: int = 0
    scales: tuple[tuple[float, float], ...] = ()
    retries: int = 0
    excluded: tuple[Box, ...] = ()

    @property
    def failed(self) -> int:
        """Tiles that were neither read nor blank."""
        return self.tiles - self.blank - self.read

    @property
    def is_complete(self) -> bool:
        """Whether nothing is known to be missing."""
        return not self.gaps and not self.overflowed_tiles


@dataclass(frozen=True, slots=True)
class PageSource:
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
    source: PageSource = field(default_factory=PageSource)

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
    def page_numbers(self) -> tuple[int, ...]:
        """The number of each page in the source, 0 = first."""
        return tuple(
            place if page.source.number is None else page.source.number for place, page in enumerate(self.pages)
        )

    @property
    def text(self) -> str:
        """All lines in reading order, one a row, an empty row between pages."""
        return "\n\n".join("\n".join(line.text for line in page.lines) for page in self.pages)

    @property
    def is_complete(self) -> bool:
        """Whether every page is complete; otherwise the document is partial and the coverage says where."""
        return all(page.coverage.is_complete for page in self.pages)

    def search(self, query: str | re.Pattern[str]) -> tuple[Hit, ...]:
        """Find a text, whatever its capitals, widths and spaces (NFKC), or what a regular expression matches.

        Hits stand within one line each, in reading order. A regular expression, as `re.compile` gives it, sees each
        line's text in NFKC.
        """
        find = compile_search(query)
        return tuple(
            Hit(number, line, start, end, line.locate(start, end))
            for number, page in enumerate(self.pages)
            for line in page.lines
            for start, end in find(line.text)
        )

    def lines_in(self, box: Box, page: int = 0) -> tuple[Line, ...]:
        """Give the lines of a page (0 = first) whose middle lies in the box; IndexError where there is no such page."""
        return self.pages[page].lines_in(box)

    def rows(self, first: int = 0) -> Iterator[tuple[object, ...]]:
        """Give a row a line, as `COLUMNS` names them: tenths of a pixel; `first` is the number of the first page."""
        for number, page in zip(self.page_numbers, self.pages, strict=True):
            for order, line in enumerate(page.lines, 1):
                corners = [round(value, 1) for point in line.quad.points for value in point]
                yield 1 + first + number, order, line.text, round(line.confidence, 4), *corners, line.model

    def to_dataframe(self) -> "DataFrame":
        """Give a row a line, as `rows` does; `MissingPackage` without pandas (`ocrfarm[pandas]`)."""
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise MissingPackage("pandas is not installed; pip install 'ocrfarm[pandas]'") from error
        frame: DataFrame = DataFrame.from_records(list(self.rows()), columns=COLUMNS)
        return frame

    def show(self, page: int = 0, image: bytes = b"") -> None:
        """Show a page (0 = first) in a notebook, over its image where one is given, as by `Job.overview(page)`.

        IndexError where there is no such page; `MissingPackage` where there is no notebook.
        """
        try:
            from IPython.display import HTML, display
        except ImportError as error:
            raise MissingPackage("IPython is not installed; call show() in a notebook") from error
        display(HTML(_render_page(self, page, image)))

    def _repr_html_(self) -> str:
        return _render_page(self, 0) if self.pages else "<p>no page</p>"


def _render_page(document: Document, number: int, image: bytes = b"") -> str:
    page = document.pages[number]
    marks = [Mark(line.quad, line.text, line.confidence) for line in page.lines]
    state = "complete" if page.coverage.is_complete else f"partial: {page.coverage.fraction_read:.2%} was read"
    size = f"{page.size.width} x {page.size.height} pixels"
    caption = f"page {number + 1} of {len(document.pages)}, {size}, {len(marks):,} lines, {state}"
    return render_html(page.size, marks, caption=caption, image=image)
