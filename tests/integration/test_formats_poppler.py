"""Searchable PDF as poppler reads it: pdftotext finds the words, in their place."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ocrfarm.document import Document
from tests.benchmarks.pdf import count_found, words_of_pdf
from tests.support.sample_documents import DOCUMENTS, draw_origin, make_line, make_page, write_format
from tests.support.servers import require


@pytest.fixture(autouse=True)
def _poppler() -> None:
    require(shutil.which("pdftotext"), "pdftotext is missing: apt-get install poppler-utils")


def pdf(document: Document, folder: Path) -> Path:
    path = folder / "sheet.pdf"
    path.write_bytes(write_format("pdf", document, draw_origin(document, folder)))
    return path


@pytest.mark.parametrize("name", ["ordinary", "han", "empty", "partial", "several"])
def test_every_word_is_found_in_its_place(name: str, tmp_path: Path) -> None:
    document = DOCUMENTS[name]
    found, words = count_found(document.pages[0], words_of_pdf(pdf(document, tmp_path)))
    assert (
        found
        == words
        == len(document.pages[0].lines and " ".join(line.text for line in document.pages[0].lines).split())
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_text_is_there_once(name: str, tmp_path: Path) -> None:
    document = DOCUMENTS[name]
    shown = subprocess.run(["pdftotext", pdf(document, tmp_path), "-"], check=True, capture_output=True, text=True)
    assert not shown.stderr
    words = [word for line in document.lines for word in line.text.split() if word.isprintable()]
    assert [word for word in words if shown.stdout.split().count(word) != words.count(word)] == []


@pytest.mark.parametrize("angle", [0, 2, 7, 90, 178, 180, 270])
def test_words_stay_whole_at_any_angle(angle: int, tmp_path: Path) -> None:
    document = Document((make_page(make_line("RESERVOIR 至二号水库", x=450, y=350, angle=angle, height=20)),))
    found, words = count_found(document.pages[0], words_of_pdf(pdf(document, tmp_path)))
    assert (found, words) == (2, 2)


@pytest.mark.parametrize("angle", range(20, 360, 35))
def test_slanted_words_are_found(angle: int, tmp_path: Path) -> None:
    """Poppler tells upright boxes that begin where the word does: the place is not compared."""
    document = Document((make_page(make_line("RESERVOIR 至二号水库", x=450, y=350, angle=angle, height=20)),))
    assert sorted(text for text, _ in words_of_pdf(pdf(document, tmp_path))) == ["RESERVOIR", "至二号水库"]


def test_words_that_nearly_touch_stay_apart(tmp_path: Path) -> None:
    one, two = make_line("one", x=100).words[0], make_line("two", x=100).words[0]
    close = type(two)("two", two.quad.transform(54.2, 0))
    line = make_line("one two")
    document = Document((make_page(type(line)(line.text, line.quad, 1.0, (one, close))),))
    assert [text for text, _ in words_of_pdf(pdf(document, tmp_path))] == ["one", "two"]
