"""Paragraphs, headings and ruled tables that fill a box and stop at its end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ocrfarm.geometry import Box
from ocrfarm.sample.pen import GREY, INK, Pen

_LEADING = 1.55
"""Distance between two lines of a paragraph, in font sizes."""

_ROW_HEIGHT = 1.75
"""Distance between two rows of a table, in font sizes."""

_CELL_PADDING = 0.5
"""Distance between a cell's rule and its text, in font sizes."""

_RULE_DIVISOR = 14
"""A table's rules are as thick as the font size divided by this."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, its fraction of the width, and whether it is aligned right, as numbers are."""

    head: str
    share: float
    is_right_aligned: bool = False


def draw_paragraphs(pen: Pen, box: Box, *, items: Sequence[str], size: int) -> int:
    """Write paragraphs, wrapped at the box's width, until the box is full.

    Args:
        pen: Pen of the page.
        box: Box to fill, in page pixels.
        items: Texts of the paragraphs.
        size: Font size in pixels.

    Returns:
        The y coordinate below the last line.
    """
    y = box.y0 + size
    for item in items:
        for line in _wrap_lines(pen, item, size, box.width):
            if y > box.y1:
                return box.y1
            pen.add_text((box.x0, y), line, size=size)
            y += round(size * _LEADING)
        y += round(size * _LEADING / 3) if pen.can_write(item) else 0
    return y


def draw_heading(pen: Pen, box: Box, *, text: str, size: int) -> Box:
    """Write a heading with a rule below it.

    Args:
        pen: Pen of the page.
        box: Box at whose top the heading is written, in page pixels.
        text: Text of the heading.
        size: Font size in pixels.

    Returns:
        The rest of the box.
    """
    pen.add_text((box.x0, box.y0 + size), text, size=size)
    y = box.y0 + round(size * 1.5)
    pen.draw.line([(box.x0, y), (box.x1, y)], INK, pen.scale_length(10))
    return Box(box.x0, min(y + size // 2, box.y1), box.x1, box.y1)


def draw_table(pen: Pen, box: Box, *, columns: Sequence[Column], rows: Sequence[Sequence[str]], size: int) -> int:
    """Draw a table with a row of headings and as many rows as fit into the box.

    Args:
        pen: Pen of the page.
        box: Box to fill, in page pixels.
        columns: The columns.
        rows: Texts of the cells, row by row.
        size: Font size in pixels.

    Returns:
        The number of rows that were drawn.
    """
    step = round(size * _ROW_HEIGHT)
    count = max(0, min(len(rows), box.height // step - 1))
    edges = [box.x0 + round(share * box.width) for share in accumulate((c.share for c in columns), initial=0.0)]
    cells = [[column.head for column in columns], *rows[:count]]
    for number, row in enumerate(cells):
        base = box.y0 + number * step + round(size * 1.2)
        for column, text, left, right in zip(columns, row, edges, edges[1:], strict=False):
            _draw_cell(pen, (left, right, base), text, size, flush_right=column.is_right_aligned)
    rule = max(1, size // _RULE_DIVISOR)
    bottom = box.y0 + len(cells) * step
    for number in range(len(cells) + 1):
        y = box.y0 + number * step
        pen.draw.line([(box.x0, y), (edges[-1], y)], INK if number < 2 else GREY, rule)
    for x in edges:
        pen.draw.line([(x, box.y0), (x, bottom)], INK, rule)
    return count


def _draw_cell(pen: Pen, place: tuple[int, int, int], text: str, size: int, *, flush_right: bool) -> None:
    """Write the text of a cell if it fits between the rules."""
    left, right, base = place
    pad = round(size * _CELL_PADDING)
    if text and pen.text_length(text, size) <= right - left - 2 * pad:
        at, anchor = ((right - pad, base), "rs") if flush_right else ((left + pad, base), "ls")
        pen.add_text(at, text, size=size, anchor=anchor)


def _wrap_lines(pen: Pen, text: str, size: int, width: int) -> Iterator[str]:
    """Wrap a text at spaces; a word wider than the box is broken anywhere, because Chinese text has no spaces."""
    line = ""
    for word in _split_words(pen, text, size, width):
        longer = f"{line} {word}" if line else word
        if line and pen.text_length(longer, size) > width:
            yield line
            line = word
        else:
            line = longer
    if line:
        yield line


def _split_words(pen: Pen, text: str, size: int, width: int) -> Iterator[str]:
    for word in text.split():
        fits = max(1, int(len(word) * width / max(1.0, pen.text_length(word, size))))
        yield from (word[at : at + fits] for at in range(0, len(word), fits))
