"""Page -> what the viewer says of it beside its lines: its size, its tiles, what of it was read."""

import re

from ocrfarm.document import Page
from ocrfarm.result.json import Json
from ocrfarm.result.json import page_row as result_row
from ocrfarm.split.plan import plan

_TILING = re.compile(r"(\d+) px tiles, overlap (\d+) px:")
"""How `Coverage.tiling` begins."""


def page_row(page: Page) -> Json:
    """Give size, coverage, how many lines the page has, and where its tiles begin and end."""
    columns, rows = _spans(page)
    return {**result_row(page), "lines": len(page.lines), "columns": columns, "rows": rows}


def _spans(page: Page) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Give the spans, in page pixels, of the columns and of the rows of tiles; none where they are not known."""
    if not (found := _TILING.match(page.coverage.tiling)):
        return [], []
    side, overlap = (int(number) for number in found.groups())
    tiles = plan(page.size, side=side, overlap=overlap)
    columns = [(tile.box.x0, tile.box.x1) for tile in tiles if not tile.id.row]
    rows = [(tile.box.y0, tile.box.y1) for tile in tiles if not tile.id.col]
    return columns, rows
