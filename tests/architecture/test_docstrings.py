"""Every public function that takes two or more parameters says in an Args section what each of them is."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.source_tree import MODULES, Function, Module

LIBRARY = [module for module in MODULES if module.name.startswith("ocrfarm")]
MIN_PARAMETERS = 2

DOCUMENTED_ELSEWHERE = re.compile(r"\boverload\b|\boverride\b")
"""Decorators whose function is documented at the one that is overloaded or overridden."""

_SECTION = re.compile(r"^Args:\n((?:(?: .*)?\n)*)", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(?:\\?\*){0,2}(\w+)(?: \([^)]*\))?: \S", re.MULTILINE)


def _is_public(node: Function) -> bool:
    decorators = " ".join(map(ast.unparse, node.decorator_list))
    return not node.name.startswith("_") and not DOCUMENTED_ELSEWHERE.search(decorators)


def _public_functions(module: Module) -> Iterator[tuple[str, Function, list[str]]]:
    """Return the dotted name, the function and its parameters without the object or the class."""
    for node in module.tree.body:
        if isinstance(node, Function) and _is_public(node):
            yield f"{module.name}.{node.name}", node, _parameters(node)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, Function) and _is_public(item):
                    bound = "staticmethod" not in map(ast.unparse, item.decorator_list)
                    yield f"{module.name}.{node.name}.{item.name}", item, _parameters(item)[bound:]


def _parameters(node: Function) -> list[str]:
    args = node.args
    rest = [arg for arg in (args.vararg, args.kwarg) if arg]
    return [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, *rest)]


def _documented(node: Function) -> list[str]:
    section = _SECTION.search(f"{ast.get_docstring(node) or ''}\n")
    return _ENTRY.findall(section[1]) if section else []


@pytest.mark.parametrize("module", LIBRARY, ids=lambda module: module.name)
def test_every_parameter_is_documented(module: Module) -> None:
    faults = {
        name: sorted(set(parameters) ^ set(_documented(node)))
        for name, node, parameters in _public_functions(module)
        if (len(parameters) >= MIN_PARAMETERS or _documented(node)) and set(parameters) != set(_documented(node))
    }
    assert not faults, "\n".join(f"{name}: {', '.join(names)}" for name, names in faults.items())


def test_there_are_functions_to_be_checked() -> None:
    found = [name for module in LIBRARY for name, _, parameters in _public_functions(module) if len(parameters) > 1]
    assert len(found) > 200


def test_the_sections_are_read_as_they_are_written() -> None:
    source = '''
def sized(width: int, *others: int, height: int = 0) -> None:
    """Do something.

    Args:
        width: Pixels; two lines
            of them: and a colon.
        *others: More.
        height (int): Pixels.

    Returns:
        none: nothing.
    """
'''
    (node,) = ast.parse(source).body
    assert isinstance(node, Function)
    assert _documented(node) == ["width", "others", "height"]
    assert sorted(_parameters(node)) == ["height", "others", "width"]
