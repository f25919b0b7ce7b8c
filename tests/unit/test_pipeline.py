from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocrfarm.errors import EngineFailed
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.image import open_source
from ocrfarm.pipeline import iter_tiles, resolve_overlap, run_pipeline, tile_page
from ocrfarm.recognize import Cascade, EngineOutput, EnginePair, Profile, RgbPixels, Tiling, find_profile
from ocrfarm.recognize.engine import LineFilter, accept_all
from ocrfarm.recognize.synthetic_engine import SyntheticEngine, draw_synthetic_line, make_synthetic_page
from ocrfarm.tile import Char, Fragment
from tests.support.engines import UncertainEngine

SYNTHETIC_PROFILE = find_profile("synthetic").with_tiling(side=512, overlap=128)


@pytest.fixture
def page_with_texts(tmp_path: Path) -> tuple[Path, list[str]]:
    pixels, truth = make_synthetic_page(Size(1500, 1300), seed=3, lines=25)
    pixels[:600, 900:] = 255
    path = tmp_path / "sheet.png"
    Image.fromarray(pixels).save(path)
    kept = [line.text for line in truth if line.quad.bounds().x1 <= 900 or line.quad.bounds().y0 >= 600]
    return path, sorted(kept)


def test_every_synthetic_line_is_read_once(page_with_texts: tuple[Path, list[str]]) -> None:
    path, texts = page_with_texts
    heard: list[tuple[int, int]] = []
    run = run_pipeline(
        path, SyntheticEngine(), profile=SYNTHETIC_PROFILE, on_tile=lambda done, total: heard.append((done, total))
    )
    (page,) = run.document.pages
    assert set(texts) <= {line.text for line in page.lines}
    assert len({line.quad for line in page.lines}) == len(page.lines)
    assert page.coverage.is_complete
    assert page.coverage.blank > 0
    assert heard == [(done, page.coverage.tiles) for done in range(1, page.coverage.tiles + 1)]
    assert {"wall", "split", "engine", "stitch"} <= run.document.timing.keys()
    assert run.overviews[0].shape == (1300, 1500)


class FailingEngine(SyntheticEngine):
    """Breaks on its second tile."""

    count = 0

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        self.count += 1
        if self.count == 2:
            raise EngineFailed("on purpose")
        return super().read(pixels, accept=accept)


def test_a_tile_that_fails_is_a_gap_and_not_the_end(page_with_texts: tuple[Path, list[str]]) -> None:
    run = run_pipeline(page_with_texts[0], FailingEngine(), profile=SYNTHETIC_PROFILE)
    coverage = run.document.pages[0].coverage
    assert not run.document.is_complete
    assert coverage.failed == 1
    assert "on purpose" in coverage.gaps[0].reason
    assert coverage.fraction_read < 1


class NeighbourEngine(SyntheticEngine):
    """Tells what it reads on tiles; a blind one finds the shared line and does not read it, a deaf one fails at it."""

    def __init__(self, *, blind: bool, deaf: bool = False) -> None:
        super().__init__()
        self._blind, self._fails_regions = blind, deaf
        self.texts: list[str] = []

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        found = super().read(pixels, accept=accept)
        seen = [each for each in found.fragments if not self._blind or each.text != "shared"]
        self.texts += [each.text for each in seen]
        return replace(found, fragments=tuple(seen))

    def read_lines(self, pixels: RgbPixels, lines: Sequence[Quad]) -> list[Fragment]:
        if self._fails_regions:
            raise EngineFailed("on purpose")
        return SyntheticEngine().read_lines(pixels, lines)


@pytest.fixture
def two_tile_page(tmp_path: Path) -> Path:
    """Write a page of two tiles, one below the other, with a line in the lower half of what they share."""
    pixels = np.full((896, 400), 255, np.uint8)
    draw_synthetic_line(pixels, "shared", x=100, y=460, height=24)
    draw_synthetic_line(pixels, "other", x=100, y=700, height=24)
    Image.fromarray(pixels).save(tmp_path / "page.png")
    return tmp_path / "page.png"


def test_a_line_that_two_tiles_show_whole_is_read_once(two_tile_page: Path) -> None:
    engine = NeighbourEngine(blind=False)
    (page,) = run_pipeline(two_tile_page, engine, profile=SYNTHETIC_PROFILE).document.pages
    assert sorted(engine.texts) == sorted(line.text for line in page.lines) == ["other", "shared"]
    assert page.coverage.second_pass_count == 0


def test_a_line_that_the_neighbour_does_not_find_is_read_by_a_second_pass(two_tile_page: Path) -> None:
    (page,) = run_pipeline(two_tile_page, NeighbourEngine(blind=True), profile=SYNTHETIC_PROFILE).document.pages
    assert [line.text for line in page.lines] == ["shared", "other"]
    assert page.coverage.second_pass_count == 1
    assert page.coverage.is_complete


def test_a_line_that_nobody_can_read_is_a_gap(two_tile_page: Path) -> None:
    (page,) = run_pipeline(
        two_tile_page, NeighbourEngine(blind=True, deaf=True), profile=SYNTHETIC_PROFILE
    ).document.pages
    assert [line.text for line in page.lines] == ["other"]
    (gap,) = page.coverage.gaps
    assert gap.box == Box(100, 460, 172, 484)
    assert "could not be read" in gap.reason


class BlindEngine(SyntheticEngine):
    """Does not see lines that run through a whole tile of 640 pixels."""

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        found = super().read(pixels, accept=accept)
        seen = [each for each in found.fragments if pixels.shape[1] != 640 or each.quad.length < 600]
        return replace(found, fragments=tuple(seen))


def test_what_one_tile_missed_is_found_at_a_second_pass(tmp_path: Path) -> None:
    pixels = np.full((600, 1600), 255, np.uint8)
    text = "".join(chr(0x4E00 + k) for k in range(120))
    quad = draw_synthetic_line(pixels, text, x=100, y=300, height=24)
    draw_synthetic_line(pixels, "short", x=900, y=200, height=24)
    Image.fromarray(pixels).save(tmp_path / "page.png")
    (page,) = run_pipeline(
        tmp_path / "page.png", BlindEngine(), profile=SYNTHETIC_PROFILE.with_tiling(side=640, overlap=160)
    ).document.pages
    assert {line.text: line.quad for line in page.lines}[text] == quad
    assert len(page.lines) == page.coverage.second_pass_count == 2


def test_a_second_pass_that_fails_costs_nothing(tmp_path: Path) -> None:
    class BreaksAgain(BlindEngine):
        def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
            if pixels.shape[1] != 640:
                raise EngineFailed("on purpose")
            return super().read(pixels, accept=accept)

    pixels = np.full((600, 1600), 255, np.uint8)
    draw_synthetic_line(pixels, "".join(chr(0x4E00 + k) for k in range(120)), x=100, y=300, height=24)
    Image.fromarray(pixels).save(tmp_path / "page.png")
    (page,) = run_pipeline(
        tmp_path / "page.png", BreaksAgain(), profile=SYNTHETIC_PROFILE.with_tiling(side=640, overlap=160)
    ).document.pages
    assert [line.text[0] for line in page.lines] == ["\u4e00", chr(0x4E00 + 119 - len(page.lines[1].text) + 1)]
    assert page.coverage.is_complete
    assert page.coverage.second_pass_count == 0


@pytest.fixture
def uncertain_page(tmp_path: Path) -> Path:
    """Write a page of four tiles with a line that is doubted and one that is not."""
    pixels = np.full((896, 896), 255, np.uint8)
    draw_synthetic_line(pixels, "doubtful", x=100, y=200, height=24)
    draw_synthetic_line(pixels, "plain", x=100, y=260, height=24)
    Image.fromarray(pixels).save(tmp_path / "page.png")
    return tmp_path / "page.png"


@pytest.mark.parametrize(
    ("cascade", "texts", "models"),
    [
        (Cascade(), ["xxxxxxxx", "plain"], ["synthetic", "synthetic"]),
        (Cascade("strong", min_confidence=0.6), ["doubtful", "plain"], ["strong", "synthetic"]),
        (
            Cascade("strong", min_confidence=0.4),
            ["xxxxxxxx", "plain"],
            ["synthetic", "synthetic"],
        ),  # 0.9 to the eighth is 0.43
        (Cascade("strong", min_confidence=1.0, max_fraction=0.0), ["xxxxxxxx", "plain"], ["synthetic", "synthetic"]),
        (Cascade("strong", min_confidence=1.0, max_fraction=0.5), ["doubtful", "plain"], ["strong", "synthetic"]),
    ],
)
def test_a_cascade_reads_doubtful_lines_with_the_stronger_model(
    uncertain_page: Path, cascade: Cascade, texts: list[str], models: list[str]
) -> None:
    profile = replace(SYNTHETIC_PROFILE, cascade=cascade)
    (page,) = run_pipeline(
        uncertain_page, EnginePair(UncertainEngine(), SyntheticEngine("strong")), profile=profile
    ).document.pages
    assert [line.text for line in page.lines] == texts
    assert [line.model for line in page.lines] == models
    assert page.lines[0].second_pass == ("corrected" if "strong" in models else "")


def test_a_stronger_model_that_is_much_less_sure_is_not_believed(uncertain_page: Path) -> None:
    class Blurred(SyntheticEngine):
        def read_lines(self, pixels: RgbPixels, lines: Sequence[Quad]) -> list[Fragment]:
            return [replace(line, chars=(Char("?", 0.5, 0.5),)) for line in super().read_lines(pixels, lines)]

    profile = replace(SYNTHETIC_PROFILE, cascade=Cascade("strong", min_confidence=0.6))
    (page,) = run_pipeline(
        uncertain_page, EnginePair(UncertainEngine(), Blurred("strong")), profile=profile
    ).document.pages
    assert [(line.text, line.model, line.second_pass) for line in page.lines] == [
        ("xxxxxxxx", "synthetic", "uncertain"),
        ("plain", "synthetic", ""),
    ]


def draw_page(path: Path, height: int) -> Path:
    """Write a page with rows of print of this height."""
    image = Image.new("L", (2400, 1000), 255)
    font = ImageFont.load_default(height)
    for y in range(10, 990 - height, 2 * height):
        ImageDraw.Draw(image).text((20, y), "HEIGHT OF PRINT " * 20, 0, font)
    image.save(path)
    return path


@pytest.mark.parametrize(("height", "overlaps"), [(20, {128}), (56, {160, 192, 224}), (120, {256})])
def test_the_overlap_is_chosen_by_the_print(tmp_path: Path, height: int, overlaps: set[int]) -> None:
    profile = resolve_overlap(open_source(draw_page(tmp_path / "page.png", height)), find_profile("fast"))
    assert profile.tiling.overlap in overlaps
    assert "px high at the top of page 1" in profile.tiling.reason


def test_an_overlap_that_is_set_stays(tmp_path: Path) -> None:
    profile = find_profile("fast").with_tiling(overlap=96)
    assert resolve_overlap(open_source(draw_page(tmp_path / "page.png", 40)), profile) == profile


def coarse_levels(tmp_path: Path, letters: int) -> set[int]:
    """Give the levels on which a page with letters of this height is looked at."""
    image = Image.new("L", (3000, 3000), 255)
    ImageDraw.Draw(image).text((100, 100), "LARGE", 0, ImageFont.load_default(letters), stroke_width=letters // 40)
    image.save(tmp_path / "page.png")
    profile = Profile("test", "PP-OCRv6_tiny_det", "PP-OCRv6_tiny_rec", Tiling(side=512, overlap=96))
    raster = open_source(tmp_path / "page.png").page(0)
    tiles = tile_page(raster.size, replace(profile, detector_scale=0.5), number=0)
    return {tile.id.level for tile, pixels in iter_tiles(raster, tiles) if pixels is not None}


def test_large_letters_are_read_on_coarse_levels(tmp_path: Path) -> None:
    assert coarse_levels(tmp_path, 24) == {0}
    assert coarse_levels(tmp_path, 400) >= {0, 2}


def test_coarse_tiles_are_shrunk(tmp_path: Path) -> None:
    pixels = np.full((1600, 1600), 255, np.uint8)
    pixels[200:1400, 200:1400] = 0
    Image.fromarray(pixels).save(tmp_path / "page.png")
    raster = open_source(tmp_path / "page.png").page(0)
    tiles = tile_page(raster.size, find_profile("fast").with_tiling(side=512, overlap=96), number=0)
    for tile, found in iter_tiles(raster, tiles):
        if found is not None:
            factor = 1 << tile.id.level
            assert found.shape == (-(-tile.box.height // factor), -(-tile.box.width // factor))
