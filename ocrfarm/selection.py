"""Which part of a source is read, and at which resolution pages that have no pixels of their own are drawn."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ocrfarm.errors import InputError, SettingsError
from ocrfarm.geometry import Box, Size

_RANGE = re.compile(r"\s*(\d{1,9})\s*(?:(-)\s*(\d{0,9})\s*)?")


@dataclass(frozen=True, slots=True)
class PageRange:
    """Pages from `first` to `last` inclusive, counted from 1; None: to the end."""

    first: int
    last: int | None

    def __contains__(self, number: int) -> bool:
        return self.first <= number and (self.last is None or number <= self.last)

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last or ''}"


@dataclass(frozen=True, slots=True)
class Mask:
    """A raster of cells that is stretched over each page: which of them are wanted.

    Each row is a number whose bit x says whether the cell of column x is.
    """

    size: Size
    rows: tuple[int, ...]

    def intersects(self, box: Box, page: Size) -> bool:
        """Say whether a box of the page shares a pixel with a wanted cell."""
        x0, x1 = box.x0 * self.size.width // page.width, -(-box.x1 * self.size.width // page.width)
        y0, y1 = box.y0 * self.size.height // page.height, -(-box.y1 * self.size.height // page.height)
        across = (1 << x1) - (1 << x0)
        return any(row & across for row in self.rows[y0:y1])


@dataclass(frozen=True, slots=True)
class Selection:
    """The pages that are read (none named: all), the dpi at which a PDF is drawn (0: as suits each page), and where.

    Of a page, what regions (boxes of page pixels) or the mask touch is read; without both, all of it.
    """

    pages: tuple[PageRange, ...] = ()
    dpi: int = 0
    regions: tuple[Box, ...] = ()
    mask: Mask | None = None

    @property
    def has_whole_pages(self) -> bool:
        """Whether all of each page is wanted."""
        return not self.regions and self.mask is None

    def select_pages(self, count: int, *, source: str) -> list[int]:
        """Give the numbers (0 = first) of the wanted pages of so many; `InputError` where none of them is wanted."""
        found = [number for number in range(count) if not self.pages or any(number + 1 in each for each in self.pages)]
        if not found:
            asked = ",".join(map(str, self.pages))
            raise InputError(f"{source}: has {count} pages, and none of them is among those asked for ({asked})")
        return found

    def intersects(self, box: Box, page: Size) -> bool:
        """Say whether a box of a page of this size holds anything that is wanted."""
        by_region = any(box.intersection(region) for region in self.regions)
        return self.has_whole_pages or by_region or (self.mask is not None and self.mask.intersects(box, page))

    def to_json(self) -> dict[str, Any]:
        """Give plain JSON values."""
        mask = self.mask and {
            "size": [self.mask.size.width, self.mask.size.height],
            "rows": [f"{row:x}" for row in self.mask.rows],
        }
        regions = [[box.x0, box.y0, box.x1, box.y1] for box in self.regions]
        pages = [[each.first, each.last] for each in self.pages]
        return {"pages": pages, "dpi": self.dpi, "regions": regions, "mask": mask}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Selection":
        """Read what `to_json` gave."""
        mask = data.get("mask")
        return cls(
            tuple(PageRange(*each) for each in data.get("pages", ())),
            data.get("dpi", 0),
            tuple(Box(*region) for region in data.get("regions", ())),
            Mask(Size(*mask["size"]), tuple(int(row, 16) for row in mask["rows"])) if mask else None,
        )


SELECT_ALL = Selection()
"""Everything."""


def parse_page_ranges(text: str) -> tuple[PageRange, ...]:
    """Read ranges like 1-3,7,9- (from 9 to the end); `SettingsError` for anything else. Nothing gives none."""
    return tuple(_iter_page_ranges(text)) if text.strip() else ()


def _iter_page_ranges(text: str) -> Iterator[PageRange]:
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if not match:
            raise SettingsError(f"{part!r} are no pages; write 1-3,7 or 9- for all from the ninth on")
        first, last = int(match[1]), int(match[3]) if match[3] else None if match[2] else int(match[1])
        if first < 1 or (last is not None and last < first):
            raise SettingsError(f"{part!r} are no pages: they count from 1, and upwards")
        yield PageRange(first, last)


def parse_region(text: str) -> Box:
    """Read a box like 100,200,1500,900 (x0,y0,x1,y1 in page pixels); `SettingsError` for anything else."""
    try:
        x0, y0, x1, y1 = (int(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(f"{text!r} is no region; write x0,y0,x1,y1 in pixels of the page") from error
    if not (0 <= x0 < x1 and 0 <= y0 < y1):
        raise SettingsError(f"{text!r} is no region: x0 and y0 are its upper left corner, x1 and y1 lie beyond it")
    return Box(x0, y0, x1, y1)
