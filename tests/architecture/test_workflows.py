"""The workflows of GitHub Actions and the pre-commit hooks call what is there."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.support.source_tree import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_matrix_has_every_python_that_the_project_names() -> None:
    matrix = _load(".github/workflows/ci.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"]
    named = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", each) for each in PROJECT["classifiers"]]
    assert matrix == [found[1] for found in named if found]
    assert PROJECT["requires-python"] == f">={matrix[0]}"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_scripts_that_are_there(workflow: Any) -> None:
    called = re.findall(r"(?<![\w/])scripts/\w+", workflow.read_text(encoding="utf-8"))
    assert [name for name in called if not (ROOT / name).is_file()] == []


def test_ci_calls_the_scripts_that_contributors_call() -> None:
    steps = [step.get("run") for job in _load(".github/workflows/ci.yml")["jobs"].values() for step in job["steps"]]
    assert {"scripts/check", "scripts/test", "scripts/coverage"} <= set(steps)


def test_every_hook_is_a_check_of_the_script() -> None:
    script = (ROOT / "scripts" / "check").read_text(encoding="utf-8")
    hooks = _load(".pre-commit-config.yaml")["repos"][0]["hooks"]
    assert [hook["id"] for hook in hooks if hook["entry"].partition(" --")[0] not in script] == []
