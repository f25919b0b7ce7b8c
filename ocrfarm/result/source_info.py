"""SourceInfo: what a format may want to know of the image that a document was read from."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ocrfarm.document import Document, Page
from ocrfarm.geometry import Box

ImageTiles = Iterable[tuple[Box, bytes]]
"""Parts of an upright page in any order, each with its place, as PNG, JPEG or TIFF of one strip."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """The image: its file name, and where its bytes are to be had when a format needs them.

    image_path() gives the path of its file; overview(n) gives page n (0 = first) shrunk, as PNG; image_tiles(n) gives
    page n cut into parts that a PDF can hold. `page_offset` is added to the numbers that the document's pages have.
    `base_url` is the URL that ends in `/` below which the results will be found; `stem` is what their names begin with.
    """

    name: str
    image_path: Callable[[], Path]
    overview: Callable[[int], bytes]
    image_tiles: Callable[[int], ImageTiles]
    page_offset: int = 0
    base_url: str = ""
    stem: str = ""
    created_at: datetime = field(default_factory=partial(datetime.now, UTC))


def enumerate_pages(document: Document, page_offset: int) -> Iterator[tuple[int, Page]]:
    """Give the pages with the numbers that people know, from 1; `page_offset` is added to the document's own."""
    for number, page in zip(document.page_numbers, document.pages, strict=True):
        yield 1 + page_offset + number, page


def page_suffix(number: int) -> str:
    """Give what the name of a file for one page (0 = first) has behind the stem."""
    return f".p{number:04d}" if number else ""
