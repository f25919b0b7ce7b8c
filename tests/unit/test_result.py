import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ocrfarm.document import Coverage, Document, Gap, Line, Page, Word
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.result import document_from_json, document_to_json, document_to_text, page_to_preview

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
tenths = st.integers(-10, 1_000_000).map(lambda number: number / 10)
quads = st.lists(st.tuples(tenths, tenths), min_size=4, max_size=4).map(Quad.of)
shares = st.integers(0, 10_000).map(lambda number: number / 10_000)
words = st.builds(Word, texts, quads)
lines = st.builds(Line, texts, quads, shares, st.lists(words, max_size=3).map(tuple), texts)
boxes = st.builds(Box, *[st.integers(0, 10**6)] * 4)
gaps = st.builds(Gap, boxes, texts)
counts = st.integers(0, 10**6)
coverages = st.builds(
    Coverage, counts, counts, counts, shares, shares, counts, counts, st.lists(gaps, max_size=2).map(tuple), texts
)
sizes = st.builds(Size, st.integers(1, 10**6), st.integers(1, 10**6))
pages = st.builds(Page, sizes, st.lists(lines, max_size=3).map(tuple), coverages)
documents = st.builds(
    Document,
    st.lists(pages, max_size=3).map(tuple),
    st.dictionaries(texts, st.integers(0, 1000).map(float), max_size=3),
)


@given(documents)
def test_json_gives_the_document_back(document: Document) -> None:
    assert document_from_json(document_to_json(document)) == document


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"format": "ocrfarm/9", "pages": []}', b'{"format": "ocrfarm/1"}']
)
def test_other_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        document_from_json(data)


def a_page(*lines: Line) -> Page:
    return Page(Size(400, 200), lines, Coverage(1, read=1))


def a_line(text: str, confidence: float = 1.0, quad: Quad | None = None) -> Line:
    return Line(text, quad or Quad.upright(100, 50, 300, 80), confidence)


def test_text_has_a_row_a_line_and_an_empty_row_between_pages() -> None:
    document = Document((a_page(a_line("one"), a_line("two")), a_page(a_line("drei 三"))))
    assert document_to_text(document).decode() == "one\ntwo\n\ndrei 三\n"


def test_the_preview_shows_where_the_lines_are_and_how_sure_they_are() -> None:
    overview = io.BytesIO()
    Image.new("L", (200, 100), 255).save(overview, "PNG")
    sure = a_line("sure")
    unsure = a_line("?", 0.2, Quad.upright(20, 120, 60, 150))
    outside = a_line("cut", 1.0, Quad.upright(-50, -20, 5000, 10))
    drawn = Image.open(io.BytesIO(page_to_preview(a_page(sure, unsure, outside), overview.getvalue())))
    red, green, _ = np.asarray(drawn)[30, 50].tolist()
    assert green > red
    red, green, _ = np.asarray(drawn)[60, 10].tolist()
    assert red > green
    assert drawn.getpixel((100, 32)) == (255, 255, 255)
