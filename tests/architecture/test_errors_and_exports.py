"""The first sentence of each module, the exported names and the tree of errors."""

import ast
import importlib
import re
from collections.abc import Iterator

import pytest

import ocrfarm
from ocrfarm import errors
from ocrfarm.errors import OcrfarmError
from tests.support.error_classes import ERRORS
from tests.support.source_tree import MODULES, ROOT, Module

MAX_PUBLIC_NAMES = 15
STAGES = ("image", "split", "recognize", "stitch", "result")

BRANCHES = OcrfarmError.__subclasses__()
TOP: list[type[OcrfarmError]] = [OcrfarmError, *BRANCHES]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_every_module_begins_with_one_sentence(module: Module) -> None:
    first = (ast.get_docstring(module.tree) or "").partition("\n")[0]
    assert re.fullmatch(r"\S.*\.", first), f"{module.relative_path}: {first!r}"


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_says_what_goes_in_and_what_comes_out(stage: str) -> None:
    module = Module(ROOT / "ocrfarm" / stage / "__init__.py")
    assert re.match(r".+ -> .+\.", ast.get_docstring(module.tree) or "")


def test_public_names_are_few() -> None:
    names: list[str] = vars(ocrfarm).get("__all__", [])
    assert len(names) == len(set(names)) <= MAX_PUBLIC_NAMES


def _exports() -> Iterator[tuple[str, str]]:
    for module in MODULES:
        for node in module.tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List() | ast.Tuple() as names):
                    yield from ((module.name, ast.literal_eval(name)) for name in names.elts)


@pytest.mark.parametrize(("module", "name"), list(_exports()))
def test_exported_names_are_there(module: str, name: str) -> None:
    """Lazily loaded ones too."""
    assert hasattr(importlib.import_module(module), name)


def _documented_tree() -> Iterator[tuple[str, str, str]]:
    """Name, parent and what is written behind it, for every line of the tree in the docstring of errors.py."""
    above = [""]
    for branch, name, note in re.findall(r"^((?:[|`]-- |[| ]   )*)(\w+)(.*)$", str(errors.__doc__), re.MULTILINE):
        depth = len(branch) // 4
        if name == "OcrfarmError" or depth:
            above[depth:] = [name]
            yield name, above[depth - 1] if depth else "Exception", note.strip()


def test_error_tree_is_drawn_as_it_is() -> None:
    assert {(name, parent) for name, parent, _ in _documented_tree()} == {
        (error.__name__, base.__name__) for error in ERRORS for base in error.__bases__
    }


def test_error_tree_says_the_exit_codes() -> None:
    drawn = {name: int(note.split()[0]) for name, _, note in _documented_tree() if re.match(r"\d+", note)}
    assert drawn == {error.__name__: error.exit_code for error in TOP}


def test_error_tree_says_what_may_be_tried_again() -> None:
    drawn = {name for name, _, note in _documented_tree() if note == "(retryable)"}
    assert drawn | {"EngineFailed"} == {error.__name__ for error in ERRORS if error.retryable}


def test_every_branch_has_an_exit_code_of_its_own() -> None:
    codes = [error.exit_code for error in TOP]
    assert len(codes) == len(set(codes))
    assert 0 not in codes
    assert all(error.exit_code == branch.exit_code for branch in BRANCHES for error in branch.__subclasses__())


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_sentence(error: type[OcrfarmError]) -> None:
    assert re.fullmatch(r"[A-Z].*\.", (error.__doc__ or "").partition("\n")[0])


def test_errors_are_defined_in_one_file() -> None:
    known = {"Exception", "BaseException", *(error.__name__ for error in ERRORS)}
    strays = [
        f"{module.relative_path}: {node.name}"
        for module in MODULES
        if module.name != "ocrfarm.errors"
        for node in module.classes()
        if any(
            ast.unparse(base).rpartition(".")[2] in known or ast.unparse(base).endswith("Error") for base in node.bases
        )
    ]
    assert not strays
