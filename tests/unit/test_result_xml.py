"""ALTO and PAGE against their schemas, hOCR against its specification, and what they say of every word."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from htrvx.schemas import Validator
from lxml import etree

from ocrfarm.document import Document, Line
from ocrfarm.result.words import words_of
from tests.support.sample_documents import DOCUMENTS, draw_origin, write_format

every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())

ALTO = {"a": "http://www.loc.gov/standards/alto/ns-v4#"}
PAGE = {"p": "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"}


@pytest.fixture(scope="module")
def alto() -> Any:
    return Validator("alto").xmlschema


@pytest.fixture(scope="module")
def page() -> Any:
    return Validator("page").xmlschema


def shown(text: str) -> str:
    """Give the text as XML holds it."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", text)


def words(document: Document) -> list[str]:
    return [shown(word.text) for line in document.lines for word in words_of(line)]


@every_document
def test_alto_follows_its_schema_and_holds_every_word(document: Document, tmp_path: Path, alto: Any) -> None:
    tree = etree.fromstring(write_format("alto", document, draw_origin(document, tmp_path)))
    alto.assertValid(tree)
    assert tree.xpath("//a:String/@CONTENT", namespaces=ALTO) == words(document)
    assert len(tree.xpath("//a:Page", namespaces=ALTO)) == len(document.pages)


@every_document
def test_page_follows_its_schema_and_holds_every_text(document: Document, tmp_path: Path, page: Any) -> None:
    origin = draw_origin(document, tmp_path)
    for number, each in enumerate(document.pages):
        single = replace(document, pages=(each,))
        tree = etree.fromstring(write_format("page", single, replace(origin, page_offset=number)))
        page.assertValid(tree)
        assert tree.xpath("//p:Word/p:TextEquiv/p:Unicode/text()", namespaces=PAGE) == words(single)
        lines = tree.xpath("//p:TextLine/p:TextEquiv/p:Unicode/text()", namespaces=PAGE)
        assert lines == [shown(line.text) for line in each.lines]


@every_document
def test_hocr_follows_its_specification(document: Document, tmp_path: Path) -> None:
    (tmp_path / "sheet.hocr").write_bytes(write_format("hocr", document, draw_origin(document, tmp_path)))
    validator = str(Path(sys.executable).with_name("hocr-spec"))
    command = [validator, "--profile", "standard", str(tmp_path / "sheet.hocr")]
    told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert "Document is valid" in told.stdout, told.stdout + told.stderr


@every_document
def test_hocr_holds_every_word_for_parsers_of_xml_and_of_html(document: Document, tmp_path: Path) -> None:
    data = write_format("hocr", document, draw_origin(document, tmp_path))
    for tree in (etree.fromstring(data), etree.fromstring(data, etree.HTMLParser(encoding="utf-8"))):
        found = tree.xpath("//*[@class='ocrx_word']")
        assert [each.text for each in found] == words(document)
        assert len(tree.xpath("//*[@class='ocr_page']")) == len(document.pages)
        assert len(tree.xpath("//*[@class='ocr_line']/ancestor::*[@class='ocr_page']")) <= len(document.pages)


def test_places_are_whole_pixels_of_the_page(tmp_path: Path) -> None:
    document = DOCUMENTS["turned"]
    data = write_format("hocr", document, draw_origin(document, tmp_path))
    boxes = [list(map(int, found)) for found in re.findall(rb"ocr_line\" title=\"bbox (\d+) (\d+) (\d+) (\d+)", data)]
    expected = [line.quad.bounds() for line in document.lines]
    for found, box in zip(boxes, expected, strict=True):
        assert found == pytest.approx([box.x0, box.y0, box.x1, box.y1], abs=1)


@pytest.mark.parametrize(("number", "angle"), [(0, 20.0), (1, 90.0), (2, 270.0), (3, 180.0), (4, 320.0)])
def test_angles_count_counter_clockwise(number: int, angle: float, tmp_path: Path) -> None:
    document = DOCUMENTS["turned"]
    data = write_format("hocr", document, draw_origin(document, tmp_path)).decode()
    assert float(re.findall(r"textangle ([\d.]+)", data)[number]) == pytest.approx(angle, abs=0.01)
    tree = etree.fromstring(write_format("alto", document, draw_origin(document, tmp_path)))
    assert float(tree.xpath("//a:TextBlock/@ROTATION", namespaces=ALTO)[number]) == pytest.approx(angle, abs=0.01)


def test_what_lies_off_the_page_is_drawn_back_to_its_side(tmp_path: Path, page: Any) -> None:
    line = DOCUMENTS["ordinary"].lines[0]
    outside = Line(line.text, line.quad.transform(-200, -60), 1.0)
    document = Document((replace(DOCUMENTS["ordinary"].pages[0], lines=(outside,)),))
    tree = etree.fromstring(write_format("page", document, draw_origin(document, tmp_path)))
    page.assertValid(tree)
    assert "0,0" in tree.xpath("//p:TextLine/p:Coords/@points", namespaces=PAGE)[0]


def test_lines_below_one_another_are_a_block(tmp_path: Path) -> None:
    document = DOCUMENTS["ordinary"]
    tree = etree.fromstring(write_format("alto", document, draw_origin(document, tmp_path)))
    assert [len(block) for block in tree.xpath("//a:TextBlock", namespaces=ALTO)] == [2, 1]
