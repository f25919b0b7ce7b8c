"""Document -> JSON Lines: a row for the document, one for each page and one for each line, for tools that stream."""

from collections.abc import Iterator
from typing import BinaryIO

from ocrfarm.document import Document
from ocrfarm.result.json import Json, document_fields, encode_json, line_to_json, page_fields
from ocrfarm.result.source_info import SourceInfo, enumerate_pages


def write_jsonl(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write objects with the names of ocrfarm/1 and a `kind`: document, page or line; numbers count from 1."""
    file.writelines(encode_json(row) + b"\n" for row in _iter_rows(document, source))


def _iter_rows(document: Document, source: SourceInfo) -> Iterator[Json]:
    yield {"kind": "document", "name": source.name} | document_fields(document)
    for number, page in enumerate_pages(document, source.page_offset):
        yield {"kind": "page", "page": number} | page_fields(page)
        for order, line in enumerate(page.lines, 1):
            yield {"kind": "line", "page": number, "line": order} | line_to_json(line)
