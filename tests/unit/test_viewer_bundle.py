"""The viewer's folder: what a browser gets of a document and its image."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ocrfarm.cli.journal import JOURNAL_NAME, Journal, JournalEntry
from ocrfarm.cli.view import view
from ocrfarm.document import Coverage, Document, Line
from ocrfarm.errors import DamagedImage, ImageNotFound, InvalidResult, MissingPackage, StoreFull
from ocrfarm.geometry import Quad, Size
from ocrfarm.image import open_source
from ocrfarm.pipeline import run_pipeline
from ocrfarm.recognize import Tiling, find_profile
from ocrfarm.recognize.synthetic_engine import SyntheticEngine, make_synthetic_page
from ocrfarm.result import document_to_json
from ocrfarm.viewer import ViewerItem, bundle, write_viewer
from ocrfarm.viewer.binary_lines import SECOND_PASS_OUTCOMES, list_models, pack_lines
from ocrfarm.viewer.pages import page_entry
from tests.support.document_strategies import lines
from tests.support.image_files import encode, make_noise
from tests.support.sample_documents import DOCUMENTS, make_line, make_page, save_image
from tests.support.small_disk import mount_small_disk

QUAD = Quad.from_bounds(0, 0, 10, 10)


@given(st.lists(lines, max_size=5))
def test_packed_lines_are_what_they_were(some: list[Line]) -> None:
    models = list_models(some)
    data, count = pack_lines(some, models), len(some)
    quads = np.frombuffer(data, "<f4", 8 * count).reshape(count, 4, 2)
    sure = np.frombuffer(data, "<u2", count, 32 * count)
    model, outcome = (np.frombuffer(data, "u1", count, at * count) for at in (34, 35))
    assert len(data) == 36 * count
    for number, line in enumerate(some):
        assert np.allclose(quads[number], line.quad.points, atol=0.01)
        assert sure[number] / 10_000 == line.confidence
        assert models[model[number]] == line.model
        assert SECOND_PASS_OUTCOMES[outcome[number]] == line.second_pass


def test_more_models_than_a_byte_tells_apart_are_no_error() -> None:
    some = [Line("", QUAD, 1, model=str(number)) for number in range(300)]
    assert len(pack_lines(some, list_models(some))) == 36 * 300


def _written(document: Document, place: Path) -> dict[str, Any]:
    image = save_image(document, place / ("sheet.tif" if len(document.pages) > 1 else "sheet.png"))
    write_viewer([ViewerItem("sheet", document, image)], place / "viewer", limits={})
    about: dict[str, Any] = json.loads((place / "viewer" / "viewer.json").read_bytes())
    return about


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_page_has_its_image_and_its_lines(name: str, tmp_path: Path) -> None:
    document = DOCUMENTS[name]
    about = _written(document, tmp_path)
    assert json.loads((tmp_path / "viewer" / "texts.json").read_bytes()) == [line.text for line in document.lines]
    assert about["lines"] == len(document.lines)
    assert [row["lines"] for row in about["pages"]] == [len(page.lines) for page in document.pages]
    assert all(row["first"] + row["lines"] == after["first"] for row, after in pairwise(about["pages"]))
    for row, page in zip(about["pages"], document.pages, strict=True):
        levels = tmp_path / "viewer" / row["folder"] / "image_files"
        largest = max(levels.iterdir(), key=lambda level: int(level.name))
        assert 2 ** int(largest.name) >= max(page.size.width, page.size.height)
        with Image.open(largest / "0_0.jpg") as corner:
            assert corner.width == min(page.size.width, 511)
        assert (levels / "0" / "0_0.jpg").is_file()


def test_the_folder_is_complete_and_holds_the_licence_of_what_it_ships(tmp_path: Path) -> None:
    _written(DOCUMENTS["ordinary"], tmp_path)
    names = {path.name for path in (tmp_path / "viewer").iterdir()}
    assert names >= {"index.html", "js", "openseadragon.min.js", "openseadragon.LICENSE.txt", "lines.bin"}
    assert "Copyright" in (tmp_path / "viewer" / "openseadragon.LICENSE.txt").read_text(encoding="utf-8")


def test_a_second_viewer_in_the_same_folder_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    _written(DOCUMENTS["several"], tmp_path)
    _written(DOCUMENTS["ordinary"], tmp_path)
    assert [path.name for path in (tmp_path / "viewer" / "pages").iterdir()] == ["0"]


def test_half_of_a_surrogate_pair_is_no_error(tmp_path: Path) -> None:
    _written(Document((make_page(make_line("a\ud800b")),)), tmp_path)
    assert json.loads((tmp_path / "viewer" / "texts.json").read_bytes()) == ["a?b"]


def test_another_image_is_refused(tmp_path: Path) -> None:
    image = save_image(DOCUMENTS["ordinary"], tmp_path / "sheet.png")
    with pytest.raises(ImageNotFound, match="other sizes"):
        write_viewer([ViewerItem("other", DOCUMENTS["several"], image)], tmp_path / "viewer", limits={})


def test_a_disk_without_room_is_not_called_a_damaged_image(tmp_path: Path) -> None:
    (tmp_path / "sheet.png").write_bytes(encode(make_noise(1500, 1500), "png"))
    sheet = ViewerItem("sheet", Document((make_page(size=Size(1500, 1500)),)), tmp_path / "sheet.png")
    with mount_small_disk(tmp_path / "disk", 1200) as disk, pytest.raises(StoreFull):
        write_viewer([sheet], disk.folder, limits={})


def test_a_damaged_image_is_said_to_be_one(tmp_path: Path) -> None:
    data = encode(make_noise(1500, 1500), "png")
    (tmp_path / "sheet.png").write_bytes(data[: len(data) // 2])
    sheet = ViewerItem("sheet", Document((make_page(size=Size(1500, 1500)),)), tmp_path / "sheet.png")
    with pytest.raises(DamagedImage):
        write_viewer([sheet], tmp_path / "viewer", limits={})


def test_without_the_library_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_OPENSEADRAGON_DIR", tmp_path / "nowhere")
    with pytest.raises(MissingPackage, match="scripts/install"):
        _written(DOCUMENTS["ordinary"], tmp_path)


def test_the_tiles_are_those_that_were_read(tmp_path: Path) -> None:
    pixels, _ = make_synthetic_page(Size(1500, 1300), seed=3, lines=25)
    Image.fromarray(pixels).save(tmp_path / "sheet.png")
    profile = replace(find_profile("synthetic"), tiling=Tiling(side=1024))
    (page,) = run_pipeline(tmp_path / "sheet.png", SyntheticEngine(), profile=profile).document.pages
    row = page_entry(page)
    assert len(row["columns"]) * len(row["rows"]) > 1
    assert {span[0] for span in row["columns"]} | {span[0] for span in row["rows"]} >= {0}
    assert (row["columns"][-1][1], row["rows"][-1][1]) == (1500, 1300)
    assert all(low[1] > high[0] for low, high in pairwise(row["columns"])), "neighbours overlap"


def test_tiles_that_are_not_told_are_not_made_up() -> None:
    row = page_entry(make_page(coverage=Coverage(4, tiling="as somebody cut it")))
    assert row["columns"] == row["rows"] == []


@pytest.mark.parametrize("code", range(1, 9))
def test_a_turned_image_stands_upright(code: int, tmp_path: Path) -> None:
    pixels = np.zeros((60, 90), np.uint8)
    pixels[:20, :30] = 255
    exif = Image.Exif()
    exif[0x0112] = code
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    raster = open_source(tmp_path / "turned.png").page(0)
    raster.save_pyramid(tmp_path / "image")
    with Image.open(tmp_path / "image_files" / "7" / "0_0.jpg") as image:
        shown = np.asarray(image.convert("L"))
    assert np.abs(shown.astype(int) - raster.overview()).max() < 40


def _run(*arguments: object) -> BaseException | None:
    found = CliRunner().invoke(view, [str(each) for each in arguments])
    return found.exception


def _result(place: Path, name: str, document: Document = DOCUMENTS["ordinary"]) -> Path:
    path = place / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document_to_json(document))
    return path


def test_the_image_is_found_beside_the_result_and_above(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "results"):
        result = _result(tmp_path / "results", "sheet")
        save_image(DOCUMENTS["ordinary"], place / "sheet.PNG")
        assert _run(result, "--out", tmp_path / "viewer") is None
        (place / "sheet.PNG").unlink()


def _listed(place: Path) -> list[str]:
    return [page["name"] for page in json.loads((place / "viewer.json").read_bytes())["pages"]]


@pytest.mark.parametrize("here", [".", "elsewhere", "results"])
def test_the_image_is_found_by_the_table_of_outcomes(
    here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `ocrfarm read scans --out results` leaves it, whatever the folder from which it is looked at."""
    with Journal(tmp_path / "results" / JOURNAL_NAME) as table:
        for name in ("1911/p1", "1912/p1"):
            _result(tmp_path / "results", name)
            image = tmp_path / "scans" / f"{name}.png"
            image.parent.mkdir(parents=True)
            save_image(DOCUMENTS["ordinary"], image)
            table.add(JournalEntry(file=f"scans/{name}.png", state="complete", result=name))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / here)
    assert _run(tmp_path / "results", "--out", tmp_path / "viewer") is None
    assert _listed(tmp_path / "viewer") == ["p1.png", "p1.png"]
    assert _run(tmp_path / "results/1912/p1.json", "--out", tmp_path / "one") is None


def test_a_folder_is_shown_as_one(tmp_path: Path) -> None:
    for name in ("one", "two.b"):
        _result(tmp_path, name)
        save_image(DOCUMENTS["ordinary"], tmp_path / f"{name}.png")
    (tmp_path / "other.coco.json").write_text("{}", encoding="utf-8")
    (tmp_path / "folder.json").mkdir()
    assert _run(tmp_path, "--out", tmp_path / "viewer") is None
    about = json.loads((tmp_path / "viewer" / "viewer.json").read_bytes())
    assert _listed(tmp_path / "viewer") == ["one.png", "two.b.png"]
    assert about["title"] == "2 documents"


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.json").write_text("[]", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    result = _result(tmp_path, "sheet")
    other = save_image(DOCUMENTS["several"], tmp_path / "other.tif")
    out = ("--out", tmp_path / "viewer")
    assert isinstance(_run(tmp_path / "none.json", *out), InvalidResult)
    assert isinstance(_run(tmp_path / "text.json", *out), InvalidResult)
    assert isinstance(_run(tmp_path / "empty", *out), InvalidResult)
    (tmp_path / "loops").mkdir()
    (tmp_path / "loops" / "x.json").symlink_to(tmp_path / "loops" / "x.json")
    assert isinstance(_run(tmp_path / "loops", *out), InvalidResult)
    assert isinstance(_run(result, *out), ImageNotFound)
    assert isinstance(_run(result, *out, "--image", other), ImageNotFound)
    assert isinstance(_run(result, *out, "--image", tmp_path / "empty"), ImageNotFound)
