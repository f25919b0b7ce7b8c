"""Document -> plain text in reading order."""

from typing import BinaryIO

from ocrfarm.document import Document
from ocrfarm.result.source_info import SourceInfo


def write_text(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write UTF-8 text: a row a line, an empty row between pages."""
    file.write((document.text + "\n").encode())
