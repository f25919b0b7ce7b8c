"""Drawn pages read by the real models on two grids: what stitching promises, with room for the models' own mistakes."""

import os
from pathlib import Path

import pytest

from ocrfarm.geometry import Size
from ocrfarm.recognize import WeightsFolders
from ocrfarm.recognize.model_registry import MODELS
from ocrfarm.settings import Settings
from tests.benchmarks.cached_readings import CachedReader, TileSet
from tests.benchmarks.comparison import FULL, OURS, SECOND_PASS, Comparison
from tests.benchmarks.drawn_pages import draw_page
from tests.benchmarks.line_scores import Counts
from tests.benchmarks.methods import merge_as_ocrfarm, suppress

SIZE = Size(1920, 1280)
GRIDS = (TileSet(640, 128), TileSet(640, 128, (96, 160)))
NMS = "NMS"


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counts]:
    settings = Settings.from_env(os.environ)
    folders = WeightsFolders(settings.cache_path, settings.models_path)
    han: Path = folders.pull(MODELS["simfang"]) / "simfang.ttf"
    reader = CachedReader("fast@1.0", tmp_path_factory.mktemp("readings"), folders)
    comparison = Comparison(reader, GRIDS, {NMS: suppress, OURS: merge_as_ocrfarm}, paddleocr=False)
    for seed in (23, 26):  # pages with many long lines
        comparison.add(draw_page("mixed", seed, han, SIZE))
    return comparison.counts


def test_cut_lines_are_whole(counts: dict[str, Counts]) -> None:
    ours = counts[SECOND_PASS]
    assert ours.cut >= 25
    assert ours.cut_loose >= 0.9 * ours.cut
    assert ours.cut_loose >= counts[FULL].cut_loose - 0.1 * ours.cut


def test_nothing_is_there_twice(counts: dict[str, Counts]) -> None:
    assert counts[SECOND_PASS].twice == 0
    assert counts[SECOND_PASS].ghosts == 0


def test_tiles_cost_no_accuracy(counts: dict[str, Counts]) -> None:
    assert counts[SECOND_PASS].loose_f1 >= counts[FULL].loose_f1 - 0.02
    assert counts[SECOND_PASS].loose_f1 >= counts[NMS].loose_f1 + 0.1


def test_slanted_lines_are_read_as_if_they_were_level(counts: dict[str, Counts]) -> None:
    assert counts[SECOND_PASS].readable_right >= 0.75 * counts[SECOND_PASS].readable > 0


def test_a_shifted_grid_gives_the_same_lines(counts: dict[str, Counts]) -> None:
    assert counts[SECOND_PASS].same_loose >= 0.95 * counts[SECOND_PASS].compared
