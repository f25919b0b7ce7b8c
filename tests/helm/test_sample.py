"""`helm test`: its script, against a farm on this machine, with the profile that the chart writes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ocrfarm.farm.local import EmbeddedFarm, Shape
from ocrfarm.settings import Settings
from tests.helm.chart import LEAST, Helm, named


@pytest.fixture
def command(helm: Helm, tmp_path: Path) -> list[str]:
    objects = helm.render(LEAST)
    (container,) = named(objects, "Job", "-test")["spec"]["template"]["spec"]["containers"]
    profile = tmp_path / "fast.toml"
    profile.write_text(named(objects, "ConfigMap", "-recognize-fast")["data"]["fast.toml"])
    *words, last = container["command"]
    assert last.endswith("/fast.toml")
    return [*words, str(profile)]


def _run(command: list[str], folder: Path, settings: Settings) -> subprocess.CompletedProcess[str]:
    beside_python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = os.environ | settings.to_env() | {"TMPDIR": str(folder), "PATH": beside_python}
    return subprocess.run(command, env=variables, check=False, capture_output=True, text=True, timeout=240)


def test_the_sample_is_read_as_it_was_written(command: list[str], tmp_path: Path) -> None:
    with EmbeddedFarm("fast", shape=Shape(1, threads=2)) as farm:
        done = _run(command, tmp_path, farm.settings)
    assert done.returncode == 0, done.stderr
    right, _, wanted = done.stdout.splitlines()[-1].partition(" lines")[0].split()
    assert int(right) >= 0.9 * int(wanted), done.stdout


def test_a_farm_that_reads_something_else_fails(command: list[str], tmp_path: Path) -> None:
    with EmbeddedFarm("planted", shape=Shape(1)) as farm:
        profile = Path(command[-1])
        profile.write_text('detector = "planted"\nrecognizer = "planted"\n[runtime]\nengine = "planted"\n')
        assert _run(command, tmp_path, farm.settings).returncode != 0
