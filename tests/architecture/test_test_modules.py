"""Test modules stand alone: what they share is in tests/support, tests/benchmarks or a fixture of a conftest."""

import ast
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT

TEST_MODULES = sorted((ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("path", TEST_MODULES, ids=lambda path: str(path.relative_to(ROOT / "tests")))
def test_no_test_module_imports_another(path: Path) -> None:
    imported: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                imported += [name.name for name in names]
            case ast.ImportFrom(module=str(module), names=names):
                imported += [f"{module}.{name.name}" for name in names]
    assert not [name for name in imported if name.startswith("tests.") and ".test_" in name]
