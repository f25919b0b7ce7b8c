"""Nothing is printed past the functions that make foreign names harmless."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.source_tree import MODULES, Module

PRINTING = {"print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write", "console.print"}

ALLOWED = {
    "ocrfarm.cli.main": {"click.echo"},  # `echo`, through which all commands print; and the completion's script
    "ocrfarm.benchmark.measure": {"sys.stdout.write"},  # figures for the parent process
    "ocrfarm.doctor.smoke_test": {"sys.stdout.write"},
}
"""The functions behind which the others stand, and processes whose output another process parses."""

RICH = {"ocrfarm.cli.display", "ocrfarm.cli.top", "ocrfarm.cli.view", "ocrfarm.client.progress"}
"""Modules that draw with rich, in whose texts names have to be printable; `tests/acceptance` looks at each."""


def _calls(module: Module) -> Iterator[str]:
    return (ast.unparse(node.func) for node in ast.walk(module.tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_nothing_prints_past_the_function_that_makes_names_printable(module: Module) -> None:
    assert not PRINTING & set(_calls(module)) - ALLOWED.get(module.name, set())


def test_few_modules_draw_with_rich() -> None:
    found = {module.name for module in MODULES if "from rich" in module.text}
    assert found == RICH


def test_only_one_module_configures_logging() -> None:
    """A second handler would bypass the formatter that removes secrets and escapes names."""
    handlers = ("basicConfig", "StreamHandler", "addHandler", "dictConfig", "setFormatter")
    found = {module.name for module in MODULES for call in _calls(module) if call.endswith(handlers)}
    assert found == {"ocrfarm.log_output", "ocrfarm.cli.main"}
