"""Selection: which pages and regions of a source are read, and at which resolution PDF pages are rendered."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ocrfarm.errors import InputError, SettingsError
from ocrfarm.geometry import Box, Size

_RANGE = re.compile(r"\s*(\d{1,9})\s*(?:(-)\s*(\d{0,9})\s*)?")


@dataclass(frozen=True, slots=True)
class PageRange:
    """A range of pages, counted from 1.

    Attributes:
        first: First page.
        last: Last page, inclusive; None: up to the last page of the source.
    """

    first: int
    last: int | None

    def __contains__(self, number: int) -> bool:
        return self.first <= number and (self.last is None or number <= self.last)

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last or ''}"


@dataclass(frozen=True, slots=True)
class Mask:
    """A grid of cells that is stretched over each page and marks the parts to read.

    Attributes:
        size: Number of columns and rows.
        rows: One integer per row, top to bottom; bit x is set if the cell in column x is selected.

    Examples:
        >>> left_half = Mask(Size(2, 1), (0b01,))
        >>> left_half.intersects(Box(0, 0, 10, 10), page=Size(100, 100))
        True
        >>> left_half.intersects(Box(50, 0, 60, 10), page=Size(100, 100))
        False
    """

    size: Size
    rows: tuple[int, ...]

    def intersects(self, box: Box, page: Size) -> bool:
        """Return whether a box shares a pixel with a selected cell.

        Args:
            box: The box, in page pixels.
            page: Size of the page over which the mask is stretched, in pixels.
        """
        x0, x1 = box.x0 * self.size.width // page.width, -(-box.x1 * self.size.width // page.width)
        y0, y1 = box.y0 * self.size.height // page.height, -(-box.y1 * self.size.height // page.height)
        across = (1 << x1) - (1 << x0)
        return any(row & across for row in self.rows[y0:y1])


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a source that is read; the default is everything.

    Attributes:
        pages: Ranges of pages; empty: all pages.
        dpi: Resolution at which PDF pages are rendered, in pixels per inch; 0: chosen for each page.
        regions: Boxes in page pixels, the same on every page. A line is read if the centre of one of its words lies in
            one of them.
        mask: Grid that is stretched over each page and selects lines in the same way. Without regions and mask, all of
            each page is read.

    Examples:
        >>> selection = Selection(pages=parse_page_ranges("1-2,5-"), regions=(Box(0, 0, 500, 200),))
        >>> selection.select_pages(6, source="plan.pdf")
        [0, 1, 4, 5]
        >>> selection.intersects(Box(400, 100, 900, 300), page=Size(2000, 1000))
        True
        >>> Selection.from_json(selection.to_json()) == selection
        True
    """

    pages: tuple[PageRange, ...] = ()
    dpi: int = 0
    regions: tuple[Box, ...] = ()
    mask: Mask | None = None

    @property
    def has_whole_pages(self) -> bool:
        """Whether pages are read without a restriction to regions or a mask."""
        return not self.regions and self.mask is None

    def select_pages(self, count: int, *, source: str) -> list[int]:
        """Return which pages of a source are selected.

        Args:
            count: Number of pages that the source has.
            source: Name of the source, for the error message.

        Returns:
            Indexes of the pages (0 = first), in order.

        Raises:
            InputError: None of the pages is selected.
        """
        chosen = [number for number in range(count) if not self.pages or any(number + 1 in each for each in self.pages)]
        if not chosen:
            ranges = ",".join(map(str, self.pages))
            raise InputError(f"{source}: has {count} pages, and none of them is in the selected range {ranges}")
        return chosen

    def intersects(self, box: Box, page: Size) -> bool:
        """Return whether a box of a page contains anything that is selected.

        Args:
            box: The box, in page pixels.
            page: Size of the page, in pixels.
        """
        by_region = any(box.intersection(region) for region in self.regions)
        return self.has_whole_pages or by_region or (self.mask is not None and self.mask.intersects(box, page))

    def to_json(self) -> dict[str, Any]:
        """Return the selection as plain JSON values."""
        mask = self.mask and {
            "size": [self.mask.size.width, self.mask.size.height],
            "rows": [f"{row:x}" for row in self.mask.rows],
        }
        regions = [[box.x0, box.y0, box.x1, box.y1] for box in self.regions]
        pages = [[each.first, each.last] for each in self.pages]
        return {"pages": pages, "dpi": self.dpi, "regions": regions, "mask": mask}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Selection":
        """Create a selection from what `to_json` returns."""
        mask = data.get("mask")
        return cls(
            tuple(PageRange(*each) for each in data.get("pages", ())),
            data.get("dpi", 0),
            tuple(Box(*region) for region in data.get("regions", ())),
            Mask(Size(*mask["size"]), tuple(int(row, 16) for row in mask["rows"])) if mask else None,
        )


SELECT_ALL = Selection()
"""Every page, as a whole."""


def parse_page_ranges(text: str) -> tuple[PageRange, ...]:
    """Parse page ranges such as 1-3,7,9- (from page 9 to the end); an empty text has no ranges.

    Raises:
        SettingsError: The text is not a list of page ranges.

    Examples:
        >>> parse_page_ranges("1-3,7")
        (PageRange(first=1, last=3), PageRange(first=7, last=7))
        >>> parse_page_ranges("9-")
        (PageRange(first=9, last=None),)
        >>> parse_page_ranges("3-1")
        Traceback (most recent call last):
        ocrfarm.errors.SettingsError: '3-1' is not a range of pages; count upwards from 1
    """
    return tuple(_iter_page_ranges(text)) if text.strip() else ()


def _iter_page_ranges(text: str) -> Iterator[PageRange]:
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if not match:
            raise SettingsError(f"{part!r} is not a range of pages; write 1-3,7, or 9- for page 9 and all later ones")
        first, last = int(match[1]), int(match[3]) if match[3] else None if match[2] else int(match[1])
        if first < 1 or (last is not None and last < first):
            raise SettingsError(f"{part!r} is not a range of pages; count upwards from 1")
        yield PageRange(first, last)


def parse_region(text: str) -> Box:
    """Parse a box such as 100,200,1500,900 (x0,y0,x1,y1 in page pixels).

    Raises:
        SettingsError: The text is not a box.

    Examples:
        >>> parse_region("100,200,1500,900")
        Box(x0=100, y0=200, x1=1500, y1=900)
    """
    try:
        x0, y0, x1, y1 = (int(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(f"{text!r} is not a region; write x0,y0,x1,y1 in pixels of the page") from error
    if not (0 <= x0 < x1 and 0 <= y0 < y1):
        raise SettingsError(f"{text!r} is not a region: x0,y0 is its top left corner, and x1,y1 must be greater")
    return Box(x0, y0, x1, y1)
