"""Page -> what the viewer says of it beside its lines: its size, its tiles, what of it was read."""

import re

from ocrfarm.document import Page
from ocrfarm.result.json import Json
from ocrfarm.result.json import page_fields as result_page_fields
from ocrfarm.split.tiling import tile_grid

_TILING = re.compile(r"(\d+) px tiles, overlap (\d+) px:")
"""How `Coverage.tiling` begins."""


def page_entry(page: Page) -> Json:
    """Give size, coverage, how many lines the page has, and where its tiles begin and end."""
    columns, rows = _tile_intervals(page)
    return {**result_page_fields(page), "lines": len(page.lines), "columns": columns, "rows": rows}


def _tile_intervals(page: Page) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Give the spans, in page pixels, of the columns and of the rows of tiles; none where they are not known."""
    if not (found := _TILING.match(page.coverage.tiling)):
        return [], []
    side, overlap = (int(number) for number in found.groups())
    tiles = tile_grid(page.size, side=side, overlap=overlap)
    columns = [(tile.box.x0, tile.box.x1) for tile in tiles if not tile.id.row]
    rows = [(tile.box.y0, tile.box.y1) for tile in tiles if not tile.id.col]
    return columns, rows
