"""Origin: what a format may want to know of the picture that a document was read from."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ocrfarm.document import Document, Page
from ocrfarm.geometry import Box

Pieces = Iterable[tuple[Box, bytes]]
"""Parts of an upright page in any order, each with its place, as PNG, JPEG or TIFF of one strip."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The picture: its file name, and where its bytes are to be had when a format needs them.

    picture() gives the path of its file; overview(n) gives page n (0 = first) shrunk, as PNG; pieces(n) gives page n
    cut into parts that a PDF can hold. `first` is added to the numbers that the document's pages have.
    `base` is the URL that ends in `/` below which the results will be found; `stem` is what their names begin with.
    """

    name: str
    picture: Callable[[], Path]
    overview: Callable[[int], bytes]
    pieces: Callable[[int], Pieces]
    first: int = 0
    base: str = ""
    stem: str = ""
    written: datetime = field(default_factory=partial(datetime.now, UTC))


def numbered(document: Document, first: int) -> Iterator[tuple[int, Page]]:
    """Give the pages with the numbers that people know them by, from 1; `first` is added to the document's own."""
    for number, page in zip(document.numbers, document.pages, strict=True):
        yield 1 + first + number, page


def page_part(number: int) -> str:
    """Give what the name of a file for one page (0 = first) has behind the stem."""
    return f".p{number:04d}" if number else ""
