"""The examples in docstrings give what they say."""

import doctest
import importlib
from functools import cache

import pytest

from tests.support.source_tree import MODULES

MIN_EXAMPLES = 120

NAMES = [module.name for module in MODULES if module.name.startswith("ocrfarm") and ">>>" in module.text]


@cache
def _examples(name: str) -> tuple[doctest.DocTest, ...]:
    return tuple(test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples)


@pytest.mark.parametrize("name", NAMES)
def test_examples_give_what_they_say(name: str) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    printed: list[str] = []
    for test in _examples(name):
        runner.run(test, out=printed.append)
    assert not runner.failures, "".join(printed)


def test_there_are_many_examples() -> None:
    examples = [example for name in NAMES for test in _examples(name) for example in test.examples]
    assert len([each for each in examples if doctest.SKIP not in each.options]) >= MIN_EXAMPLES
