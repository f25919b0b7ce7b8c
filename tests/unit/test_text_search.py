"""Search in a document: what is found, and the place of exactly these characters."""

# ruff: noqa: RUF001 - letters of full width are what is looked for

import re
import unicodedata
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocrfarm.document import Document, Line, Word
from ocrfarm.geometry import Box, Quad
from ocrfarm.text_search import compile_search, iter_clusters
from tests.support.document_strategies import documents
from tests.support.sample_documents import DOCUMENTS, SIZE, make_line, make_page

MARKS = "aeI\u00dfﬁ\u0130\u0301\u0323\u0327\u1100\u1161\u11a8\uac00\uff76\uff9e\u2460 \u3000Å"

nfkc = partial(unicodedata.normalize, "NFKC")


def found(text: str, what: str | re.Pattern[str]) -> list[str]:
    return [text[start:end] for start, end in compile_search(what)(text)]


@pytest.mark.parametrize(
    ("text", "what", "expected"),
    [
        ("PUMP HOUSE No. 7", "pump house", ["PUMP HOUSE"]),
        ("pump   house", "pump house", ["pump   house"]),
        ("Straße, STRASSE", "strasse", ["Straße", "STRASSE"]),
        ("ＤＮ８０ and DN80", "dn80", ["ＤＮ８０", "DN80"]),
        ("ﬁre ﬂow", "fire", ["ﬁre"]),
        ("cafe\u0301 café", "café", ["cafe\u0301", "café"]),
        ("café", "cafe", []),
        ("总说明 DN80", "说明", ["说明"]),
        ("ｶﾞｽ管", "ガス", ["ｶﾞｽ"]),
        ("각", "\u1100\u1161\u11a8", ["각"]),
        ("İzmir", "i\u0307zmir", ["İzmir"]),
        ("a.b", ".", ["."]),
        ("a b", "", []),
        ("a b", " ", []),
        ("DN 80, dn 100", re.compile(r"DN\s*\d+"), ["DN 80"]),
        ("DN 80, dn 100", re.compile(r"dn\s*\d+", re.IGNORECASE), ["DN 80", "dn 100"]),
        ("Ｎｏ.１２", re.compile(r"No\.\d+"), ["Ｎｏ.１２"]),
        ("aaa", re.compile("x*"), []),
    ],
)
def test_a_search_ignores_case_and_compatibility_forms(
    text: str, what: str | re.Pattern[str], expected: list[str]
) -> None:
    assert found(text, what) == expected


@given(st.text(st.one_of(st.sampled_from(MARKS), st.characters(exclude_categories=["Cs"])), max_size=12))
@example("a\u0315\u0300\u05ae\u0323b")
def test_the_parts_of_a_text_are_the_whole_in_nfkc(text: str) -> None:
    parts = [text[start:end] for start, end in iter_clusters(text)]
    assert "".join(parts) == text
    assert "".join(map(nfkc, parts)) == nfkc(text)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_any_text_is_found_where_it_stands(what: str) -> None:
    assert (2, 2 + len(what)) in compile_search(what)(f"- {what} -")


@given(documents, st.text(max_size=3))
def test_any_search_in_any_document_gives_hits_that_lie_in_their_lines(document: Document, what: str) -> None:
    for hit in document.search(what):
        assert hit.line in document.pages[hit.page].lines
        assert hit.text


def test_the_place_of_a_hit_comes_from_the_boxes_of_words() -> None:
    words = (Word("PUMP", Quad.from_bounds(100, 0, 180, 20)), Word("HOUSE", Quad.from_bounds(400, 0, 500, 20)))
    line = Line("PUMP HOUSE", Quad.from_bounds(100, 0, 500, 20), 0.9, words)
    document = Document((make_page(), make_page(line)))
    places = [(hit.page, hit.quad) for what in ("pump", "ump h", "use") for hit in document.search(what)]
    assert places == [
        (1, Quad.from_bounds(100, 0, 180, 20)),
        (1, Quad.from_bounds(120, 0, 420, 20)),
        (1, Quad.from_bounds(440, 0, 500, 20)),
    ]


def test_the_place_of_a_hit_on_a_slanted_line_is_slanted() -> None:
    line = make_line("RIVER ALDER", x=100, y=400, angle=20)
    (hit,) = Document((make_page(line),)).search("alder")
    word = line.words[1].quad
    assert all(
        abs(a - b) < 1e-9 for p, q in zip(hit.quad.points, word.points, strict=True) for a, b in zip(p, q, strict=True)
    )


def test_a_line_without_words_is_cut_by_its_characters() -> None:
    line = Line("abcd", Quad.from_bounds(0, 0, 40, 10), 1.0)
    assert line.locate(1, 3) == Quad.from_bounds(10, 0, 30, 10)
    assert Line("a  b", Quad.from_bounds(0, 0, 40, 10), 1.0).locate(1, 3) == Quad.from_bounds(10, 0, 30, 10)


def test_lines_in_a_box_are_those_whose_middle_lies_in_it() -> None:
    page = DOCUMENTS["ordinary"].pages[0]
    halves = Box(0, 0, SIZE.width // 2, SIZE.height), Box(SIZE.width // 2, 0, SIZE.width, SIZE.height)
    parts = [page.lines_in(half) for half in halves]
    assert sum(map(len, parts)) == len(page.lines)
    assert [line.text for line in parts[1]] == ["x"]
    assert DOCUMENTS["several"].lines_in(Box(0, 0, 900, 700), page=2)[0].text == "四"
