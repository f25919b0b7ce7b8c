"""The chart's README has every value, its default and its meaning."""

import runpy
from collections.abc import Callable

from tests.support.helm_chart import CHART
from tests.support.source_tree import ROOT

_make_readme: Callable[[str], str] = runpy.run_path(str(ROOT / "docs" / "tools" / "chart_readme.py"))["make_readme"]


def test_the_tables_are_those_of_the_schema() -> None:
    text = (CHART / "README.md").read_text(encoding="utf-8")
    assert text == _make_readme(text), "run docs/tools/chart_readme.py"


def test_values_have_their_defaults_and_meanings() -> None:
    text = (CHART / "README.md").read_text(encoding="utf-8")
    assert "| `broker.port` | `6379` | TCP port. |" in text
    assert "| `recognize.defaults.keda.maxMessageAge` | `0` |" in text
    assert "| `pods.topologySpreadConstraints` |" in text
