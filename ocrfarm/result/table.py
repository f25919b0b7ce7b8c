"""Document -> a row a line of text, as CSV for spreadsheets and as TSV for the tools of a shell."""

import csv
import io
import re
from itertools import chain
from typing import BinaryIO

from ocrfarm.document import COLUMNS, Document
from ocrfarm.result.source_info import SourceInfo

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def write_csv(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write CSV as RFC 4180 has it, with the mark by which spreadsheets know UTF-8."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
    csv.writer(text).writerows(chain([COLUMNS], document.rows(source.page_offset)))
    text.detach()


def write_tsv(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write tabs between values and nothing quoted; a control character in a text becomes a space."""
    rows = chain([COLUMNS], document.rows(source.page_offset))
    file.writelines(("\t".join(_CONTROL.sub(" ", str(value)) for value in row) + "\n").encode() for row in rows)
