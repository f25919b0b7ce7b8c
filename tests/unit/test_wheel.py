"""What the wheel holds when it is built from a clean clone, and what a type checker sees of it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.servers import require
from tests.support.source_tree import ROOT

UV = ROOT / ".cache" / "uv" / "bin" / "uv"

SCRIPT = (ROOT / "tests" / "support" / "user_script.py").read_text(encoding="utf-8")
WRONG_LINES = "print(Line.no_such_name)\nfrom ocrfarm import NoSuchClass\n"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of HEAD, in which nothing is installed and nothing was fetched."""
    require(UV.is_file(), "uv is missing: type scripts/install")
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    folder = tmp_path_factory.mktemp("clone")
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def wheel(clone: Path) -> Path:
    """The wheel of the clone."""
    folder = clone / "dist"
    done = _build(clone, folder, path=os.environ["PATH"])
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def _build(clone: Path, folder: Path, *, path: str) -> subprocess.CompletedProcess[str]:
    command = [str(UV), "build", "--wheel", "--python", sys.executable, "--out-dir", str(folder), str(clone)]
    environment = os.environ | {"PATH": path}
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=120)


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as file:
        return set(file.namelist())


def test_a_build_without_npm_is_refused(clone: Path, tmp_path: Path) -> None:
    done = _build(clone, tmp_path, path=str(tmp_path))
    assert done.returncode != 0
    assert "scripts/install" in done.stderr
    assert not list(tmp_path.glob("*.whl"))


def test_the_wheel_holds_one_package(wheel: Path) -> None:
    assert {name.partition("/")[0].partition("-")[0] for name in _names(wheel)} == {"ocrfarm"}


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    command = ["git", "ls-tree", "-r", "--name-only", "HEAD", "ocrfarm"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    wanted = {
        name for name in listed if not (name.startswith("ocrfarm/viewer/") and name.endswith((".json", ".npmrc")))
    }
    assert wanted >= {"ocrfarm/py.typed", "ocrfarm/viewer/static/index.html", "ocrfarm/result/ocrfarm-1.schema.json"}
    assert wanted <= _names(wheel)


def test_the_wheel_brings_the_viewers_library_with_its_licence(wheel: Path) -> None:
    brought = {name for name in _names(wheel) if "/node_modules/" in name}
    assert {name.rpartition("/")[2] for name in brought} == {"LICENSE.txt", "openseadragon.min.js"}
    assert not {name for name in _names(wheel) if name.endswith(("package.json", "package-lock.json"))}


def test_a_users_script_is_type_checked_against_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """mypy finds the types by py.typed alone; a mistake shows that it does look."""
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True, timeout=60)
    python = tmp_path / "venv" / "bin" / "python"
    install = [str(UV), "pip", "install", "--quiet", "--no-deps", "--python", str(python), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=60)
    assert _mypy(tmp_path, python, SCRIPT) == ""
    mistakes = _mypy(tmp_path, python, SCRIPT + WRONG_LINES)
    assert "no_such_name" in mistakes
    assert "NoSuchClass" in mistakes


def _mypy(folder: Path, python: Path, script: str) -> str:
    (folder / "script.py").write_text(script, encoding="utf-8")
    options = ["--strict", "--no-error-summary", f"--python-executable={python}"]
    environment = {name: value for name, value in os.environ.items() if name not in ("MYPYPATH", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "script.py"],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    return done.stdout + done.stderr
