"""How big a function, a class, a file and the tree of packages may be."""

import ast
import re
from collections.abc import Iterator
from statistics import median, quantiles

import pytest

from tests.support.source_tree import MODULES, ROOT, Function, Module, body, methods

MAX_PARAMETERS = 6
MAX_POSITIONAL = 2
MAX_STATEMENTS = 30
MAX_METHODS = 10
MAX_FUNCTION_LINES, MAX_MEDIAN_FUNCTION_LINES, MAX_P90_FUNCTION_LINES = 40, 6, 15
"""Lines of a function's body without its docstring."""

MAX_FILE_LINES, MEDIAN_FILE_LINES = 400, (90, 170)
"""A file is a topic that a reader looks for: neither a fragment of one nor several."""

MAX_FILES = {"ocrfarm/farm": 18, "ocrfarm/stitch": 12}
"""Modules of the two largest folders, without `__init__` and without folders in them."""

MAX_DEPTH = 3

every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


def _lines(function: Function) -> int:
    """Lines of the body without the docstring."""
    statements = body(function)
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def _statements(function: Function) -> int:
    return sum(isinstance(node, ast.stmt) for statement in body(function) for node in ast.walk(statement))


def _bound(module: Module) -> set[Function]:
    """Methods whose first parameter is the object or the class."""
    inside = (item for node in module.classes() for item in node.body if isinstance(item, Function))
    return {item for item in inside if "staticmethod" not in map(ast.unparse, item.decorator_list)}


def _signatures(module: Module) -> Iterator[tuple[str, list[str], list[str]]]:
    """Name, positional and keyword-only parameters of every function, without the object or the class."""
    bound = _bound(module)
    for function in module.functions():
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        yield function.name, names[function in bound :], [argument.arg for argument in function.args.kwonlyargs]


def _values(names: list[str]) -> int:
    """Count parameters; the coordinates of a point or a box (x, y, x0, dx, ...) belong together and count as one."""
    others = [name for name in names if not re.fullmatch(r"d?[xy]\d?", name)]
    return len(others) + (len(others) < len(names))


@every_module
def test_functions_take_few_parameters(module: Module) -> None:
    """One more means that a value object is missing."""
    counts = {name: len(names) + len(named) for name, names, named in _signatures(module)}
    assert not {name: count for name, count in counts.items() if count > MAX_PARAMETERS}


@every_module
def test_public_functions_name_the_third_parameter(module: Module) -> None:
    """More than two bare values in a call are hard to tell apart; a callback has what its caller passes."""
    counts = {name: _values(names) for name, names, _ in _signatures(module) if not name.startswith(("_", "on_"))}
    assert not {name: count for name, count in counts.items() if count > MAX_POSITIONAL}


@every_module
def test_functions_have_few_statements(module: Module) -> None:
    assert not [function.name for function in module.functions() if _statements(function) > MAX_STATEMENTS]


def test_functions_are_short() -> None:
    lengths = [_lines(function) for module in MODULES for function in module.functions()]
    assert median(lengths) <= MAX_MEDIAN_FUNCTION_LINES
    assert quantiles(lengths, n=10)[-1] <= MAX_P90_FUNCTION_LINES


@every_module
def test_no_function_is_long(module: Module) -> None:
    lengths = {function.name: _lines(function) for function in module.functions()}
    assert not {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES}


@every_module
def test_classes_are_small(module: Module) -> None:
    assert not [node.name for node in module.classes() if len(methods(node)) > MAX_METHODS]


@every_module
def test_no_file_is_long(module: Module) -> None:
    assert len(module.text.splitlines()) <= MAX_FILE_LINES


def test_files_are_neither_fragments_nor_collections() -> None:
    """Package files, which hold a sentence and exports, do not count."""
    files = [module for module in MODULES if module.path.stem not in ("__init__", "__main__")]
    low, high = MEDIAN_FILE_LINES
    assert low <= median(len(module.text.splitlines()) for module in files) <= high


@pytest.mark.parametrize("folder", MAX_FILES)
def test_folders_hold_few_files(folder: str) -> None:
    names = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}
    assert len(names) <= MAX_FILES[folder]


@every_module
def test_packages_are_flat(module: Module) -> None:
    """A stage is one folder of files; only farm/ and result/ have a package inside."""
    assert len(module.relative_path.split("/")[:-1]) <= MAX_DEPTH
