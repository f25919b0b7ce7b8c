"""Document -> plain text in reading order."""

from typing import BinaryIO

from ocrfarm.document import Document
from ocrfarm.result.origin import Origin


def write_text(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write UTF-8 text: a row a line, an empty row between pages."""
    file.write((document.text + "\n").encode())
