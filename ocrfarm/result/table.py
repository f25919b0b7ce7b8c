"""Document -> a table with one row for each line of text: CSV for spreadsheets, TSV for the tools of a shell.

The columns are `ocrfarm.document.COLUMNS`. Text that a spreadsheet would run as a formula gets an apostrophe before it,
unless `SourceInfo.raw_cells` is set: what stands on an image may come from a stranger.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from ocrfarm.document import COLUMNS, Document
from ocrfarm.printable import guard_formula
from ocrfarm.result.source_info import SourceInfo

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def write_csv(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write CSV (RFC 4180) in UTF-8, with the byte order mark by which spreadsheets recognize it.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; its `page_offset` is added
            to the page numbers, and its `raw_cells` leaves formulas as they are.
    """
    text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
    csv.writer(text).writerows(chain([COLUMNS], _iter_rows(document, source)))
    text.detach()


def write_tsv(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write tabs between values and quote nothing; control characters in the text become spaces.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; its `page_offset` is added
            to the page numbers, and its `raw_cells` leaves formulas as they are.

    Examples:
        >>> from pathlib import Path
        >>> from ocrfarm.document import Coverage, Line, Page
        >>> from ocrfarm.geometry import Quad, Size
        >>> line = Line("Valve DN80", Quad.from_bounds(0, 0, 200, 30), 0.97, model="small")
        >>> document, file = Document((Page(Size(800, 600), (line,), Coverage(tiles=1)),), {}), io.BytesIO()
        >>> write_tsv(document, file, source=SourceInfo("sheet.png", Path, bytes, lambda page: []))
        >>> print(file.getvalue().decode().expandtabs(2))
        page  line  text  confidence  x0  y0  x1  y1  x2  y2  x3  y3  model
        1 1 Valve DN80  0.97  0.0 0.0 200.0 0.0 200.0 30.0  0.0 30.0  small
        <BLANKLINE>
    """
    rows = chain([COLUMNS], _iter_rows(document, source))
    file.writelines(("\t".join(_CONTROL.sub(" ", str(value)) for value in row) + "\n").encode() for row in rows)


def _iter_rows(document: Document, source: SourceInfo) -> Iterator[Iterable[object]]:
    for row in document.rows(source.page_offset):
        yield row if source.raw_cells else (guard_formula(cell) if isinstance(cell, str) else cell for cell in row)
