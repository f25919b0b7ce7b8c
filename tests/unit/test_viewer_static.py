"""The viewer's scripts and styles: what they may not hold."""

import re
from pathlib import Path

import pytest

from ocrfarm.viewer.bundle import STATIC_DIR

FILES = sorted(path for path in STATIC_DIR.rglob("*") if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
LINES = 400

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
every_script = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)

AS_CODE = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|srcdoc")
FOREIGN = re.compile(r"https?://|(?<!:)//\w+\.\w+")


@every_script
def test_no_text_is_ever_taken_as_code(path: Path) -> None:
    assert not AS_CODE.findall(path.read_text(encoding="utf-8"))


@every_file
def test_nothing_comes_from_another_host(path: Path) -> None:
    assert not FOREIGN.findall(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".html"], ids=lambda path: path.name)
def test_pages_hold_no_script_and_no_style(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"<script(?![^>]* src=)|<style[^>]*>[^<]| style=|\son\w+=", text)


@every_script
def test_scripts_are_short_and_begin_with_what_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.match(r"// [A-Z].*\.\n", text)
    assert len(text.splitlines()) <= LINES
