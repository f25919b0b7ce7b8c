"""--formats as a person uses it: over a folder, over a farm, and what is asked for by mistake."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from ocrfarm.client import Client
from ocrfarm.farm.embedded.farm import EmbeddedFarm, WorkerLayout
from ocrfarm.geometry import Size
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from ocrfarm.result.formats import FORMATS
from ocrfarm.storage import layout, open_store
from tests.support.command_line import run_ocrfarm

ALL = ",".join(FORMATS)
IN_PROCESS = ["--profile", "synthetic", "--in-process"]


def page(seed: int) -> tuple[Image.Image, list[str]]:
    pixels, truth = make_synthetic_page(Size(1200, 900), seed=seed, lines=12)
    return Image.fromarray(pixels), sorted(line.text for line in truth)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "outcomes.csv")


def test_all_formats_of_one_image(tmp_path: Path) -> None:
    image, texts = page(1)
    image.save(tmp_path / "sheet.png")
    ended = run_ocrfarm("read", "sheet.png", "--out", "out", "--formats", ALL, *IN_PROCESS, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert names(tmp_path / "out") == sorted(form.file_name("sheet") for form in FORMATS.values())
    assert all(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert sorted((tmp_path / "out/sheet.txt").read_text().split("\n")) == sorted(["", *texts])
    first = ended.stdout.splitlines()[0]
    assert first.startswith("sheet.png -> out/sheet.json, .jsonl, .txt, ")
    assert all(form.suffix in first for form in FORMATS.values())


def test_only_what_is_asked_for_is_written(tmp_path: Path) -> None:
    page(1)[0].save(tmp_path / "sheet.png")
    assert (
        run_ocrfarm("read", "sheet.png", "--out", "out", "--formats", "csv, hocr", *IN_PROCESS, cwd=tmp_path).returncode
        == 0
    )
    assert names(tmp_path / "out") == ["sheet.csv", "sheet.hocr"]


def test_pages_of_one_image(tmp_path: Path) -> None:
    first, second = page(1), page(2)
    first[0].save(tmp_path / "book.tif", save_all=True, append_images=[second[0]], compression="tiff_lzw")
    arguments = ["--formats", "pdf,page,preview,alto,iiif", "--base-url", "https://library.example/scans"]
    ended = run_ocrfarm("read", "book.tif", "--out", "out", *arguments, *IN_PROCESS, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    each = ["book.p0001.page.xml", "book.p0001.preview.png", "book.page.xml", "book.preview.png"]
    assert names(tmp_path / "out") == sorted(["book.alto.xml", "book.iiif.json", "book.pdf", *each])
    with pypdfium2.PdfDocument(tmp_path / "out/book.pdf") as pdf:
        for number, (image, texts) in enumerate((first, second)):
            assert sorted(pdf[number].get_textpage().get_text_bounded().split()) == sorted(" ".join(texts).split())
            drawn = pdf[number].render(scale=1200 / pdf[number].get_width() - 1e-6).to_pil().convert("L")
            assert np.abs(np.asarray(drawn, float) - np.asarray(image, float)).mean() < 1
    manifest = json.loads((tmp_path / "out/book.iiif.json").read_text())
    assert manifest["id"] == "https://library.example/scans/book.iiif.json"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--formats", "hcor"], "UnknownFormat: hcor: no such format; did you mean hocr?"),
        (["--formats", ""], "no format"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(arguments: list[str], words: str, tmp_path: Path) -> None:
    page(1)[0].save(tmp_path / "sheet.png")
    ended = run_ocrfarm("read", "sheet.png", "--out", "out", *arguments, *IN_PROCESS, cwd=tmp_path)
    assert (ended.returncode, words in ended.stderr, ended.stderr.count("\n")) == (4, True, 1), ended.stderr
    assert names(tmp_path) == ["sheet.png"]


@pytest.mark.parametrize("part", ["", ".p0001"])
def test_results_do_not_take_the_place_of_images(part: str, tmp_path: Path) -> None:
    preview = f"sheet{part}.preview.png"
    for name in ("sheet.png", preview):
        page(1)[0].save(tmp_path / name)
    before = (tmp_path / preview).read_bytes()
    ended = run_ocrfarm("read", ".", "--out", ".", *IN_PROCESS, cwd=tmp_path)
    assert (ended.returncode, "would be overwritten" in ended.stderr) == (4, True), ended.stderr
    assert names(tmp_path) == sorted(["sheet.png", preview])
    assert (tmp_path / preview).read_bytes() == before


@pytest.fixture(scope="module")
def farm() -> Iterator[EmbeddedFarm]:
    with EmbeddedFarm("synthetic", layout=WorkerLayout(1)) as farm:
        yield farm


def test_results_of_a_job_fetch_the_image_only_where_a_format_needs_it(farm: EmbeddedFarm, tmp_path: Path) -> None:
    image, texts = page(3)
    image.save(tmp_path / "sheet.png")
    endpoints = farm.settings.endpoints
    settings = {
        "OCRFARM_BROKER": endpoints.broker,
        "OCRFARM_STORE": endpoints.store,
        "OCRFARM_KEY_PREFIX": endpoints.key_prefix,
    }
    job = Client(settings=farm.settings).submit(tmp_path / "sheet.png", profile="synthetic")
    job.wait(60)
    ended = run_ocrfarm("fetch", job.id, "--out", "out", "--formats", "pdf,geojson,hocr", cwd=tmp_path, **settings)
    assert ended.returncode == 0, ended.stderr
    assert names(tmp_path / "out") == [f"{job.id}.{kind}" for kind in ("geojson", "hocr", "pdf")]
    packed = (tmp_path / "sheet.png").read_bytes().partition(b"IDAT")[2][:1000]
    assert packed in (tmp_path / "out" / f"{job.id}.pdf").read_bytes()
    assert 'image "sheet.png"' in (tmp_path / "out" / f"{job.id}.hocr").read_text()
    with pypdfium2.PdfDocument(tmp_path / "out" / f"{job.id}.pdf") as pdf:
        assert sorted(pdf[0].get_textpage().get_text_bounded().split()) == sorted(" ".join(texts).split())
    open_store(endpoints.store).delete([layout.source(job.id)])
    assert (
        run_ocrfarm(
            "fetch", job.id, "--out", "more", "--formats", "json,csv,preview", cwd=tmp_path, **settings
        ).returncode
        == 0
    )
    ended = run_ocrfarm("fetch", job.id, "--out", "some", "--formats", "pdf,txt", cwd=tmp_path, **settings)
    assert (ended.returncode, "ObjectNotFound" in ended.stderr) == (7, True), ended.stderr
    assert names(tmp_path / "some") == [f"{job.id}.txt"]  # what can be written is
