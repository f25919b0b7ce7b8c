"""What is written can be read again, by other programs too, and is the same."""

import csv
import io
import itertools
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ocrfarm.document import Document, Line, Word
from ocrfarm.geometry import Quad
from ocrfarm.result import SourceInfo, document_from_json, document_to_json
from ocrfarm.result.blocks import group_blocks
from ocrfarm.result.words import words_of
from ocrfarm.result.xml import replace_forbidden
from tests.support.document_strategies import documents, lines, texts
from tests.support.sample_documents import write_format

ORIGIN = SourceInfo("sheet.png", lambda: Path("sheet.png"), lambda page: b"", lambda page: [], stem="sheet")


@given(documents)
def test_json_is_read_as_it_was_written(document: Document) -> None:
    assert document_from_json(document_to_json(document)) == document


@given(documents)
def test_json_lines_are_read_as_they_were_written(document: Document) -> None:
    rows = [json.loads(row) for row in write_format("jsonl", document, ORIGIN).split(b"\n")[:-1]]
    head, *others = rows
    pages = {row["page"]: row | {"lines": []} for row in others if row["kind"] == "page"}
    for row in others:
        if row["kind"] == "line":
            pages[row["page"]]["lines"].append(row)
            assert len(pages[row["page"]]["lines"]) == row["line"]
    assert document_from_json(json.dumps(head | {"pages": list(pages.values())}).encode()) == document


def bare(document: Document) -> list[tuple[int, int, Line]]:
    """Give page, number and line without its words, which a table has no room for."""
    return [
        (number + 1, order, Line(line.text, line.quad, line.confidence, (), line.model))
        for number, page in zip(document.page_numbers, document.pages, strict=True)
        for order, line in enumerate(page.lines, 1)
    ]


def told(row: dict[str, Any]) -> tuple[int, int, Line]:
    quad = Quad.from_points([(float(row[f"x{corner}"]), float(row[f"y{corner}"])) for corner in range(4)])
    return int(row["page"]), int(row["line"]), Line(row["text"], quad, float(row["confidence"]), (), row["model"])


@given(documents)
def test_csv_is_read_as_it_was_written(document: Document) -> None:
    origin = replace(ORIGIN, raw_cells=True)
    text = io.StringIO(write_format("csv", document, origin).decode("utf-8-sig"), newline="")
    assert [told(row) for row in csv.DictReader(text)] == bare(document)


@given(documents)
def test_tsv_but_for_control_characters(document: Document) -> None:
    head, *rows = write_format("tsv", document, replace(ORIGIN, raw_cells=True)).decode().split("\n")[:-1]
    found = [told(dict(zip(head.split("\t"), row.split("\t"), strict=True))) for row in rows]
    assert found == [
        (page, order, replace(line, text=plain(line.text), model=plain(line.model)))
        for page, order, line in bare(document)
    ]


def plain(text: str) -> str:
    return "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)


@given(documents)
def test_parquet_is_read_as_it_was_written(document: Document) -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(write_format("parquet", document, ORIGIN)))
    assert [told(row) for row in table.to_pylist()] == bare(document)
    words = [[word["text"] for word in words] for words in table.column("words").to_pylist()]
    assert words == [[word.text for word in line.words] for line in document.lines]


def texts_of(data: bytes, path: str) -> Iterator[str]:
    for found in etree.fromstring(data).xpath(path):
        yield found if isinstance(found, str) else found.text or ""


@given(documents)
def test_xml_holds_every_text_but_for_what_it_forbids(document: Document) -> None:
    words = [replace_forbidden(word.text) for line in document.lines for word in words_of(line)]
    assert list(texts_of(write_format("alto", document, ORIGIN), "//*[local-name()='String']/@CONTENT")) == words
    shown = texts_of(write_format("hocr", document, ORIGIN), "//*[@class='ocrx_word']")
    assert [text.replace("\r", "") for text in shown] == [word.replace("\r", "") for word in words]


@given(lines)
def test_the_words_of_a_line_make_up_its_text(line: Line) -> None:
    words = words_of(line)
    assert "".join(word.text for word in words) == "".join(line.text.split())
    shown = "".join(f"{word.text} " if word.has_space_after else word.text for word in words)
    assert shown.split() == line.text.split()


@given(texts, st.lists(st.integers(0, 20), max_size=3))
def test_words_that_were_told_keep_their_places(text: str, cuts: list[int]) -> None:
    plain = "".join(text.split())
    bounds = sorted({0, len(plain), *(cut for cut in cuts if cut < len(plain))})
    parts = [plain[start:end] for start, end in itertools.pairwise(bounds)]
    quads = [Quad.from_bounds(number, 0, number + 1, 1) for number in range(len(parts))]
    from_tiles = Line(text, Quad.from_bounds(0, 0, 9, 1), 1.0, tuple(map(Word, parts, quads)))
    assert [(word.text, word.quad) for word in words_of(from_tiles)] == list(zip(parts, quads, strict=True))


@given(st.lists(lines, max_size=8))
def test_blocks_hold_every_line_once_and_in_order(given: list[Line]) -> None:
    found = group_blocks(given)
    assert [line for block in found for line in block] == given
    assert all(found)
