"""Names of keys are made in one module, and each Lua script says what its keys and arguments are."""

import re
from pathlib import Path

import pytest

from ocrfarm.farm.protocol import ACTIVE_STATES, FINAL_STATES
from tests.support.source_tree import MODULES, ROOT, Module

SCRIPTS = sorted((ROOT / "ocrfarm" / "farm" / "lua").iterdir())

every_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def _header(script: Path) -> str:
    """The comment at the top, in one line."""
    lines = script.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    assert all(line.startswith("--") for line in lines)
    return " ".join(line.removeprefix("--").strip() for line in lines)


@every_script
def test_a_script_describes_its_keys_and_arguments(script: Path) -> None:
    used = set(re.findall(r"(?:KEYS|ARGV)\[\d+\]", script.read_text(encoding="utf-8")))
    assert used
    assert set(re.findall(r"(?:KEYS|ARGV)\[\d+\]", _header(script))) >= used
    assert re.match(r"[A-Z][^.]+\.", _header(script))
    assert re.search(r"Returns .+\.", _header(script))


@every_script
def test_a_script_is_told_the_states(script: Path) -> None:
    """They are defined once, in `protocol`."""
    code = script.read_text(encoding="utf-8").split("\n\n", 1)[1]
    assert not [state for state in (*ACTIVE_STATES, *FINAL_STATES) if re.search(rf"['\"]{state}['\"]", code)]


@every_script
def test_a_script_is_used(script: Path) -> None:
    assert [module.name for module in MODULES if f'load_script("{script.stem}")' in module.text]


@pytest.mark.parametrize(
    "module",
    [each for each in MODULES if each.name.startswith(("ocrfarm.farm.", "ocrfarm.server.", "ocrfarm.doctor."))],
    ids=lambda module: module.name,
)
def test_names_of_keys_are_made_in_one_module(module: Module) -> None:
    assert module.name == "ocrfarm.farm.keys" or not re.search(r"\{[\w.]*prefix\}[\w{]|redis\.call", module.text)
