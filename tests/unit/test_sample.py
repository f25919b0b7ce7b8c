"""The sample page: the same each time, and its truth is what is drawn."""

import json
import math
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from ocrfarm.document import Line
from ocrfarm.errors import SettingsError
from ocrfarm.geometry import Box, Size
from ocrfarm.sample import draw_sample, write_sample
from ocrfarm.split.blank_detection import is_blank
from ocrfarm.split.tiling import tile_grid

SIZE = Size(2048, 2048)


@pytest.fixture
def font(tmp_path: Path) -> Path:
    """A font file; its Han glyphs are empty boxes, which is all the same to these tests."""
    own = ImageFont.load_default(10)
    assert isinstance(own, ImageFont.FreeTypeFont)
    assert isinstance(own.path, BytesIO)
    path = tmp_path / "han.ttf"
    path.write_bytes(own.path.getvalue())
    return path


def angle(line: Line) -> int:
    """Degrees counterclockwise at which the text runs."""
    (x0, y0), (x1, y1) = line.quad.p0, line.quad.p1
    return round(math.degrees(math.atan2(y0 - y1, x1 - x0)))


def is_han(line: Line) -> bool:
    return any(char >= "\u2e80" for char in line.text)


def test_the_same_arguments_give_the_same_page(font: Path) -> None:
    first, again, other = (draw_sample(SIZE, seed=seed, font=font) for seed in (1, 1, 2))
    assert np.array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert first[1] != other[1]


@pytest.mark.parametrize("size", [Size(512, 512), Size(600, 2500), Size(2500, 600), Size(1999, 1501)])
def test_any_size_is_drawn_and_every_text_lies_on_the_page(size: Size, font: Path) -> None:
    pixels, truth = draw_sample(size, seed=1, font=font)
    assert pixels.shape == (size.height, size.width)
    page = Box(0, 0, size.width, size.height)
    assert truth
    assert all(page.contains(line.quad.bounds()) for line in truth)


def test_level_quads_fit_the_ink_exactly(font: Path) -> None:
    pixels, truth = draw_sample(SIZE, seed=1, font=font)
    level = [line.quad.bounds() for line in truth if angle(line) == 0]
    assert len(level) > 100
    for box in level:
        inside = pixels[box.y0 : box.y1, box.x0 : box.x1]
        edges = (inside[:2], inside[-2:], inside[:, :2], inside[:, -2:])  # the outermost pixel may be as pale as paper
        assert max(edge.min() for edge in edges) < 245, "it fills the quad"
        around = pixels[box.y0 - 1 : box.y1 + 1, box.x0 - 1 : box.x1 + 1].copy()
        around[1:-1, 1:-1] = 255
        assert (around >= 245).all(), "nothing of it lies outside, and no line touches it"


def test_turned_quads_hold_the_ink_and_nothing_else(font: Path) -> None:
    pixels, truth = draw_sample(Size(4096, 4096), seed=1, font=font)
    turned = [line for line in truth if angle(line)]
    assert {angle(line) for line in turned} > {90, -90, 7, 25, -40}
    for line in turned:
        x, y = line.quad.p0
        (x1, y1), (x3, y3) = line.quad.p1, line.quad.p3
        down, along = np.mgrid[0.05:0.95:12j, 0.02:0.98:120j]
        at_x = np.rint(x + (x1 - x) * along + (x3 - x) * down - 0.5).astype(int)
        at_y = np.rint(y + (y1 - y) * along + (y3 - y) * down - 0.5).astype(int)
        share = (pixels[at_y, at_x] < 150).mean()
        assert 0.03 < share < 0.6, line.text


def test_no_text_lies_on_another(font: Path) -> None:
    _, truth = draw_sample(SIZE, seed=1, font=font)
    boxes = [line.quad.bounds() for line in truth]
    assert not any(one.intersection(two) for at, one in enumerate(boxes) for two in boxes[:at])


def test_it_shows_what_ocr_finds_hard(font: Path) -> None:
    _, truth = draw_sample(Size(4096, 4096), seed=1, font=font)
    assert max(line.quad.height for line in truth) * 4 > 600, "a title too large for one tile of a full page"
    assert min(line.quad.height for line in truth if len(line.text) > 8) < 15
    assert sum(map(is_han, truth)) > 20
    assert sum(line.text.replace(".", "").isdigit() for line in truth) > 200


def test_some_tiles_are_blank_though_the_paper_has_grain(font: Path) -> None:
    pixels, _ = draw_sample(Size(4096, 4096), seed=1, font=font)
    boxes = [tile.box for tile in tile_grid(Size(4096, 4096), side=512, overlap=64)]
    blank = [is_blank(pixels[box.y0 : box.y1, box.x0 : box.x1]) for box in boxes]
    assert 1 <= sum(blank) <= len(boxes) / 3


def test_without_a_font_there_is_no_han_text_on_the_page_or_in_the_truth() -> None:
    _, truth = draw_sample(SIZE, seed=1, font=None)
    assert len(truth) > 100
    assert not any(map(is_han, truth))


def test_with_a_font_there_is_han_text(font: Path) -> None:
    assert any(map(is_han, draw_sample(SIZE, seed=1, font=font)[1]))


def test_a_file_that_is_no_font_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.ttf").write_text("not a font")
    for name in ("page.ttf", "missing.ttf"):
        with pytest.raises(SettingsError, match=rf"{name}: cannot be used as a font"):
            draw_sample(SIZE, seed=1, font=tmp_path / name)


@pytest.mark.parametrize("size", [Size(1, 1), Size(511, 4000), Size(4000, 0)])
def test_a_page_too_small_for_text_is_refused(size: Size) -> None:
    with pytest.raises(SettingsError, match="too small: use 512 px or more"):
        draw_sample(size, seed=1, font=None)


def test_files_hold_the_page_and_the_truth(tmp_path: Path) -> None:
    path = tmp_path / "sample.png"
    truth = write_sample(path, Size(800, 600), seed=1, font=None)
    pixels, lines = draw_sample(Size(800, 600), seed=1, font=None)
    assert truth == lines
    assert np.array_equal(np.asarray(Image.open(path)), pixels)
    data = json.loads((tmp_path / "sample.png.json").read_text(encoding="utf-8"))
    assert (data["width"], data["height"]) == (800, 600)
    assert [line["text"] for line in data["lines"]] == [line.text for line in lines]
    assert data["lines"][0]["quad"] == [[round(x, 2), round(y, 2)] for x, y in lines[0].quad.points]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["sample.png", "sample.png.json"]
