"""Document -> Apache Parquet: one row for each line of text, for data frames and databases.

It needs pyarrow (`ocrfarm[parquet]`). Columns are compressed with Zstandard.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

from ocrfarm.document import Document, Line
from ocrfarm.geometry import Quad
from ocrfarm.result.json import Json, document_fields, encode_json, page_fields
from ocrfarm.result.source_info import SourceInfo, enumerate_pages

_ROW_GROUP_LINES = 10_000
"""Lines in a row group, which is all of the file that is in memory: some megabytes."""

_CORNERS = ("x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3")


def write_parquet(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write one row for each line of text; fields of the document and its pages are in the file's metadata, as JSON.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; its name is in the metadata.
    """
    import pyarrow
    from pyarrow import parquet

    pages = [page_fields(page) for page in document.pages]
    known = {"ocrfarm": encode_json({"name": source.name} | document_fields(document) | {"pages": pages})}
    schema = _build_schema(pyarrow).with_metadata(known)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        rows = _iter_rows(document, source.page_offset)
        while group := list(islice(rows, _ROW_GROUP_LINES)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema))


def _build_schema(arrow: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    place = [(name, arrow.float64()) for name in _CORNERS]
    word = arrow.struct([("text", arrow.string()), *place])
    texts = [("text", arrow.string()), ("confidence", arrow.float64())]
    model = ("model", arrow.dictionary(arrow.int32(), arrow.string()))
    numbers = [("page", arrow.int32()), ("line", arrow.int32())]
    return arrow.schema([*numbers, *texts, *place, model, ("words", arrow.list_(word))])


def _iter_rows(document: Document, page_offset: int) -> Iterator[Json]:
    for number, page in enumerate_pages(document, page_offset):
        for order, line in enumerate(page.lines, 1):
            yield {"page": number, "line": order} | _line_row(line)


def _line_row(line: Line) -> Json:
    words = [{"text": word.text} | _corner_fields(word.quad) for word in line.words]
    known = {"text": line.text, "confidence": line.confidence, "model": line.model, "words": words}
    return known | _corner_fields(line.quad)


def _corner_fields(quad: Quad) -> Json:
    return dict(zip(_CORNERS, (value for point in quad.points for value in point), strict=True))
