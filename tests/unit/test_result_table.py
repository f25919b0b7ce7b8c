"""CSV, TSV, Parquet and Markdown as other programs read them."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ocrfarm.document import Document
from ocrfarm.printable import escape, guard_formula, unescape, unguard_formula
from tests.support.hostile_names import find_unprintable
from tests.support.sample_documents import DOCUMENTS, draw_origin, make_line, make_page, write_format

every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())


@every_document
def test_arrow_reads_the_csv(document: Document, tmp_path: Path) -> None:
    data = write_format("csv", document, draw_origin(document, tmp_path))
    assert data.startswith(b"\xef\xbb\xbfpage,")  # spreadsheets take it for another encoding without the mark
    table = pyarrow.csv.read_csv(
        io.BytesIO(data), convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=False)
    )
    assert table.column("text").to_pylist() == [guard_formula(line.text) for line in document.lines]
    assert table.column("x2").to_pylist() == pytest.approx([line.quad.p2[0] for line in document.lines], abs=0.051)


@every_document
def test_pandas_reads_the_tsv(document: Document, tmp_path: Path) -> None:
    data = write_format("tsv", document, draw_origin(document, tmp_path))
    frame = pd.read_csv(io.BytesIO(data), sep="\t", quoting=3, keep_default_na=False)
    expected = ["".join(" " if ord(char) < 32 else char for char in line.text) for line in document.lines]
    assert frame["text"].tolist() == list(map(guard_formula, expected))
    assert all(row.count(b"\t") == 12 for row in data.splitlines())


@every_document
def test_pandas_reads_the_parquet(document: Document, tmp_path: Path) -> None:
    data = write_format("parquet", document, draw_origin(document, tmp_path))
    frame = pd.read_parquet(io.BytesIO(data))
    assert frame["text"].tolist() == [line.text for line in document.lines]
    numbers = [number for number, page in enumerate(document.pages, 1) for _ in page.lines]
    assert frame["page"].tolist() == numbers
    known = json.loads(pyarrow.parquet.read_schema(io.BytesIO(data)).metadata[b"ocrfarm"])
    assert [page["width"] for page in known["pages"]] == [page.size.width for page in document.pages]
    assert known["complete"] is document.is_complete


@every_document
def test_markdown_shows_the_text_as_it_is(document: Document, tmp_path: Path) -> None:
    data = write_format("md", document, draw_origin(document, tmp_path)).decode()
    kinds, rows = set(), []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(data):
        for child in token.children or ():
            kinds.add(child.type)
            rows += [child.content] if child.type == "text" else []
        kinds.add(token.type)
    expected = [
        " ".join("".join(" " if ord(char) < 32 else char for char in line.text).split()) for line in document.lines
    ]
    shown = [" ".join(row.split()) for row in rows]
    assert [row for row in expected if row not in "".join(shown) and row not in " ".join(shown)] == []
    plain = {"heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "text", "hardbreak"}
    assert kinds - plain <= {"blockquote_open", "blockquote_close"}
    assert ("blockquote_open" in kinds) is (not document.is_complete)


def test_markdown_has_a_heading_a_page_and_a_paragraph_a_block(tmp_path: Path) -> None:
    several = write_format("md", DOCUMENTS["several"], draw_origin(DOCUMENTS["several"], tmp_path)).decode()
    assert several == "# sheet.tif\n\n## Page 1\n\none\n\n## Page 2\n\nzwei \\& drei\n\n## Page 3\n\n四\n"
    ordinary = write_format("md", DOCUMENTS["ordinary"], draw_origin(DOCUMENTS["ordinary"], tmp_path)).decode()
    assert ordinary == "# sheet.png\n\nPUMP HOUSE No. 7  \nScale 1:50\n\nx\n"


FORMULAS = (
    *("=cmd|'/C calc'!A0", "@SUM(1+9)", "+1+cmd", "-2+3+cmd", "\t=1", "\r=1", "\n=1", "  =1", "\u3000=1"),
    *(
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1",
        "\uff20SUM",
        "'=1",
        "''@x",
        '=A("http://x","y")',
        "-",
        "=",
        "+a",
        "-1-1",
    ),
)
NUMBERS = ("-12.5", "+3", "-0,25", "+1.5e-3", "-5 %", "+49 30 123456", "-.5", "12", "DN 80", "a=b", "'quoted'", "±0.1")


def _write_cells(name: str, texts: tuple[str, ...], folder: Path, *, raw_cells: bool = False) -> list[str]:
    document = Document((make_page(*(make_line(text, y=20.0 * row) for row, text in enumerate(texts))),))
    data = write_format(name, document, replace(draw_origin(document, folder), raw_cells=raw_cells))
    options = {"dialect": "excel"} if name == "csv" else {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), **options)
    return [row["text"] for row in rows]


@pytest.mark.parametrize("name", ["csv", "tsv"])
def test_no_cell_begins_a_formula(name: str, tmp_path: Path) -> None:
    cells = _write_cells(name, FORMULAS, tmp_path)
    assert all(cell.startswith("'") for cell in cells)
    if name == "csv":  # in TSV, control characters have become spaces
        assert tuple(map(unguard_formula, cells)) == FORMULAS


@pytest.mark.parametrize("name", ["csv", "tsv"])
def test_numbers_and_other_text_stay(name: str, tmp_path: Path) -> None:
    assert tuple(_write_cells(name, NUMBERS, tmp_path)) == NUMBERS


def test_raw_cells_are_as_they_were_read(tmp_path: Path) -> None:
    assert tuple(_write_cells("csv", FORMULAS, tmp_path, raw_cells=True)) == FORMULAS


@given(st.text())
def test_a_cell_can_be_restored(text: str) -> None:
    assert unguard_formula(guard_formula(text)) == text


@given(st.text(st.characters(categories=["C", "L", "Z", "P"])))
def test_an_escaped_name_can_be_restored(text: str) -> None:
    assert unescape(escape(text)) == text
    assert not find_unprintable(escape(text))
