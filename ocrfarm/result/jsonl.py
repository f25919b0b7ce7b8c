"""Document -> JSON Lines: a row for the document, one for each page and one for each line, for tools that stream."""

from collections.abc import Iterator
from typing import BinaryIO

from ocrfarm.document import Document
from ocrfarm.result.json import Json, document_row, dumped, line_to_json, page_row
from ocrfarm.result.origin import Origin, numbered


def write_jsonl(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write objects with the names of ocrfarm/1 and a `kind`: document, page or line; numbers count from 1."""
    for row in _rows(document, origin):
        file.write(dumped(row) + b"\n")


def _rows(document: Document, origin: Origin) -> Iterator[Json]:
    yield {"kind": "document", "name": origin.name} | document_row(document)
    for number, page in numbered(document, origin.first):
        yield {"kind": "page", "page": number} | page_row(page)
        for order, line in enumerate(page.lines, 1):
            yield {"kind": "line", "page": number, "line": order} | line_to_json(line)
