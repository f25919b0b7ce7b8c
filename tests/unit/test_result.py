import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ocrfarm.document import Coverage, Document, Line, Page
from ocrfarm.errors import MissingPackage, UnknownFormat
from ocrfarm.geometry import Quad, Size
from ocrfarm.result import SourceInfo, document_from_json
from ocrfarm.result.formats import FORMATS, Format, find_formats
from tests.support.sample_documents import write_format


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"format": "ocrfarm/9", "pages": []}', b'{"format": "ocrfarm/1"}']
)
def test_other_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json has its own words
        document_from_json(data)


def make_page(*lines: Line) -> Page:
    return Page(Size(400, 200), lines, Coverage(1, read=1))


def make_line(text: str, confidence: float = 1.0, quad: Quad | None = None) -> Line:
    return Line(text, quad or Quad.from_bounds(100, 50, 300, 80), confidence)


def make_origin(overview: bytes = b"") -> SourceInfo:
    return SourceInfo("sheet.png", lambda: Path("sheet.png"), lambda page: overview, lambda page: [], stem="sheet")


def test_text_has_a_row_a_line_and_an_empty_row_between_pages() -> None:
    document = Document((make_page(make_line("one"), make_line("two")), make_page(make_line("drei 三"))))
    assert write_format("txt", document, make_origin()).decode() == "one\ntwo\n\ndrei 三\n"


@pytest.mark.parametrize("name", ["preview", "webp"])
def test_the_preview_shows_where_the_lines_are_and_how_sure_they_are(name: str) -> None:
    overview = io.BytesIO()
    Image.new("L", (200, 100), 255).save(overview, "PNG")
    sure = make_line("sure")
    unsure = make_line("?", 0.2, Quad.from_bounds(20, 120, 60, 150))
    outside = make_line("cut", 1.0, Quad.from_bounds(-50, -20, 5000, 10))
    document = Document((make_page(sure, unsure, outside),))
    drawn = Image.open(io.BytesIO(write_format(name, document, make_origin(overview.getvalue())))).convert("RGB")
    red, green, _ = np.asarray(drawn)[30, 50].tolist()
    assert green > red
    red, green, _ = np.asarray(drawn)[60, 10].tolist()
    assert red > green
    assert min(np.asarray(drawn)[32, 100].tolist()) > 240


def test_formats_are_found_by_name_each_once_and_in_order() -> None:
    assert [each.name for each in find_formats(" TXT,json ,txt,")] == ["txt", "json"]


@pytest.mark.parametrize(
    ("names", "words"), [("hcor", "did you mean hocr"), ("json,docx", "docx"), (",", "choose from")]
)
def test_what_is_no_format_is_told_and_the_formats_are_named(names: str, words: str) -> None:
    with pytest.raises(UnknownFormat, match=words) as told:
        find_formats(names)
    assert all(name in str(told.value) for name in FORMATS)


def test_a_package_that_is_missing_is_told_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocrfarm.result.formats.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"pip install 'ocrfarm\[parquet\]'"):
        find_formats("parquet")


def test_files_are_named_by_stem_page_and_format() -> None:
    assert FORMATS["alto"].file_name("sheet") == "sheet.alto.xml"
    assert [FORMATS["page"].file_name("sheet", page) for page in (0, 2)] == ["sheet.page.xml", "sheet.p0002.page.xml"]
    assert len({each.suffix for each in FORMATS.values()}) == len(FORMATS)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS.keys())
@given(st.text("ab.p0123/", min_size=1), st.integers(0, 20_000))
def test_a_file_name_tells_the_stem_that_it_has(form: Format, stem: str, page: int) -> None:
    number = page if form.is_per_page else 0
    assert stem in form.possible_stems(form.file_name(stem, number))
    assert form.possible_stems(f"{stem}.other") == set()
