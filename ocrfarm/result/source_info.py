"""SourceInfo: the image that a document was read from, as the formats need it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ocrfarm.document import Document, Page
from ocrfarm.geometry import Box

ImageTiles = Iterable[tuple[Box, bytes]]
"""Parts of an upright page in any order: the place of each and its bytes, as PNG, JPEG or TIFF of one strip."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """The image that a document was read from, with functions that fetch its bytes when a format needs them.

    Attributes:
        name: File name of the image.
        image_path: Returns the path of its file.
        overview: Returns a page (0 = first) downscaled, as PNG.
        image_tiles: Returns a page (0 = first) in parts that a PDF can contain.
        page_offset: Number that is added to the page numbers of the document.
        base_url: URL, ending in `/`, below which the results will be served.
        stem: What the names of the results begin with.
        raw_cells: Whether tables contain text that a spreadsheet would run as a formula as it was read.
        created_at: When the result was written.
    """

    name: str
    image_path: Callable[[], Path]
    overview: Callable[[int], bytes]
    image_tiles: Callable[[int], ImageTiles]
    page_offset: int = 0
    base_url: str = ""
    stem: str = ""
    raw_cells: bool = False
    created_at: datetime = field(default_factory=partial(datetime.now, UTC))


def enumerate_pages(document: Document, page_offset: int) -> Iterator[tuple[int, Page]]:
    """Return the pages with their numbers, counted from 1.

    Args:
        document: The document.
        page_offset: Number that is added to the document's own page numbers.
    """
    for number, page in zip(document.page_numbers, document.pages, strict=True):
        yield 1 + page_offset + number, page


def page_suffix(number: int) -> str:
    """Return what follows the stem in the name of a file for one page (0 = first).

    Examples:
        >>> page_suffix(0), page_suffix(3)
        ('', '.p0003')
    """
    return f".p{number:04d}" if number else ""
