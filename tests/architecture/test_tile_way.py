"""A tile's way through the code is short, goes one way, and is what docs/how-it-works.md says."""

import ast
import importlib
import re
from functools import reduce

import pytest

from tests.support.source_tree import MODULES, ROOT

MAX_MODULES = 14
ROW = re.compile(r"^\| (\d+) \| `([\w/]+)\.py` \| (.+?) \| .+ \|$", re.MULTILINE)

TEXT = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8").partition("## A tile's way through the code")[2]
ROWS = [
    (int(number), path.replace("/", "."), re.findall(r"`([\w.]+)`", names)) for number, path, names in ROW.findall(TEXT)
]
WORKER_ROWS = [name for number, name, _ in ROWS if 4 <= number <= 13]


def test_the_way_is_short() -> None:
    assert [number for number, _, _ in ROWS] == list(range(1, len(ROWS) + 1))
    assert len({name for _, name, _ in ROWS}) == len(ROWS)
    assert MAX_MODULES - 4 <= len(ROWS) <= MAX_MODULES


@pytest.mark.parametrize(("name", "starts"), [(name, start) for _, name, starts in ROWS for start in starts])
def test_what_the_way_names_is_there(name: str, starts: str) -> None:
    assert callable(reduce(getattr, starts.split("."), importlib.import_module(name)))


def test_the_way_names_something_in_every_module() -> None:
    assert all(starts for _, _, starts in ROWS)


@pytest.mark.parametrize("name", WORKER_ROWS)
def test_no_module_of_a_worker_imports_one_above_it(name: str) -> None:
    """Lazy imports count too."""
    (module,) = [each for each in MODULES if each.name == name]
    imported = {
        target
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for target in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    }
    assert not imported & set(WORKER_ROWS[: WORKER_ROWS.index(name)])
