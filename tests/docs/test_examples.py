"""The examples of the documents in Python, and those in sh, run as they stand on a farm of this machine."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from PIL import Image

from ocrfarm.farm.local import EmbeddedFarm, machine_shape
from tests.docs.pages import DOCS
from tests.integration.servers import need

PAGES = ("quickstart.md", *(page.name for page in sorted(DOCS.glob("how-to-*.md"))))
READ = ("drawing", "diagram", "page", "scroll")
"""Names of results in the examples."""


@dataclass(frozen=True)
class Desk:
    """A folder with pictures and results, and the variables that lead to a farm."""

    folder: Path
    variables: dict[str, str]

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.variables, check=False, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def example(page: str, language: str = "python") -> str:
    """Give what a page has in a language as one program."""
    tokens = MarkdownIt().parse((DOCS / page).read_text(encoding="utf-8"))
    return "\n".join(token.content for token in tokens if token.type == "fence" and token.info == language)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    program = str(Path(sys.executable).with_name("ocrfarm"))
    with EmbeddedFarm("fast", shape=machine_shape()) as farm:
        place = Desk(folder, os.environ | farm.settings.to_env())
        place.run(program, "sample", "sheet.png", "--side", "2048")
        place.run(program, "read", "sheet.png", "--out", "results", "--formats", "json,geojson")
        with Image.open(folder / "sheet.png") as sheet:
            sheet.crop((1200, 0, 2048, 1024)).save(folder / "drawing.tif")
        for name in READ:
            shutil.copy(folder / "results/sheet.json", folder / f"results/{name}.json")
        with Image.open(folder / "drawing.tif") as drawing:
            for name in ("archive/1911/box1.pdf", "archive/1912/box1.pdf"):
                (folder / name).parent.mkdir(parents=True)
                drawing.save(folder / name, resolution=200)
        yield place


@pytest.mark.parametrize("page", [page for page in PAGES if example(page)])
def test_an_example_does_what_its_page_says(desk: Desk, page: str) -> None:
    """Warnings are errors there too, and each prints something."""
    assert desk.run(sys.executable, "-W", "error", "-c", example(page)).strip()


@pytest.mark.parametrize("page", [page for page in PAGES if example(page, "sh")])
def test_commands_do_what_their_page_says(desk: Desk, page: str) -> None:
    """Each of them ends well."""
    need(shutil.which("pdftotext"), "pdftotext is missing: install poppler-utils")
    search_path = f"{Path(sys.executable).parent}{os.pathsep}{desk.variables['PATH']}"
    shell = Desk(desk.folder, desk.variables | {"PATH": search_path})
    assert shell.run("bash", "-euo", "pipefail", "-c", example(page, "sh")).strip()


def test_tags_are_found_with_their_places(desk: Desk) -> None:
    assert "GV-103" in desk.run(sys.executable, "-c", example("how-to-drawings.md"))
