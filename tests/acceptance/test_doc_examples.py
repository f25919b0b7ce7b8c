"""The examples in docs/*.md do what the pages say; `examples` says how a page marks them."""

import os
import shutil
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from ocrfarm.farm.embedded.farm import EmbeddedFarm, WorkerLayout
from tests.support.doc_examples import ExampleStep, matches_output, parse_steps, run_steps
from tests.support.servers import require
from tests.support.source_tree import ROOT

PAGES = {path.name: found for path in sorted((ROOT / "docs").glob("*.md")) if (found := parse_steps(path))}


@pytest.fixture(scope="module")
def farm() -> Iterator[EmbeddedFarm]:
    """Give a farm that reads text."""
    with EmbeddedFarm("fast", layout=WorkerLayout(1)) as farm:
        farm.wait_ready()
        yield farm


def draw(path: Path, *lines: str) -> None:
    """Write an image with these lines of text."""
    image = Image.new("L", (1200, 120 + 90 * len(lines)), 255)
    for number, line in enumerate(lines):
        font = ImageFont.load_default(40)
        ImageDraw.Draw(image).text((80, 60 + 90 * number), line, fill=0, font=font)
    image.save(path)


@pytest.fixture
def example_folder(tmp_path: Path) -> Path:
    """Give a folder with what the pages speak of: drawing.png, and scans/ with three images."""
    draw(tmp_path / "drawing.png", "PUMP HOUSE No. 7", "VALVE DN80, PN16", "Scale 1:50")
    (tmp_path / "scans").mkdir()
    for name in ("one", "two", "three"):
        draw(tmp_path / f"scans/{name}.png", f"SHEET {name}", "TOTAL 12.50")
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_examples_do_what_the_page_says(page: str, example_folder: Path, farm: EmbeddedFarm) -> None:
    require(shutil.which("curl"), "curl is missing")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | farm.settings.to_env() | {"PATH": path}
    for _, group in groupby(sorted(PAGES[page], key=lambda step: step.language), lambda step: step.language):
        found: list[ExampleStep] = list(group)
        for step, printed in zip(found, run_steps(found, example_folder, environment), strict=True):
            assert step.expected_output is None or matches_output(printed, step.expected_output), (
                f"line {step.line} prints: {printed}"
            )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!-- run -->\n\n    indented\n", "no block"),
        ("<!-- run -->\n```toml\na = 1\n```\n", "only python and console"),
    ],
)
def test_a_mark_above_nothing_that_can_be_run_is_found(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(text)
    with pytest.raises(ValueError, match=words):
        parse_steps(tmp_path / "page.md")


def test_an_example_that_fails_is_told_by_its_line(tmp_path: Path) -> None:
    page = "<!-- run -->\n```python\nprint(1)\n```\n\n<!-- run -->\n```python\nprint(1 / 0)\n```\n"
    (tmp_path / "page.md").write_text(page)
    with pytest.raises(AssertionError, match=r"line 7: (?s:.*)ZeroDivisionError"):
        run_steps(parse_steps(tmp_path / "page.md"), tmp_path, os.environ)


def test_commands_and_what_they_print_are_told_apart(tmp_path: Path) -> None:
    page = "<!-- run -->\n```console\n$ echo one \\\n    two\none two\n$ sleep 60 &\n$ echo a b c\na ... c\n```\n"
    (tmp_path / "page.md").write_text(page)
    found = parse_steps(tmp_path / "page.md")
    printed = run_steps(found, tmp_path, os.environ)
    assert [matches_output(text, step.expected_output or "") for text, step in zip(printed, found, strict=True)] == [
        True
    ] * 3
    assert not matches_output("a b d", "a ... c")
