"""Every constant of stitching that was calibrated names the command that shows what it decides."""

import ast
import importlib
import re
from itertools import pairwise
from pathlib import Path

import pytest

from ocrfarm import stitch
from ocrfarm.geometry import Quad
from tests.benchmarks.layouts import make_layouts, order_share
from tests.benchmarks.sweeps import LAYOUT_SWEEPS, SECOND_PASS_SWEEPS, SWEEPS, Sweep

ALL = (*SWEEPS, *SECOND_PASS_SWEEPS, *LAYOUT_SWEEPS)
MODULES = {path.stem: path.read_text(encoding="utf-8") for path in Path(stitch.__path__[0]).glob("*.py")}
COMMAND = re.compile(r"`scripts/bench calibrate --only (\S+)`")


def described(source: str) -> dict[str, str]:
    """Return the constants of a module and the strings under them."""
    found = {}
    body = ast.parse(source).body
    for node, after in pairwise(body):
        if isinstance(node, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            names = [item.id for target in node.targets for item in ast.walk(target) if isinstance(item, ast.Name)]
            found.update(dict.fromkeys(names, str(after.value.value)))
    return found


@pytest.mark.parametrize("sweep", ALL, ids=lambda sweep: sweep.name)
def test_a_swept_constant_exists_and_names_the_command_that_sweeps_it(sweep: Sweep) -> None:
    module, _, name = sweep.name.rpartition(".")
    value = getattr(importlib.import_module(f"{stitch.__name__}.{module}"), name)
    assert value not in sweep.values
    command = COMMAND.search(described(MODULES[module])[name])
    assert command, f"{sweep.name} does not name its command"
    assert command[1] in sweep.name


@pytest.mark.parametrize("module", MODULES)
def test_every_command_that_is_named_sweeps_a_constant_of_the_module(module: str) -> None:
    for part in COMMAND.findall(MODULES[module]):
        assert any(part in sweep.name and sweep.name.startswith(f"{module}.") for sweep in ALL), part


def test_the_same_seed_makes_the_same_layouts() -> None:
    def quads(seed: int) -> list[list[Quad]]:
        return [[line.quad for line in layout] for layout in make_layouts(2, seed)]

    assert quads(1) == quads(1)
    assert quads(1) != quads(2)


def test_most_lines_of_the_layouts_are_read_in_order() -> None:
    assert 0.8 < order_share(make_layouts(3, 1)) <= 1
