"""Drawn pages read by the real models on two grids: what stitching promises, with room for the models' own mistakes."""

import os
from pathlib import Path

import pytest

from ocrfarm.geometry import Size
from ocrfarm.recognize import WeightsFolders
from ocrfarm.recognize.models import MODELS
from ocrfarm.settings import Settings
from tests.benchmarks.comparing import AGAIN, FULL, OURS, Comparison
from tests.benchmarks.figures import Counts
from tests.benchmarks.methods import merge_as_ocrfarm, suppress
from tests.benchmarks.pages import draw
from tests.benchmarks.tilesets import Reader, TileSet

SIZE = Size(1920, 1280)
GRIDS = (TileSet(640, 128), TileSet(640, 128, (96, 160)))
NMS = "NMS"


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counts]:
    settings = Settings.from_env(os.environ)
    folders = WeightsFolders(settings.cache_folder, settings.models_folder)
    han: Path = folders.pull(MODELS["simfang"]) / "simfang.ttf"
    reader = Reader("fast@1.0", tmp_path_factory.mktemp("readings"), folders)
    comparison = Comparison(reader, GRIDS, {NMS: suppress, OURS: merge_as_ocrfarm}, paddleocr=False)
    for seed in (11, 12):
        comparison.add(draw("mixed", seed, han, SIZE))
    return comparison.counts


def test_cut_lines_are_whole(counts: dict[str, Counts]) -> None:
    ours = counts[AGAIN]
    assert ours.cut >= 25
    assert ours.cut_loose >= 0.9 * ours.cut
    assert ours.cut_loose >= counts[FULL].cut_loose - 0.1 * ours.cut


def test_nothing_is_there_twice(counts: dict[str, Counts]) -> None:
    assert counts[AGAIN].twice == 0
    assert counts[AGAIN].ghosts == 0


def test_tiles_cost_no_accuracy(counts: dict[str, Counts]) -> None:
    assert counts[AGAIN].loose_f1 >= counts[FULL].loose_f1 - 0.02
    assert counts[AGAIN].loose_f1 >= counts[NMS].loose_f1 + 0.1


def test_slanted_lines_are_read_as_if_they_were_level(counts: dict[str, Counts]) -> None:
    assert counts[AGAIN].readable_right >= 0.75 * counts[AGAIN].readable > 0


def test_a_shifted_grid_gives_the_same_lines(counts: dict[str, Counts]) -> None:
    assert counts[AGAIN].same_loose >= 0.95 * counts[AGAIN].compared
