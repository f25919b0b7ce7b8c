"""Document -> Parquet: a row a line of text, for data frames and databases. Needs pyarrow (`ocrfarm[parquet]`)."""

import importlib
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

from ocrfarm.document import Document, Line
from ocrfarm.geometry import Quad
from ocrfarm.result.json import Json, document_row, dumped, page_row
from ocrfarm.result.origin import Origin, numbered

_GROUP = 10_000
"""Lines of a row group: some megabytes."""

_CORNERS = ("x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3")


def write_parquet(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write a row a line; what is known of the document and its pages stands in the file's metadata, as JSON."""
    arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    pages = [page_row(page) for page in document.pages]
    known = {"ocrfarm": dumped({"name": origin.name} | document_row(document) | {"pages": pages})}
    schema = _schema(arrow).with_metadata(known)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        rows = _rows(document, origin.first)
        while group := list(islice(rows, _GROUP)):
            writer.write_table(arrow.Table.from_pylist(group, schema))


def _schema(arrow: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    place = [(name, arrow.float64()) for name in _CORNERS]
    word = arrow.struct([("text", arrow.string()), *place])
    texts = [("text", arrow.string()), ("confidence", arrow.float64())]
    model = ("model", arrow.dictionary(arrow.int32(), arrow.string()))
    numbers = [("page", arrow.int32()), ("line", arrow.int32())]
    return arrow.schema([*numbers, *texts, *place, model, ("words", arrow.list_(word))])


def _rows(document: Document, first: int) -> Iterator[Json]:
    for number, page in numbered(document, first):
        for order, line in enumerate(page.lines, 1):
            yield {"page": number, "line": order} | _row(line)


def _row(line: Line) -> Json:
    words = [{"text": word.text} | _place(word.quad) for word in line.words]
    known = {"text": line.text, "confidence": line.confidence, "model": line.model, "words": words}
    return known | _place(line.quad)


def _place(quad: Quad) -> Json:
    return dict(zip(_CORNERS, (value for point in quad.points for value in point), strict=True))
