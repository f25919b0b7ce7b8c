"""Document -> JSON Lines (https://jsonlines.org): one object for the document, each page and each line.

The objects have the fields of ocrfarm/1. The format suits tools that process a stream.
"""

from collections.abc import Iterator
from typing import BinaryIO

from ocrfarm.document import Document
from ocrfarm.result.json import Json, document_fields, encode_json, line_to_json, page_fields
from ocrfarm.result.source_info import SourceInfo, enumerate_pages


def write_jsonl(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write one JSON object in each row, with a `kind`: document, page or line. Pages and lines count from 1.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; its name is in the first row.
    """
    file.writelines(encode_json(row) + b"\n" for row in _iter_rows(document, source))


def _iter_rows(document: Document, source: SourceInfo) -> Iterator[Json]:
    yield {"kind": "document", "name": source.name} | document_fields(document)
    for number, page in enumerate_pages(document, source.page_offset):
        yield {"kind": "page", "page": number} | page_fields(page)
        for order, line in enumerate(page.lines, 1):
            yield {"kind": "line", "page": number, "line": order} | line_to_json(line)
