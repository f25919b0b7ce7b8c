"""Page -> its entry in viewer.json: size, coverage and tiles."""

import re

from ocrfarm.document import Page
from ocrfarm.result.json import Json
from ocrfarm.result.json import page_fields as result_page_fields
from ocrfarm.split.tiling import tile_grid

_TILING = re.compile(r"(\d+) px tiles, overlap (\d+) px:")
"""Start of `Coverage.tiling`."""


def page_entry(page: Page) -> Json:
    """Return size, coverage, number of lines, and the intervals of the columns and rows of tiles."""
    columns, rows = _tile_intervals(page)
    return {**result_page_fields(page), "lines": len(page.lines), "columns": columns, "rows": rows}


def _tile_intervals(page: Page) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the intervals of columns and rows of tiles, in page pixels; both are empty if the tiling is unknown."""
    if not (found := _TILING.match(page.coverage.tiling)):
        return [], []
    side, overlap = (int(number) for number in found.groups())
    tiles = tile_grid(page.size, side=side, overlap=overlap)
    columns = [(tile.box.x0, tile.box.x1) for tile in tiles if not tile.id.row]
    rows = [(tile.box.y0, tile.box.y1) for tile in tiles if not tile.id.col]
    return columns, rows
