"""PDFs, page ranges, regions and masks as a person uses them, in this process and over a farm."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from ocrfarm.geometry import Size
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from tests.support.command_line import run_ocrfarm
from tests.support.pdf_files import PdfBuilder

SYNTHETIC_PROFILE = ["--profile", "synthetic", "--tile-size", "512"]
each_backend = pytest.mark.parametrize("where", [["--in-process"], []], ids=["in process", "over a farm"])
PAGE = Size(1200, 900)
POINTS = (1200 * 72 / 200, 900 * 72 / 200)


def write_book(path: Path, count: int) -> list[list[str]]:
    """Write a PDF of scanned pages at 200 dpi, one of which has text already; give the lines of each."""
    maker, texts = PdfBuilder(), []
    for seed in range(count):
        pixels, truth = make_synthetic_page(PAGE, seed=seed, lines=12)
        page = maker.add_image(pixels, POINTS)
        if seed == 1:
            page.contents_add(maker.text_content("old", mode=3))
        texts.append(sorted(line.text for line in truth))
    maker.save(path)
    return texts


def read_pages(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["pages"]
    return found


def lines(page: dict[str, Any]) -> list[str]:
    return sorted(line["text"] for line in page["lines"])


@each_backend
def test_a_pdf_is_read_and_keeps_its_pages(tmp_path: Path, where: list[str]) -> None:
    texts = write_book(tmp_path / "book.pdf", 3)
    ended = run_ocrfarm(
        "read", "book.pdf", "--out", "out", "--formats", "json,pdf,preview", *SYNTHETIC_PROFILE, *where, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    found = read_pages(tmp_path / "out/book.json")
    assert [lines(page) for page in found] == texts
    assert [(page["dpi"], page["has_text"], page.get("number")) for page in found] == [
        (200.0, False, None),
        (200.0, True, None),
        (200.0, False, None),
    ]
    with pypdfium2.PdfDocument(tmp_path / "out/book.pdf") as pdf, pypdfium2.PdfDocument(tmp_path / "book.pdf") as old:
        for number, expected in enumerate(texts):
            words = pdf[number].get_textpage().get_text_bounded().split()
            assert sorted(word for word in words if word != "old") == sorted(" ".join(expected).split())
            before, after = (np.asarray(each[number].render(scale=1).to_pil()) for each in (old, pdf))
            assert (before == after).all()
        assert_text_position(pdf[0], found[0])


def assert_text_position(page: Any, read: dict[str, Any]) -> None:
    scale = page.get_width() / read["width"]
    upright = [line for line in read["lines"] if line["quad"][0][1] == line["quad"][1][1]]
    reader = page.get_textpage()
    assert upright
    for line in upright:
        (x0, y0), _, (x1, y1), _ = line["quad"]
        box = (x0 * scale, page.get_height() - y1 * scale, x1 * scale, page.get_height() - y0 * scale)
        assert reader.get_text_bounded(*box).split() == line["text"].split()


@each_backend
def test_some_pages_of_a_pdf(tmp_path: Path, where: list[str]) -> None:
    texts = write_book(tmp_path / "book.pdf", 4)
    arguments = ["--formats", "json,csv,pdf,preview,hocr,iiif", "--pages", "2,4-"]
    ended = run_ocrfarm("read", "book.pdf", "--out", "out", *arguments, *SYNTHETIC_PROFILE, *where, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    found = read_pages(tmp_path / "out/book.json")
    assert [(page["number"], lines(page)) for page in found] == [(2, texts[1]), (4, texts[3])]
    rows = csv.DictReader(io.StringIO((tmp_path / "out/book.csv").read_text("utf-8-sig")))
    assert {row["page"] for row in rows} == {"2", "4"}
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {
        "book.p0001.preview.png",
        "book.p0003.preview.png",
    }
    assert "ppageno 3" in (tmp_path / "out/book.hocr").read_text()
    assert "/page/4/line/1" in (tmp_path / "out/book.iiif.json").read_text()
    with pypdfium2.PdfDocument(tmp_path / "out/book.pdf") as pdf:
        words = [pdf[number].get_textpage().get_text_bounded().split() for number in range(4)]
    assert [bool(each) for each in words] == [False, True, False, True]
    ended = run_ocrfarm("read", "book.pdf", "--out", "out", "--pages", "7", *SYNTHETIC_PROFILE, *where, cwd=tmp_path)
    assert (ended.returncode, "has 4 pages, and none of them" in ended.stderr) == (3, True), ended.stderr


@each_backend
def test_regions_and_masks_limit_what_is_read(tmp_path: Path, where: list[str]) -> None:
    pixels, _ = make_synthetic_page(Size(2000, 1500), seed=5, lines=40)
    Image.fromarray(pixels).save(tmp_path / "sheet.png")
    white = np.zeros((150, 200), np.uint8)
    white[90:, :40] = 255
    Image.fromarray(white).save(tmp_path / "mask.png")
    arguments = ["--region", "1500,0,2000,400", "--region", "0,0,400,300", "--mask", "mask.png"]
    ended = run_ocrfarm(
        "read", "sheet.png", "--out", "out", "--formats", "json", *arguments, *SYNTHETIC_PROFILE, *where, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    assert "excluded by --region or --mask" in ended.stdout
    (page,) = read_pages(tmp_path / "out/sheet.json")
    assert page["lines"]
    assert page["coverage"]["excluded"]
    assert page["coverage"]["gaps"] == []
    for line in page["lines"]:
        middles = [np.mean(word["quad"], axis=0) for word in line["words"]]
        assert any((x >= 1500 and y < 400) or (x < 400 and y < 300) or (x < 400 and y >= 900) for x, y in middles), line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pages", "3-1"], "is not a range of pages"),
        (["--region", "1,2,3"], "is not a region"),
        (["--mask", "sheet.png"], "nothing on this mask is white"),
        (["--mask", "gone.png"], "this mask cannot be read"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(tmp_path: Path, arguments: list[str], words: str) -> None:
    Image.new("L", (9, 9)).save(tmp_path / "sheet.png")
    ended = run_ocrfarm("read", "sheet.png", "--out", "out", *arguments, *SYNTHETIC_PROFILE, cwd=tmp_path)
    assert (ended.returncode, words in ended.stderr, ended.stderr.count("\n")) == (4, True, 1), ended.stderr
    assert not (tmp_path / "out").exists()
