"""Document, Page, Line, Word and Coverage: the result of reading an image, and how to search it."""

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
"""Columns of the table of lines. Pages and lines count from 1; the corners go clockwise from the start of the text."""


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters without a space, or a single character in Han text.

    Attributes:
        text: The characters.
        quad: Place of the word, in page pixels.
    """

    text: str
    quad: Quad


class WordSpan(NamedTuple):
    """A word and its position in the text of its line.

    Attributes:
        text: The characters.
        quad: Place of the word, in page pixels.
        start: Index of its first character in the line's text.
        end: Index after its last character.
    """

    text: str
    quad: Quad
    start: int
    end: int


SecondPassOutcome = Literal["", "confirmed", "corrected", "uncertain"]
"""Result of reading a line a second time: the same text, a better text that replaced the first, or a different text
that was not accepted. Empty: the line was read once."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text.

    Attributes:
        text: The text of the line.
        quad: Place of the line, in page pixels.
        confidence: Mean confidence of its characters, 0 to 1.
        words: The words in reading order.
        model: Official name of the recognizer that read the line.
        second_pass: Result of reading the line a second time.

    Examples:
        >>> line = Line("Valve DN80", Quad.from_bounds(0, 0, 200, 30), confidence=0.97)
        >>> [span.text for span in line.word_spans()]
        ['Valve', 'DN80']
        >>> line.locate(6, 10).bounds()
        Box(x0=120, y0=0, x1=200, y1=30)
    """

    text: str
    quad: Quad
    confidence: float
    words: tuple[Word, ...] = ()
    model: str = ""
    second_pass: SecondPassOutcome = ""

    def word_spans(self) -> tuple[WordSpan, ...]:
        """Return the words with their positions in the text; if `words` does not match the text, split it at spaces."""
        if "".join(word.text for word in self.words) != "".join(self.text.split()):
            runs = (match.span() for match in re.finditer(r"\S+", self.text))
            return tuple(
                WordSpan(self.text[start:end], self._proportional_quad(start, end), start, end) for start, end in runs
            )
        indexes = [index for index, char in enumerate(self.text) if not char.isspace()]
        spans, count = [], 0
        for word in self.words:
            if word.text:
                first, count = count, count + len(word.text)
                spans.append(WordSpan(word.text, word.quad, indexes[first], indexes[count - 1] + 1))
        return tuple(spans)

    def locate(self, start: int, end: int) -> Quad:
        """Return the place of a part of the text, derived from the quads of its words.

        Args:
            start: Index of the first character.
            end: Index after the last character.

        Returns:
            The quad, in page pixels.
        """
        spans = [span for span in self.word_spans() if span.start < end and start < span.end]
        if not spans:
            return self._proportional_quad(start, end)
        first, *_ = quads = [_quad_of_span(span, start, end=end) for span in spans]
        return Quad(first.p0, quads[-1].p1, quads[-1].p2, first.p3)

    def _proportional_quad(self, start: int, end: int) -> Quad:
        length = max(len(self.text), 1)
        return self.quad.segment(start / length, end / length)


def _quad_of_span(span: WordSpan, start: int, *, end: int) -> Quad:
    """Return the part of a word's quad that holds the characters start <= i < end of its line."""
    length = span.end - span.start
    return span.quad.segment((max(start, span.start) - span.start) / length, (min(end, span.end) - span.start) / length)


@dataclass(frozen=True, slots=True)
class Hit:
    """One match of `Document.search`.

    Attributes:
        page: Index in `Document.pages` (0 = first). `Document.page_numbers[page]` is the page's index in the source.
        line: The line that contains the match.
        start: Index of the first matching character in the line's text.
        end: Index after the last matching character.
        quad: Place of the match, in page pixels.
    """

    page: int
    line: Line
    start: int
    end: int
    quad: Quad

    @property
    def text(self) -> str:
        """The matching text, as it was read."""
        return self.line.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of the page that was not read.

    Attributes:
        box: The part, in page pixels.
        reason: Why it was not read, as a sentence.
    """

    box: Box
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which parts of a page were read, and how.

    Attributes:
        tiles: Number of tiles.
        blank: Number of tiles without text.
        read: Number of tiles that were recognized.
        fraction_read: Fraction (0 to 1) of the selected pixels that were read or found blank.
        scale: Detector pixels per page pixel.
        overlong_lines: Number of lines longer than the recognizer's widest input; they were read at a lower resolution.
        overflowed_tiles: Number of tiles that held more contours than the detector lists, even in quarters.
        gaps: The parts that were not read, and why.
        tiling: How the page was cut into tiles and why, as a sentence.
        second_pass_count: Number of regions that were read a second time.
        scales: Pairs of (scale, fraction of the page that the detector saw at this scale): small text is enlarged and
            large letters are reduced.
        retries: How often a tile was started again.
        excluded: The parts that were not selected. They are neither gaps nor part of `fraction_read`.

    Examples:
        >>> coverage = Coverage(tiles=4, blank=1, read=2, gaps=(Gap(Box(0, 0, 9, 9), "the engine failed"),))
        >>> coverage.failed, coverage.is_complete
        (1, False)
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
        """Number of tiles that were neither read nor blank."""
        return self.tiles - self.blank - self.read

    @property
    def is_complete(self) -> bool:
        """Whether no text is known to be missing."""
        return not self.gaps and not self.overflowed_tiles


@dataclass(frozen=True, slots=True)
class PageSource:
    """Where a page comes from.

    Attributes:
        number: Index of the page in the source (0 = first); None if all pages of the source were read.
        dpi: Resolution at which a PDF page was rendered, in pixels per inch; 0 for an image.
        has_text: Whether a PDF page contains text of its own, visible or hidden.
    """

    number: int | None = None
    dpi: float = 0.0
    has_text: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the source with its lines.

    Attributes:
        size: Width and height, in pixels.
        lines: The lines in reading order.
        coverage: Which parts of the page were read.
        source: Where the page comes from.
    """

    size: Size
    lines: tuple[Line, ...]
    coverage: Coverage
    source: PageSource = field(default_factory=PageSource)

    def lines_in(self, box: Box) -> tuple[Line, ...]:
        """Return the lines whose centre lies in the box (page pixels)."""
        return tuple(line for line in self.lines if _is_in(line.quad.centre, box))


def _is_in(point: tuple[float, float], box: Box) -> bool:
    x, y = point
    return box.x0 <= x < box.x1 and box.y0 <= y < box.y1


@dataclass(frozen=True, slots=True)
class Document:
    """The result of reading one source: all its pages.

    Attributes:
        pages: The pages in order.
        timing: Seconds by name: `wall`, `split`, `engine` and `stitch`.

    Examples:
        >>> line = Line("Total 12.50", Quad.from_bounds(40, 60, 260, 90), confidence=0.99)
        >>> document = Document((Page(Size(600, 800), (line,), Coverage(tiles=1, read=1)),))
        >>> document.text
        'Total 12.50'
        >>> document.is_complete
        True
        >>> [hit.text for hit in document.search("TOTAL")]
        ['Total']
        >>> document.lines_in(Box(0, 0, 300, 100)) == (line,)
        True
    """

    pages: tuple[Page, ...]
    timing: dict[str, float] = field(default_factory=dict)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all pages, in order."""
        return tuple(line for page in self.pages for line in page.lines)

    @property
    def page_numbers(self) -> tuple[int, ...]:
        """The index of each page in the source (0 = first)."""
        return tuple(
            index if page.source.number is None else page.source.number for index, page in enumerate(self.pages)
        )

    @property
    def text(self) -> str:
        """The text of all lines in reading order, one per row, with an empty row between pages."""
        return "\n\n".join("\n".join(line.text for line in page.lines) for page in self.pages)

    @property
    def is_complete(self) -> bool:
        """Whether every page is complete; if not, the document is partial and the coverage of its pages says where."""
        return all(page.coverage.is_complete for page in self.pages)

    def search(self, query: str | re.Pattern[str]) -> tuple[Hit, ...]:
        """Find a text or a regular expression in the lines of the document.

        Args:
            query: A text, matched regardless of case, character width (NFKC) and the number of spaces, or a compiled
                regular expression, matched against each line's text in NFKC.

        Returns:
            The matches in reading order; a match never spans two lines.
        """
        find = compile_search(query)
        return tuple(
            Hit(number, line, start, end, line.locate(start, end))
            for number, page in enumerate(self.pages)
            for line in page.lines
            for start, end in find(line.text)
        )

    def lines_in(self, box: Box, page: int = 0) -> tuple[Line, ...]:
        """Return the lines of a page whose centre lies in a box.

        Args:
            box: The box, in page pixels.
            page: Index of the page (0 = first).

        Raises:
            IndexError: The document has no such page.
        """
        return self.pages[page].lines_in(box)

    def rows(self, page_offset: int = 0) -> Iterator[tuple[object, ...]]:
        """Yield one row per line, with the columns that `COLUMNS` names; coordinates are rounded to 0.1 pixels.

        Args:
            page_offset: Number that is added to the number of each page, if the document is a part of a longer one.
        """
        for number, page in zip(self.page_numbers, self.pages, strict=True):
            for order, line in enumerate(page.lines, 1):
                corners = [round(value, 1) for point in line.quad.points for value in point]
                yield 1 + page_offset + number, order, line.text, round(line.confidence, 4), *corners, line.model

    def to_dataframe(self) -> "DataFrame":
        """Return a table of the lines with the columns that `COLUMNS` names.

        Raises:
            MissingPackage: pandas is not installed (`pip install 'ocrfarm[pandas]'`).
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise MissingPackage("pandas is not installed; pip install 'ocrfarm[pandas]'") from error
        frame: DataFrame = DataFrame.from_records(list(self.rows()), columns=COLUMNS)
        return frame

    def show(self, page: int = 0, image: bytes = b"") -> None:
        """Show a page in a notebook: the outlines of its lines, over the image of the page if there is one.

        Args:
            page: Index of the page (0 = first).
            image: The page as PNG of any size, for example from `Job.overview(page)`.

        Raises:
            IndexError: The document has no such page.
            MissingPackage: IPython is not installed.
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
