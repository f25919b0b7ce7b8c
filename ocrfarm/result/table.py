"""Document -> a row a line of text, as CSV for spreadsheets and as TSV for the tools of a shell."""

import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from ocrfarm.document import Document
from ocrfarm.result.origin import Origin, numbered

COLUMNS = ("page", "line", "text", "confidence", "x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3", "model")
"""Pages and lines count from 1; the corners go clockwise from the start of the text."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def write_csv(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write CSV as RFC 4180 has it, with the mark by which spreadsheets know UTF-8."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
    csv.writer(text).writerows(_rows(document, origin.first))
    text.detach()


def write_tsv(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write tabs between values and nothing quoted; a control character in a text becomes a space."""
    for row in _rows(document, origin.first):
        file.write(("\t".join(_CONTROL.sub(" ", str(value)) for value in row) + "\n").encode())


def _rows(document: Document, first: int) -> Iterator[tuple[object, ...]]:
    yield COLUMNS
    for number, page in numbered(document, first):
        for order, line in enumerate(page.lines, 1):
            corners = [round(value, 1) for point in line.quad.points for value in point]
            yield number, order, line.text, round(line.confidence, 4), *corners, line.model
