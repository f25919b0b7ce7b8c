"""`helm test`: its script, against a farm on this machine, with the profile that the chart writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ocrfarm.farm.embedded.farm import EmbeddedFarm, WorkerLayout
from ocrfarm.pipeline import run_pipeline
from ocrfarm.recognize import WeightsFolders, find_profile, load_engine
from ocrfarm.settings import Settings
from tests.support.helm_chart import MINIMAL_VALUES, Helm, find_object


@pytest.fixture
def command(helm: Helm, tmp_path: Path) -> list[str]:
    objects = helm.render(MINIMAL_VALUES)
    (container,) = find_object(objects, "Job", "-test")["spec"]["template"]["spec"]["containers"]
    profile = tmp_path / "fast.toml"
    profile.write_text(find_object(objects, "ConfigMap", "-recognize-fast")["data"]["fast.toml"])
    *words, last = container["command"]
    assert last.endswith("/fast.toml")
    return [*words, str(profile)]


def _run(command: list[str], folder: Path, settings: Settings) -> subprocess.CompletedProcess[str]:
    beside_python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = os.environ | settings.to_env() | {"TMPDIR": str(folder), "PATH": beside_python}
    return subprocess.run(command, env=variables, check=False, capture_output=True, text=True, timeout=240)


def _right_in_one_process(profile: str, folder: Path) -> int:
    """Return how many lines of the same sample the pipeline reads correctly."""
    binaries = Path(sys.executable).parent
    subprocess.run([binaries / "ocrfarm", "sample", "alone.png", "--size", "2048"], cwd=folder, check=True)
    settings = Settings.from_env(os.environ)
    engine = load_engine(find_profile(profile), WeightsFolders(settings.cache_path, settings.models_path))
    found = {
        line.text for line in run_pipeline(folder / "alone.png", engine, profile=find_profile(profile)).document.lines
    }
    truth = json.loads((folder / "alone.png.json").read_text(encoding="utf-8"))["lines"]
    return sum(line["text"] in found for line in truth)


def test_the_sample_is_read_as_well_as_in_one_process(command: list[str], tmp_path: Path) -> None:
    with EmbeddedFarm("fast", layout=WorkerLayout(1, threads=2)) as farm:
        done = _run(command, tmp_path, farm.settings)
    assert done.returncode == 0, done.stderr
    right = int(done.stdout.splitlines()[-1].partition(" of ")[0])
    assert right == _right_in_one_process(command[-1], tmp_path)


def test_a_farm_that_reads_something_else_fails(command: list[str], tmp_path: Path) -> None:
    with EmbeddedFarm("synthetic", layout=WorkerLayout(1)) as farm:
        profile = Path(command[-1])
        profile.write_text('detector = "synthetic"\nrecognizer = "synthetic"\n[runtime]\nengine = "synthetic"\n')
        assert _run(command, tmp_path, farm.settings).returncode != 0
